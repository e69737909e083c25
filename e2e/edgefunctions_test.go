package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/transform/sample"
)

// edgeFunctions are functions at all four events, by language and event. Together they move an album's pictures, send people
// to a login, sign for the origin, say something in place of the origin's errors, and mark each answer.
var edgeFunctions = map[string]map[string]string{
	"nodejs20.x": {
		"viewer-request": `export const handler = async (event) => {
			const { config, request } = event.Records[0].cf;
			console.log('viewer ' + request.clientIp + ' asks for ' + request.uri + ' as ' + config.requestId);
			switch (request.uri) {
			case '/throws': throw new Error('it does');
			case '/invalid': request.headers.host = [{ key: 'Host', value: 'elsewhere' }]; return request;
			case '/login': return { status: '302', statusDescription: 'Found', headers: { location: [{ key: 'Location', value: '/in' }] } };
			}
			request.uri = request.uri.replace(/^\/album\//, '/');
			return request;
		};`,
		"origin-request": `import { createHash, createHmac } from 'node:crypto';
		const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
		export const handler = async (event) => {
			const { config, request } = event.Records[0].cf;
			const host = request.origin.custom.domainName, region = host.split('.')[2];
			const stamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, ''), date = stamp.slice(0, 8);
			const headers = { 'host': host, 'x-amz-cf-id': config.requestId, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': stamp, 'x-amz-security-token': process.env.AWS_SESSION_TOKEN };
			const names = Object.keys(headers).join(';');
			const canonical = [request.method, request.uri, request.querystring, ...Object.entries(headers).map(([k, v]) => k + ':' + v), '', names, 'UNSIGNED-PAYLOAD'].join('\n');
			const scope = [date, region, 's3-object-lambda', 'aws4_request'].join('/');
			const text = ['AWS4-HMAC-SHA256', stamp, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
			const key = scope.split('/').reduce(hmac, 'AWS4' + process.env.AWS_SECRET_ACCESS_KEY);
			delete headers['x-amz-cf-id'];
			headers.Authorization = 'AWS4-HMAC-SHA256 Credential=' + process.env.AWS_ACCESS_KEY_ID + '/' + scope + ', SignedHeaders=' + names + ', Signature=' + hmac(key, text).toString('hex');
			for (const [key, value] of Object.entries(headers)) request.headers[key] = [{ key, value }];
			return request;
		};`,
		"origin-response": `export const handler = async (event) => {
			const { request, response } = event.Records[0].cf;
			response.headers['x-origin'] = [{ key: 'X-Origin', value: response.status + ' ' + request.uri + ' ' + ('authorization' in request.headers) }];
			if (response.status >= '400') {
				response.status = 200; // a number will do
				response.headers['content-type'] = [{ key: 'Content-Type', value: 'text/plain' }];
				response.body = 'nothing here';
			}
			return response;
		};`,
		"viewer-response": `export const handler = async (event) => {
			const { config, response } = event.Records[0].cf;
			response.headers['x-run'] = [{ key: 'X-Run', value: config.requestId }];
			return response;
		};`,
	},
	"python3.9": {
		"viewer-request": `
def handler(event, context):
    cf = event["Records"][0]["cf"]
    request = cf["request"]
    print("viewer", request["clientIp"], "asks for", request["uri"], "as", cf["config"]["requestId"])
    if request["uri"] == "/throws":
        raise ValueError("it does")
    if request["uri"] == "/invalid":
        request["headers"]["host"] = [{"key": "Host", "value": "elsewhere"}]
    if request["uri"] == "/login":
        return {"status": "302", "statusDescription": "Found", "headers": {"location": [{"key": "Location", "value": "/in"}]}}
    request["uri"] = request["uri"].replace("/album/", "/")
    return request
`,
		// "origin-request" is ../examples/cdk/signer/edge_signer.py.
		"origin-response": `
def handler(event, context):
    cf = event["Records"][0]["cf"]
    request, response = cf["request"], cf["response"]
    response["headers"]["x-origin"] = [{"key": "X-Origin", "value": " ".join([response["status"], request["uri"], str("authorization" in request["headers"]).lower()])}]
    if int(response["status"]) >= 400:
        response["status"] = "200"
        response["headers"]["content-type"] = [{"key": "Content-Type", "value": "text/plain"}]
        response["body"] = "nothing here"
    return response
`,
		"viewer-response": `
def handler(event, context):
    cf = event["Records"][0]["cf"]
    cf["response"]["headers"]["x-run"] = [{"key": "X-Run", "value": cf["config"]["requestId"]}]
    return cf["response"]
`,
	},
}

// edgeUser changes the demo's distribution with the AWS CLI.
type edgeUser struct {
	*system
	t   *testing.T
	env []string
}

