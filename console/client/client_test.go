package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

// aws answers each call with one answer, and keeps the last request with its body.
type aws struct {
	status int
	header http.Header
	body   string

	last *http.Request
	sent string
}

func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.last, a.sent = r, string(raw)
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Status: fmt.Sprint(a.status), Header: h, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r}, nil
}

func newClient(answer *aws) *Client {
	return &Client{
		Transport: answer, Credentials: sigv4.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "token"}, Account: "123456789012", Region: "eu-west-1",
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	}
}

// Every call is signed for its service and region, over what it sends, and remembered with a command that says the same.
func TestCalls(t *testing.T) {
	const point = `<r><Configuration><SupportingAccessPoint>arn</SupportingAccessPoint></Configuration></r>`
	for _, c := range []struct {
		name            string
		answer          string
		do              func(*Client) error
		service, region string
		request         string // method and URL
		sends           string // in the body
		command         string
		changes         bool
	}{
		{"ListObjectsV2 with a prefix that needs encoding", `<r><Contents><Key>a%20b/%C3%A9</Key><Size>3</Size></Contents></r>`, func(c *Client) error {
			l, err := c.ListObjects(t.Context(), "b", "a b/", "", 10)
			if err == nil && l.Objects[0].Key != "a b/é" {
				err = fmt.Errorf("key = %q", l.Objects[0].Key)
			}
			return err
		}, "s3", "eu-west-1", "GET https://s3.eu-west-1.amazonaws.com/b?delimiter=%2F&encoding-type=url&list-type=2&max-keys=10&prefix=a%20b%2F", "", "aws s3api list-objects-v2 --bucket b --delimiter / --max-items 10 --prefix 'a b/'", false},
		{
			"GetObject of a key with everything", "x", func(c *Client) error { _, _, err := c.GetObject(t.Context(), "b", "a/ü?#'%.jpg"); return err },
			"s3", "eu-west-1", "GET https://s3.eu-west-1.amazonaws.com/b/a/%C3%BC%3F%23%27%25.jpg", "", `aws s3api get-object --bucket b --key 'a/ü?#'\''%.jpg' original`, false,
		},
		{
			"PutObject streams", "", func(c *Client) error {
				return c.PutObject(t.Context(), "b", "k", "image/jpeg", strings.NewReader("body"), 4)
			},
			"s3", "eu-west-1", "PUT https://s3.eu-west-1.amazonaws.com/b/k", "body", "aws s3api put-object --bucket b --key k --body k --content-type image/jpeg", true,
		},
		{
			"CreateBucket names the region", "", func(c *Client) error { return c.CreateBucket(t.Context(), "b") },
			"s3", "eu-west-1", "PUT https://s3.eu-west-1.amazonaws.com/b", "<LocationConstraint>eu-west-1</LocationConstraint>", "aws s3api create-bucket --bucket b --create-bucket-configuration LocationConstraint=eu-west-1", true,
		},
		{
			"CreateAccessPointForObjectLambda", "", func(c *Client) error {
				return c.CreateObjectLambda(t.Context(), "ol", Configuration{"arn:ap", []Transformation{{[]string{"GetObject"}, "arn:fn", ""}}})
			}, "s3", "eu-west-1", "PUT https://123456789012.s3-control.eu-west-1.amazonaws.com/v20180820/accesspointforobjectlambda/ol", "<FunctionArn>arn:fn</FunctionArn>",
			`aws s3control create-access-point-for-object-lambda --account-id 123456789012 --name ol --configuration '{"SupportingAccessPoint":"arn:ap","TransformationConfigurations":[{"Actions":["GetObject"],"ContentTransformation":{"AwsLambda":{"FunctionArn":"arn:fn"}}}]}'`, true,
		},
		{
			"its configuration", point, func(c *Client) error {
				cfg, err := c.GetObjectLambdaConfiguration(t.Context(), "ol")
				if err == nil && cfg.SupportingAccessPoint != "arn" {
					err = fmt.Errorf("%+v", cfg)
				}
				return err
			}, "s3", "eu-west-1", "GET https://123456789012.s3-control.eu-west-1.amazonaws.com/v20180820/accesspointforobjectlambda/ol/configuration", "",
			"aws s3control get-access-point-configuration-for-object-lambda --account-id 123456789012 --name ol", false,
		},
		{"GetRole is a POST that only reads; its document is decoded", `<r><GetRoleResult><Role><RoleName>r</RoleName><AssumeRolePolicyDocument>%7B%22a%22%3A1%2B1%7D</AssumeRolePolicyDocument></Role></GetRoleResult></r>`, func(c *Client) error {
			r, err := c.GetRole(t.Context(), "r")
			if err == nil && r.Trust != `{"a":1+1}` {
				err = fmt.Errorf("trust = %s", r.Trust)
			}
			return err
		}, "iam", "us-east-1", "POST https://iam.amazonaws.com/", "Action=GetRole&RoleName=r&Version=2010-05-08", "aws iam get-role --role-name r", false},
		{"the names of inline policies", `<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>p</member></PolicyNames></ListRolePoliciesResult><ResponseMetadata><RequestId>i</RequestId></ResponseMetadata></ListRolePoliciesResponse>`, func(c *Client) error {
			names, err := c.ListInline(t.Context(), OfRole, "r")
			if err == nil && (len(names) != 1 || names[0] != "p") {
				err = fmt.Errorf("names = %q", names)
			}
			return err
		}, "iam", "us-east-1", "POST https://iam.amazonaws.com/", "Action=ListRolePolicies", "aws iam list-role-policies --role-name r", false},
		{"CreateFunction in the user's region", `{}`, func(c *Client) error {
			return c.CreateFunction(t.Context(), NewFunction{Name: "f", Image: "glassine://image", Role: "arn:r", Memory: 512})
		}, "lambda", "eu-west-1", "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions", `"ImageUri":"glassine://image"`, "aws lambda create-function --function-name f --role arn:r --package-type Image --code ImageUri=glassine://image --memory-size 512 --region eu-west-1", true},
		{"an invalidation", `<Invalidation><Id>I1</Id><Status>Completed</Status></Invalidation>`, func(c *Client) error {
			_, err := c.CreateInvalidation(t.Context(), "E1", "ref", []string{"/a b*"})
			return err
		}, "cloudfront", "us-east-1", "POST https://cloudfront.amazonaws.com/2020-05-31/distribution/E1/invalidation", "<Path>/a b*</Path>", "aws cloudfront create-invalidation --distribution-id E1 --paths '/a b*'", true},
		{"log events", `{"events":[{"message":"m","timestamp":1}]}`, func(c *Client) error {
			_, err := c.FilterLogEvents(t.Context(), Filter{Group: "/g", Pattern: "ERROR", Limit: 5})
			return err
		}, "logs", "eu-west-1", "POST https://logs.eu-west-1.amazonaws.com/", `"filterPattern":"ERROR"`, "aws logs filter-log-events --log-group-name /g --max-items 5 --filter-pattern ERROR --region eu-west-1", false},
		{
			"stacks", `<r><DescribeStacksResult><Stacks><member><StackName>s</StackName></member></Stacks></DescribeStacksResult></r>`, func(c *Client) error { _, err := c.DescribeStacks(t.Context(), ""); return err },
			"cloudformation", "eu-west-1", "POST https://cloudformation.eu-west-1.amazonaws.com/", "Action=DescribeStacks", "aws cloudformation describe-stacks", false,
		},
		{
			"the audit log", `{"Events":[]}`, func(c *Client) error { _, err := c.LookupEvents(t.Context(), false, 10); return err },
			"cloudtrail", "eu-west-1", "POST https://cloudtrail.eu-west-1.amazonaws.com/", `"MaxResults":10`, "aws cloudtrail lookup-events --max-results 10 --region eu-west-1", false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &aws{status: 200, body: c.answer, header: http.Header{"X-Amz-Request-Id": {"id-1"}}}
			cl := newClient(fake)
			if err := c.do(cl); err != nil {
				t.Fatal(err)
			}
			if got := fake.last.Method + " " + fake.last.URL.String(); got != c.request {
				t.Errorf("request = %s\nwant      %s", got, c.request)
			}
			if !strings.Contains(fake.sent, c.sends) {
				t.Errorf("sent %q, want %q in it", fake.sent, c.sends)
			}
			fake.last.Host, fake.last.RequestURI = fake.last.URL.Host, fake.last.URL.RequestURI()
			sig, err := sigv4.Parse(fake.last)
			if err != nil || sig == nil {
				t.Fatalf("signature = %v, %v", sig, err)
			}
			if err := sig.Verify(fake.last, "secret"); err != nil || sig.Service != c.service || sig.Region != c.region || sig.SessionToken != "token" {
				t.Errorf("signed for %s in %s with token %q: %v; want %s in %s", sig.Service, sig.Region, sig.SessionToken, err, c.service, c.region)
			}
			calls := cl.Calls()
			if len(calls) != 1 || calls[0].Command != c.command || calls[0].Changes != c.changes || calls[0].Status != 200 || calls[0].RequestID != "id-1" {
				t.Errorf("calls = %+v\nwant the command %s, changes %v", calls, c.command, c.changes)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, body    string
		header        http.Header
		code, message string
	}{
		{"S3's", `<Error><Code>NoSuchKey</Code><Message>no key</Message></Error>`, nil, "NoSuchKey", "no key"},
		{"the Query protocol's", `<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role</Message></Error></ErrorResponse>`, nil, "NoSuchEntity", "no role"},
		{"JSON 1.1's", `{"__type":"ResourceNotFoundException","message":"no group"}`, nil, "ResourceNotFoundException", "no group"},
		{"REST-JSON's", `{"Message":"no function"}`, http.Header{"X-Amzn-Errortype": {"ResourceNotFoundException:http://x"}}, "ResourceNotFoundException", "no function"},
		{"HEAD's, which has no body", ``, nil, "HTTP404", "Not Found"},
		{"of something that is no AWS", `<html>`, nil, "HTTP404", "Not Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newClient(&aws{status: 404, body: c.body, header: c.header})
			_, err := cl.HeadObject(t.Context(), "b", "k")
			e, ok := err.(*Error) //nolint:errorlint // it is returned as it is
			if !ok || e.Code != c.code || e.Message != c.message || e.Status != 404 || e.Operation != "s3:HeadObject" || Code(err) != c.code {
				t.Errorf("error = %#v, want %s %s", err, c.code, c.message)
			}
			if calls := cl.Calls(); len(calls) != 1 || calls[0].Code != c.code {
				t.Errorf("calls = %+v, want the one that failed", calls)
			}
		})
	}
}

func FuzzReadError(f *testing.F) {
	f.Add(`<Error><Code>a</Code></Error>`)
	f.Add(`{"__type":"a"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if e := readError(&http.Response{StatusCode: 500, Header: http.Header{}}, []byte(body)); e.Code == "" && !strings.HasPrefix(body, "{") && !strings.Contains(body, ":") || e.Message == "" {
			t.Errorf("readError(%q) = %+v, want a code and a message", body, e)
		}
	})
}

func TestCommand(t *testing.T) {
	if got, want := Command("a", "b c", `it's`, "", "$(x)", "k=v", "/a/*"), `aws a 'b c' 'it'\''s' '' '$(x)' k=v '/a/*'`; got != want {
		t.Errorf("Command = %s, want %s", got, want)
	}
}

// A configuration that is sent back has all that it had, but for what was to change.
func TestEditDistribution(t *testing.T) {
	const config = `<?xml version="1.0"?><DistributionConfig xmlns="x"><Logging><Enabled>false</Enabled></Logging><Enabled>true</Enabled><Comment>a &lt; b</Comment>` +
		`<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors></DistributionConfig>`
	a := &aws{status: 200, header: http.Header{"Etag": {"E1"}}, body: config}
	c := newClient(a)
	if err := c.SetEnabled(t.Context(), "D", false); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(strings.TrimPrefix(config, `<?xml version="1.0"?>`), "<Enabled>true<", "<Enabled>false<", 1)
	if a.sent != want || a.last.Header.Get("If-Match") != "E1" {
		t.Errorf("sent %s under %q, want %s", a.sent, a.last.Header.Get("If-Match"), want)
	}
	if got := c.Calls()[1].Command; !strings.Contains(got, "jq '.Enabled = false' > config.json") || !strings.Contains(got, "--if-match E1") {
		t.Errorf("command = %s", got)
	}
	if err := c.EditDistribution(t.Context(), "D", ".", func(e *Element) error {
		e.Of("CacheBehaviors").SetItems([]*Element{NewElement("CacheBehavior", "PathPattern", "/a/*")})
		e.Set("origin", "DefaultCacheBehavior", "TargetOriginId")
		e.Drop("Logging")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"<CacheBehaviors><Quantity>1</Quantity><Items><CacheBehavior><PathPattern>/a/*</PathPattern></CacheBehavior></Items></CacheBehaviors>",
		"<DefaultCacheBehavior><TargetOriginId>origin</TargetOriginId></DefaultCacheBehavior>",
	} {
		if !strings.Contains(a.sent, part) {
			t.Errorf("sent %s, want %s in it", a.sent, part)
		}
	}
	if strings.Contains(a.sent, "Logging") {
		t.Errorf("sent %s with what was dropped", a.sent)
	}
	refused := errors.New("no")
	a.last = nil
	if err := c.EditDistribution(t.Context(), "D", ".", func(*Element) error { return refused }); !errors.Is(err, refused) || a.last.Method != http.MethodGet {
		t.Errorf("an edit that refuses: %v, last %s", err, a.last.Method)
	}
}

func FuzzParseElement(f *testing.F) {
	for _, seed := range []string{`<a xmlns="x"><b>1 &amp; 2</b><c/></a>`, "", "<a>", "<a/><b/>", strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := parseElement(raw)
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		e.bytes(&first)
		again, err := parseElement(first.Bytes())
		if err != nil {
			t.Fatalf("%q became %q, which is none: %v", raw, first.Bytes(), err)
		}
		if again.bytes(&second); !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%q became %q, then %q", raw, first.Bytes(), second.Bytes())
		}
	})
}
