package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"glassine/lambda"
	"glassine/transform/sample"
)

// CloudFront in front of an Object Lambda access point by its alias, with an origin access control and no edge function:
// set up with the AWS CLI, as the documentation has it. (CloudFront Developer Guide, "Restrict access to an AWS origin"; the
// four grants of Amazon S3 User Guide, "Using Object Lambda access points with CloudFront".)
func TestOriginAccessControlForAnObjectLambdaAlias(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := s.environment(t)
	ask := func(out any, args ...string) {
		t.Helper()
		text, errOut, err := command(t, env, "aws", append(args, "--output", "json")...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		if err := json.Unmarshal([]byte(text), out); out != nil && err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, text)
		}
	}
	run := func(args ...string) {
		t.Helper()
		if _, errOut, err := command(t, env, "aws", args...); err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
	}
	point, err := s.ObjectLambda.Get(t.Context(), s.IAM.Root(), "glassine-demo") // Debian's CLI is older than aliases
	if err != nil {
		t.Fatal(err)
	}
	var control struct {
		ETag                string
		OriginAccessControl struct{ Id string }
	}
	ask(&control, "cloudfront", "create-origin-access-control", "--origin-access-control-config", "Name=oac,SigningProtocol=sigv4,SigningBehavior=always,OriginAccessControlOriginType=s3")
	distribution := func(reference string) (domain, arn string) {
		var d struct {
			Distribution struct{ DomainName, ARN string }
		}
		ask(&d, "cloudfront", "create-distribution", "--distribution-config", `{"CallerReference":"`+reference+`","Comment":"","Enabled":true,
			"Origins":{"Quantity":1,"Items":[{"Id":"o","DomainName":"`+point.Alias+`.s3.us-east-1.amazonaws.com","OriginAccessControlId":"`+control.OriginAccessControl.Id+`","S3OriginConfig":{"OriginAccessIdentity":""}}]},
			"DefaultCacheBehavior":{"TargetOriginId":"o","ViewerProtocolPolicy":"allow-all","CachePolicyId":"4135ea2d-6df8-44a3-9df3-4b5a84be39ad"}}`)
		return d.Distribution.DomainName, d.Distribution.ARN
	}
	domain, arn := distribution("granted")
	stranger, _ := distribution("not granted")
	view := func(domain, path string) answer {
		req := request(t, http.MethodGet, s.url(path), nil)
		req.Host = domain
		return do(t, s.viewer, req)
	}
	refused := func(when string, status int) {
		t.Helper()
		if a := view(domain, "/sample.jpg"); a.StatusCode != status {
			t.Errorf("%s: %s, want %d: %.200s", when, a.Status, status, a.body)
		}
	}
	refused("with no grant", 403)
	run("s3control", "put-access-point-policy-for-object-lambda", "--account-id", account, "--name", "glassine-demo", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3-object-lambda:Get*","Resource":"`+lambdaARN+`","Condition":{"StringEquals":{"aws:SourceArn":"`+arn+`"}}}]}`)
	refused("without the function's grant", 403)
	if _, err := s.Lambda.AddPermission(t.Context(), s.IAM.Root(), "glassine-image", lambda.Permission{StatementID: "cloudfront", Action: "lambda:InvokeFunction", Service: "cloudfront.amazonaws.com"}); err != nil {
		t.Fatal(err)
	}
	refused("without the access point's and the bucket's grants", 500) // the reference function's answer to a refused original
	run("s3control", "put-access-point-policy", "--account-id", account, "--name", "glassine-demo-ap", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:*","Resource":["`+pointARN+`","`+pointARN+`/object/*"],"Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"s3-object-lambda.amazonaws.com"}}}]}`)
	refused("without the bucket's delegation", 500)
	run("s3api", "put-bucket-policy", "--bucket", bucket, "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":["arn:aws:s3:::`+bucket+`","arn:aws:s3:::`+bucket+`/*"],"Condition":{"StringEquals":{"s3:DataAccessPointAccount":"`+account+`"}}}]}`)

	a := view(domain, "/sample.jpg")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Fatalf("with all grants: %s: %.300s", a.Status, a.body)
	}
	if left := tags(t, writeTemp(t, "a.jpg", a.body)); left["IFD0:Make"] != nil || len(a.body) >= len(sample.JPEG) {
		t.Errorf("the picture still says %v", left)
	}
	if head := do(t, s.viewer, withHost(request(t, http.MethodHead, s.url("/sample.jpg"), nil), domain)); head.StatusCode != 200 {
		t.Errorf("HEAD = %s", head.Status)
	}
	if a := view(stranger, "/sample.jpg"); a.StatusCode != 403 {
		t.Errorf("another distribution with the same control: %s, want 403", a.Status)
	}
	// The control is in use, and never signs when it is told so.
	if _, errOut, err := command(t, env, "aws", "cloudfront", "delete-origin-access-control", "--id", control.OriginAccessControl.Id, "--if-match", control.ETag); err == nil || !strings.Contains(errOut, "OriginAccessControlInUse") {
		t.Errorf("delete of a control in use: %v %s", err, errOut)
	}
	run("cloudfront", "update-origin-access-control", "--id", control.OriginAccessControl.Id, "--if-match", control.ETag, "--origin-access-control-config",
		"Name=oac,SigningProtocol=sigv4,SigningBehavior=never,OriginAccessControlOriginType=s3")
	refused("when nothing is signed", 403)
}

// A private bucket and an access point behind CloudFront, by name: the same control signs for both.
func TestOriginAccessControlForABucket(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.put(t, "plain.txt", []byte("plain"))
	env := s.environment(t)
	var control struct{ OriginAccessControl struct{ Id string } }
	run := func(out any, args ...string) {
		t.Helper()
		text, errOut, err := command(t, env, "aws", append(args, "--output", "json")...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		if out != nil {
			if err := json.Unmarshal([]byte(text), out); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(&control, "cloudfront", "create-origin-access-control", "--origin-access-control-config", "Name=oac,SigningProtocol=sigv4,SigningBehavior=always,OriginAccessControlOriginType=s3")
	var d struct {
		Distribution struct{ DomainName, ARN string }
	}
	run(&d, "cloudfront", "create-distribution", "--distribution-config", `{"CallerReference":"b","Comment":"","Enabled":true,
		"Origins":{"Quantity":1,"Items":[{"Id":"o","DomainName":"`+bucketHost+`","OriginAccessControlId":"`+control.OriginAccessControl.Id+`","S3OriginConfig":{"OriginAccessIdentity":""}}]},
		"DefaultCacheBehavior":{"TargetOriginId":"o","ViewerProtocolPolicy":"allow-all","CachePolicyId":"4135ea2d-6df8-44a3-9df3-4b5a84be39ad"}}`)
	view := func() answer {
		return do(t, s.viewer, withHost(request(t, http.MethodGet, s.url("/plain.txt"), nil), d.Distribution.DomainName))
	}
	if a := view(); a.StatusCode != 403 {
		t.Errorf("without a grant: %s, want 403", a.Status)
	}
	run(nil, "s3api", "put-bucket-policy", "--bucket", bucket, "--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:GetObject",
		"Resource":"arn:aws:s3:::`+bucket+`/*","Condition":{"StringEquals":{"AWS:SourceArn":"`+d.Distribution.ARN+`","AWS:SourceAccount":"`+account+`"}}}]}`)
	if a := view(); a.StatusCode != 200 || string(a.body) != "plain" {
		t.Errorf("with a grant: %s %q", a.Status, a.body)
	}
}

func withHost(req *http.Request, host string) *http.Request {
	req.Host = host
	return req
}