func (u *edgeUser) aws(args ...string) string {
	u.t.Helper()
	out, errOut, err := command(u.t, u.env, "aws", args...)
	if err != nil {
		u.t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
	}
	return strings.TrimSpace(out)
}

// associate replaces the functions of the demo's default behavior: ARNs by event.
func (u *edgeUser) associate(lambdas, scripts map[string]string) {
	u.t.Helper()
	id := u.aws("cloudfront", "list-distributions", "--query", "DistributionList.Items[0].Id", "--output", "text")
	var d struct {
		ETag               string
		DistributionConfig map[string]any
	}
	if err := json.Unmarshal([]byte(u.aws("cloudfront", "get-distribution-config", "--id", id, "--output", "json")), &d); err != nil {
		u.t.Fatal(err)
	}
	list := func(field string, of map[string]string) map[string]any {
		items := []any{}
		for event, arn := range of {
			items = append(items, map[string]any{"EventType": event, field: arn})
		}
		if len(items) == 0 {
			return map[string]any{"Quantity": 0}
		}
		return map[string]any{"Quantity": len(items), "Items": items}
	}
	b := d.DistributionConfig["DefaultCacheBehavior"].(map[string]any)
	b["LambdaFunctionAssociations"], b["FunctionAssociations"] = list("LambdaFunctionARN", lambdas), list("FunctionARN", scripts)
	text, err := json.Marshal(d.DistributionConfig)
	if err != nil {
		u.t.Fatal(err)
	}
	u.aws("cloudfront", "update-distribution", "--id", id, "--if-match", d.ETag, "--distribution-config", string(text))
}

// want asks for a path and compares status, X-Cache and the fields given as names and values; "" is for one that is not there.
func (u *edgeUser) want(path string, status int, xCache string, fields ...string) answer {
	u.t.Helper()
	a := u.view(u.t, http.MethodGet, path)
	if a.StatusCode != status || a.Header.Get("X-Cache") != xCache+" from cloudfront" {
		u.t.Errorf("%s: %s, X-Cache %q, want %d, %q: %.300s", path, a.Status, a.Header.Get("X-Cache"), status, xCache, a.body)
	}
	for i := 0; i < len(fields); i += 2 {
		if got := a.Header.Get(fields[i]); got != fields[i+1] {
			u.t.Errorf("%s: %s = %q, want %q", path, fields[i], got, fields[i+1])
		}
	}
	return a
}

// Functions that people would write, at all four events of Lambda@Edge, in processes of their own.
func TestLambdaAtAllFourEvents(t *testing.T) {
	t.Parallel()
	for runtime, sources := range edgeFunctions {
		t.Run(runtime, func(t *testing.T) {
			s := start(t)
			u := &edgeUser{s, t, s.environment(t)}
			versions := map[string]string{}
			for _, event := range []string{"viewer-request", "origin-request", "origin-response", "viewer-response"} {
				file, handler := "index.mjs", "index.handler"
				if strings.HasPrefix(runtime, "python") {
					file = "index.py"
				}
				source := "../examples/cdk/signer/edge_signer.py"
				if text := sources[event]; text != "" {
					source = writeTemp(t, file, []byte(text))
				}
				archive := writeTemp(t, event+".zip", packed(t, map[string]string{file: source}, nil, nil))
				u.aws("lambda", "create-function", "--region", "us-east-1", "--function-name", event, "--runtime", runtime, "--handler", handler,
					"--role", edgeRoleARN, "--timeout", "5", "--memory-size", "128", "--zip-file", "fileb://"+archive)
				versions[event] = u.aws("lambda", "publish-version", "--region", "us-east-1", "--function-name", event, "--query", "FunctionArn", "--output", "text")
			}
			u.associate(versions, nil)

			a := u.want("/album/sample.jpg", 200, "Miss", "Content-Type", "image/jpeg", "X-Origin", "200 /sample.jpg true")
			if a.Header.Get("X-Run") != a.Header.Get("X-Amz-Cf-Id") || !bytes.Equal(pixels(t, a.body), pixels(t, sample.JPEG)) {
				t.Errorf("X-Run %q of %q, %d bytes", a.Header.Get("X-Run"), a.Header.Get("X-Amz-Cf-Id"), len(a.body))
			}
			again := u.want("/sample.jpg", 200, "Hit", "X-Origin", "200 /sample.jpg true")
			if again.Header.Get("X-Run") != again.Header.Get("X-Amz-Cf-Id") || again.Header.Get("X-Run") == a.Header.Get("X-Run") || !bytes.Equal(again.body, a.body) {
				t.Errorf("viewer-response of a hit: X-Run %q of %q", again.Header.Get("X-Run"), again.Header.Get("X-Amz-Cf-Id"))
			}
			u.want("/login", 302, "LambdaGeneratedResponse", "Location", "/in", "X-Run", "")
			// What the image function answers when it cannot read the original.
			if missing := u.want("/missing.jpg", 200, "Miss", "Content-Type", "text/plain", "X-Origin", "500 /missing.jpg true"); string(missing.body) != "nothing here" {
				t.Errorf("a missing picture: %s", missing.body)
			}
			u.want("/throws", 503, "LambdaExecutionError", "X-Run", "")
			u.want("/invalid", 502, "LambdaValidationError", "X-Run", "")
			u.logged("/aws/lambda/us-east-1.viewer-request", "asks for /album/sample.jpg as "+a.Header.Get("X-Amz-Cf-Id"))
			for event := range versions {
				u.logged("/aws/lambda/us-east-1."+event, "REPORT RequestId: ")
			}
		})
	}
}

