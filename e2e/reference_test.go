package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	_ "image/jpeg"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/lambda"
	"glassine/transform/sample"
)

// The whole architecture out of archives, made with the AWS CLI alone: a Node transform with sharp, axios and the SDK behind an
// Object Lambda access point, and a Python signer at origin-request of a distribution.
func TestPhotographThroughUploadedFunctions(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := s.environment(t)
	aws := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return strings.TrimSpace(out)
	}
	trust := func(services string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":` + services + `},"Action":"sts:AssumeRole"}]}`
	}
	const role = "arn:aws:iam::" + account + ":role/"
	transform := writeTemp(t, "transform.zip", nodeArchive(t, "resize.mjs", "@aws-sdk/client-s3", "axios", "sharp"))
	signer := writeTemp(t, "signer.zip", packed(t, map[string]string{"lambda_function.py": "../examples/cdk/signer/edge_signer.py"}, nil, nil))

	aws("iam", "create-role", "--role-name", "transform", "--assume-role-policy-document", trust(`"lambda.amazonaws.com"`))
	aws("iam", "attach-role-policy", "--role-name", "transform", "--policy-arn", "arn:aws:iam::aws:policy/service-role/AmazonS3ObjectLambdaExecutionRolePolicy")
	aws("lambda", "create-function", "--function-name", "transform", "--runtime", "nodejs20.x", "--architectures", "x86_64", "--handler", "index.handler", "--role", role+"transform",
		"--memory-size", "512", "--timeout", "60", "--zip-file", "fileb://"+transform)
	aws("lambda", "wait", "function-active-v2", "--function-name", "transform")
	function := aws("lambda", "get-function", "--function-name", "transform", "--query", "Configuration.FunctionArn", "--output", "text")
	aws("s3control", "create-access-point-for-object-lambda", "--account-id", account, "--name", "uploaded", "--configuration",
		`{"SupportingAccessPoint":"`+pointARN+`","TransformationConfigurations":[{"Actions":["GetObject"],"ContentTransformation":{"AwsLambda":{"FunctionArn":"`+function+`"}}}]}`)
	const olap = "arn:aws:s3-object-lambda:us-east-1:" + account + ":accesspoint/uploaded"

	aws("iam", "create-role", "--role-name", "signer", "--assume-role-policy-document", trust(`["lambda.amazonaws.com","edgelambda.amazonaws.com"]`))
	aws("iam", "put-role-policy", "--role-name", "signer", "--policy-name", "p", "--policy-document", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3-object-lambda:GetObject","Resource":"`+olap+`"},
		{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"`+function+`:$LATEST"},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":["`+pointARN+`/object/*","arn:aws:s3:::`+bucket+`/*"]},
		{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`)
	aws("lambda", "create-function", "--region", "us-east-1", "--function-name", "signer", "--runtime", "python3.9", "--handler", "lambda_function.handler", "--role", role+"signer", "--timeout", "5", "--zip-file", "fileb://"+signer)
	version := aws("lambda", "publish-version", "--region", "us-east-1", "--function-name", "signer", "--query", "FunctionArn", "--output", "text")
	policy := aws("cloudfront", "create-cache-policy", "--cache-policy-config", `{"Name":"uploaded","MinTTL":1,"DefaultTTL":60,"MaxTTL":60,"ParametersInCacheKeyAndForwardedToOrigin":{
		"EnableAcceptEncodingGzip":false,"HeadersConfig":{"HeaderBehavior":"none"},"CookiesConfig":{"CookieBehavior":"none"},
		"QueryStringsConfig":{"QueryStringBehavior":"whitelist","QueryStrings":{"Quantity":2,"Items":["showExif","width"]}}}}`, "--query", "CachePolicy.Id", "--output", "text")
	domain := aws("cloudfront", "create-distribution", "--distribution-config", `{"CallerReference":"uploaded","Comment":"","Enabled":true,
		"Origins":{"Quantity":1,"Items":[{"Id":"olap","DomainName":"uploaded-`+account+`.s3-object-lambda.us-east-1.amazonaws.com",
			"CustomOriginConfig":{"HTTPPort":80,"HTTPSPort":443,"OriginProtocolPolicy":"https-only","OriginSslProtocols":{"Quantity":1,"Items":["TLSv1.2"]}}}]},
		"DefaultCacheBehavior":{"TargetOriginId":"olap","ViewerProtocolPolicy":"redirect-to-https","CachePolicyId":"`+policy+`",
			"LambdaFunctionAssociations":{"Quantity":1,"Items":[{"LambdaFunctionARN":"`+version+`","EventType":"origin-request","IncludeBody":false}]}}}`, "--query", "Distribution.DomainName", "--output", "text")

	view := func(path string) answer {
		return do(t, s.viewer, withHost(request(t, http.MethodGet, s.url(path), nil), domain))
	}
	a := view("/sample.jpg?width=64")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "image/jpeg" || a.Header.Get("X-Cache") != "Miss from cloudfront" {
		t.Fatalf("%s %v: %.400s", a.Status, a.Header, a.body)
	}
	if picture, _, err := image.DecodeConfig(bytes.NewReader(a.body)); err != nil || picture.Width != 64 {
		t.Errorf("the picture = %+v, %v, want 64 pixels wide", picture, err)
	}
	if left := tags(t, writeTemp(t, "a.jpg", a.body)); left["IFD0:Make"] != nil {
		t.Errorf("it still says %v", left)
	}
	if again := view("/sample.jpg?width=64"); again.Header.Get("X-Cache") != "Hit from cloudfront" || !bytes.Equal(again.body, a.body) {
		t.Errorf("again: X-Cache %q", again.Header.Get("X-Cache"))
	}
	if exif := view("/sample.jpg?showExif=true"); string(exif.body) != `{"exif":true}` || len(sample.JPEG) == 0 {
		t.Errorf("showExif = %s %s", exif.Status, exif.body)
	}

	if _, errOut, err := command(t, env, "aws", "lambda", "delete-function", "--function-name", version); err == nil || !strings.Contains(errOut, "ResourceConflictException") {
		t.Errorf("delete of the version that the distribution uses: %v %s", err, errOut)
	}

	// Both functions wrote their logs, under the names that AWS gives them.
	for _, group := range []string{"/aws/lambda/transform", "/aws/lambda/us-east-1.signer"} {
		var events struct{ Events []struct{ Message string } }
		for range 50 {
			if err := json.Unmarshal([]byte(aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "REPORT")), &events); err != nil {
				t.Fatal(err)
			}
			if len(events.Events) > 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(events.Events) == 0 || !strings.Contains(events.Events[0].Message, "Billed Duration") {
			t.Errorf("log group %s has no REPORT line", group)
		}
	}
}

// The SDK of the reference solution, which behaves otherwise on the wire than today's.
func TestFunctionWithTheSDKOf2024(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.put(t, "text", []byte("a text"))
	archive := nodeArchive(t, "sdk572.mjs", "client-s3-3-572")
	f := byArchive(t, s, "sdk572.mjs")
	f.Code.Zip = archive
	p := point{name: "sdk572", function: f}.create(t, s)
	if a := p.ask(t, s, "GET", "/text", nil); a.StatusCode != 200 || string(a.body) != "a text" {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// A bootstrap in Go, with the SDK of Go.
func TestFunctionInGo(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.put(t, "text", []byte("a text"))
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bootstrap, "glassine/e2e/gofunction")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	archive, err := pack(map[string]string{"bootstrap": bootstrap}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := point{name: "in-go", function: lambda.NewFunction{Code: lambda.Code{Zip: archive}, Runtime: "provided.al2023", Handler: "bootstrap", Memory: 256}}.create(t, s)
	if a := p.ask(t, s, "GET", "/text", nil); a.StatusCode != 200 || string(a.body) != "A TEXT" || a.Header.Get("X-Amz-Meta-By") != "go" {
		t.Errorf("%s %s %v", a.Status, a.body, a.Header)
	}
}