// logged waits for a line in a log group.
func (u *edgeUser) logged(group, text string) {
	u.t.Helper()
	var out string
	for range 50 {
		if out = u.aws("logs", "filter-log-events", "--region", "us-east-1", "--log-group-name", group, "--query", "events[].message", "--output", "text"); strings.Contains(out, text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	u.t.Errorf("log group %s has no %q: %.500s", group, text, out)
}

// A CloudFront function at both of the viewer's events, beside the Lambda@Edge function that signs for the origin: made, tested,
// published and associated with the AWS CLI.
func TestCloudFrontFunctionByTheCLI(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := &edgeUser{s, t, s.environment(t)}
	signer := u.aws("cloudfront", "list-distributions", "--query", "DistributionList.Items[0].DefaultCacheBehavior.LambdaFunctionAssociations.Items[0].LambdaFunctionARN", "--output", "text")
	code := writeTemp(t, "function.js", []byte(`function handler(event) {
		if (event.context.eventType === 'viewer-response') {
			event.response.headers['strict-transport-security'] = {value: 'max-age=63072000'};
			event.response.headers['x-run'] = {value: event.context.requestId};
			return event.response;
		}
		var request = event.request;
		if (request.uri === '/throws') throw new Error('it does');
		if (request.uri === '/old') return {statusCode: 301, statusDescription: 'Moved Permanently', headers: {location: {value: '/sample.jpg'}}};
		if (request.uri.startsWith('/album/')) request.uri = request.uri.slice(6);
		return request;
	}`))
	create := u.aws("cloudfront", "create-function", "--name", "both", "--function-config", "Comment=,Runtime=cloudfront-js-2.0", "--function-code", "fileb://"+code, "--query", "[ETag,FunctionSummary.FunctionMetadata.FunctionARN]", "--output", "text")
	etag, arn, _ := strings.Cut(create, "\t")
	event := writeTemp(t, "event.json", []byte(`{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"192.0.2.1"},"request":{"method":"GET","uri":"/album/a.jpg","headers":{},"cookies":{},"querystring":{}}}`))
	if out := u.aws("cloudfront", "test-function", "--name", "both", "--if-match", etag, "--event-object", "fileb://"+event, "--query", "TestResult.FunctionOutput", "--output", "text"); !strings.Contains(out, `"/a.jpg"`) {
		t.Errorf("test-function = %s", out)
	}
	u.aws("cloudfront", "publish-function", "--name", "both", "--if-match", etag)
	u.associate(map[string]string{"origin-request": signer}, map[string]string{"viewer-request": arn, "viewer-response": arn})

	a := u.want("/album/sample.jpg", 200, "Miss", "Content-Type", "image/jpeg", "Strict-Transport-Security", "max-age=63072000")
	if a.Header.Get("X-Run") != a.Header.Get("X-Amz-Cf-Id") || !bytes.Equal(pixels(t, a.body), pixels(t, sample.JPEG)) {
		t.Errorf("X-Run %q of %q, %d bytes", a.Header.Get("X-Run"), a.Header.Get("X-Amz-Cf-Id"), len(a.body))
	}
	u.want("/sample.jpg", 200, "Hit", "Strict-Transport-Security", "max-age=63072000")
	u.want("/old", 301, "FunctionGeneratedResponse", "Location", "/sample.jpg", "X-Run", "")
	u.want("/throws", 503, "FunctionExecutionError", "X-Run", "")
	if _, errOut, err := command(t, u.env, "aws", "cloudfront", "delete-function", "--name", "both", "--if-match", etag); err == nil || !strings.Contains(errOut, "FunctionInUse") {
		t.Errorf("delete-function of one in use: %v %s", err, errOut)
	}
	u.associate(map[string]string{"origin-request": signer}, nil)
	u.want("/throws", 500, "Error") // from the origin again
	u.aws("cloudfront", "delete-function", "--name", "both", "--if-match", etag)
}
