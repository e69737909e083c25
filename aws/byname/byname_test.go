package byname

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"glassine/aws/cloudfrontapi"
	"glassine/aws/fault"
	"glassine/aws/iamapi"
	"glassine/aws/lambdaapi"
	"glassine/aws/logsapi"
	"glassine/aws/s3api"
	"glassine/aws/s3controlapi"
	"glassine/aws/ssmapi"
	"glassine/aws/stsapi"
	"glassine/aws/wire"
	"glassine/edge"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/logs"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/ssm"
	"glassine/state"
	"glassine/store/memory"
)

const account = "123456789012"

// endpoint is AWS's names as a RoundTripper.
type endpoint map[string]http.Handler

func (e endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "127.0.0.1:1"
	h := e[wire.ServiceOf(in)]
	if h == nil {
		return nil, errors.New("no such service: " + r.URL.Host)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

// rig is a client over real services, and root's key.
type rig struct {
	*Client
	t   *testing.T
	key iam.Credentials
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	records := &state.Memory{}
	identities, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	must(err)
	r := &rig{t: t}
	r.key, _, err = identities.EnsureRoot(ctx)
	must(err)
	buckets, err := s3.New(ctx, s3.Config{State: records, Store: &memory.Store{}, IAM: identities, Log: log})
	must(err)
	groups, err := logs.New(ctx, logs.Config{State: records, IAM: identities, Dir: t.TempDir(), Log: log})
	must(err)
	t.Cleanup(func() { groups.Close() })
	parameters, err := ssm.New(ctx, ssm.Config{State: records, IAM: identities})
	must(err)
	functions, err := lambda.New(ctx, lambda.Config{State: records, IAM: identities, Log: log, Builtins: map[string]runner.Func{
		"glassine://echo": func(_ context.Context, inv runner.Invocation) ([]byte, error) { return inv.Payload, nil },
	}})
	must(err)
	t.Cleanup(func() { functions.Close() })
	points, err := objectlambda.New(ctx, objectlambda.Config{State: records, IAM: identities, S3: buckets, Invoker: functions, Log: log})
	must(err)
	front, err := edge.New(ctx, edge.Config{State: records, IAM: identities, Origin: http.DefaultTransport, Account: account, Log: log})
	must(err)
	t.Cleanup(front.Close)
	root := identities.Root()
	_, err = identities.CreateRole(ctx, root, iam.NewRole{Name: "r", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	must(err)
	_, err = functions.CreateFunction(ctx, root, lambda.NewFunction{Name: "echo", Region: "us-east-1", Role: "arn:aws:iam::" + account + ":role/r", Code: lambda.Code{URI: "glassine://echo"}})
	must(err)
	r.Client = &Client{Transport: endpoint{
		wire.ServiceS3: &s3api.Handler{IAM: identities, S3: buckets, ObjectLambda: points, Log: log}, wire.ServiceS3Control: &s3controlapi.Handler{IAM: identities, S3: buckets, ObjectLambda: points, Log: log},
		wire.ServiceIAM: &iamapi.Handler{IAM: identities, Log: log}, wire.ServiceSTS: &stsapi.Handler{IAM: identities, Log: log}, wire.ServiceSSM: &ssmapi.Handler{IAM: identities, SSM: parameters, Log: log},
		wire.ServiceLogs: &logsapi.Handler{IAM: identities, Logs: groups, Log: log}, wire.ServiceLambda: lambdaapi.New(functions, identities, nil, log),
		wire.ServiceCloudFront: &cloudfrontapi.Handler{IAM: identities, Edge: front, Log: log},
	}}
	d, err := front.CreateDistribution(ctx, root, edge.DistributionConfig{
		CallerReference: "r", Enabled: true, Origins: []edge.Origin{{ID: "o", DomainName: "x.example.com", Custom: &edge.CustomOrigin{ProtocolPolicy: "https-only"}}},
		DefaultCacheBehavior: edge.CacheBehavior{TargetOriginID: "o", ViewerProtocolPolicy: "allow-all", CachePolicyID: "658327ea-f89d-4fab-a63d-7e88639e58f6"},
		ViewerCertificate:    edge.ViewerCertificate{CloudFrontDefault: true},
	})
	must(err)
	r.run("SSM", "putParameter", `{"Name":"/distribution","Value":"`+d.ID+`","Type":"String"}`)
	return r
}

// run calls an operation with input in JSON and wants success; the answer is in JSON too.
func (r *rig) run(service, operation, input string) string {
	r.t.Helper()
	out, err := r.try(service, operation, input)
	if err != nil {
		r.t.Fatalf("%s %s %s = %v", service, operation, input, err)
	}
	return out
}

func (r *rig) try(service, operation, input string) (string, error) {
	r.t.Helper()
	var in map[string]any
	if err := json.Unmarshal([]byte(input), &in); err != nil {
		r.t.Fatal(err)
	}
	out, err := r.Run(r.t.Context(), r.key, "us-east-1", service, operation, in)
	raw, bad := json.Marshal(out)
	if bad != nil {
		r.t.Fatal(bad)
	}
	return string(raw), err
}

func TestOperationsByName(t *testing.T) {
	r := newRig(t)
	var parameter struct{ Parameter struct{ Value string } }
	if err := json.Unmarshal([]byte(r.run("@aws-sdk/client-ssm", "GetParameterCommand", `{"Name":"/distribution"}`)), &parameter); err != nil {
		t.Fatal(err)
	}
	distribution := parameter.Parameter.Value
	for _, c := range []struct {
		service, operation, input string
		want                      []string // in the answer's JSON
	}{
		{"SSM", "getParameter", `{"Name":"/distribution"}`, []string{`"Value":"` + distribution + `"`, `"Version":1`}},
		{"ssm", "deleteParameters", `{"Names":["/none"]}`, []string{`"InvalidParameters":["/none"]`}},
		{"CloudWatchLogs", "createLogGroup", `{"logGroupName":"g","tags":{"a":"b"}}`, []string{`{}`}},
		{"cloudwatch-logs", "putRetentionPolicy", `{"logGroupName":"g","retentionInDays":3}`, []string{`{}`}},
		{"Logs", "DescribeLogGroups", `{}`, []string{`"retentionInDays":3`}},
		{"IAM", "createUser", `{"UserName":"u","Tags":[{"Key":"k","Value":"v"},{"Key":"l","Value":"w"}]}`, []string{`"UserName":"u"`, `"Arn":"arn:aws:iam::123456789012:user/u"`}},
		{"IAM", "listUserTags", `{"UserName":"u"}`, []string{`"Tags":[{"Key":"k","Value":"v"},{"Key":"l","Value":"w"}]`}},
		{"IAM", "deleteUser", `{"UserName":"u"}`, []string{`{}`}},
		{"STS", "getCallerIdentity", `{}`, []string{`"Account":"123456789012"`}},
		{"Lambda", "invoke", `{"FunctionName":"echo","Payload":"{\"a\":1}"}`, []string{`"Payload":"{\"a\":1}"`, `"ExecutedVersion":"$LATEST"`}},
		{"Lambda", "getFunctionConfiguration", `{"FunctionName":"echo"}`, []string{`"MemorySize":128`}},
		{"Lambda", "addPermission", `{"FunctionName":"echo","StatementId":"s","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"}`, []string{`"Statement"`}},
		{"Lambda", "removePermission", `{"FunctionName":"echo","StatementId":"s"}`, []string{`{}`}},
		{"Lambda", "tagResource", `{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:echo","Tags":{"x":"y"}}`, []string{`{}`}},
		{"Lambda", "listTags", `{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:echo"}`, []string{`"x":"y"`}},
		{"S3", "createBucket", `{"Bucket":"by-name"}`, []string{`{}`}},
		{"S3", "putObject", `{"Bucket":"by-name","Key":"a/b c.txt","Body":"hello","ContentType":"text/plain"}`, []string{`"ETag":`}},
		{"S3", "getObject", `{"Bucket":"by-name","Key":"a/b c.txt"}`, []string{`"Body":"hello"`, `"ContentType":"text/plain"`, `"ContentLength":"5"`}},
		{"S3", "headObject", `{"Bucket":"by-name","Key":"a/b c.txt"}`, []string{`"ContentLength":"5"`}},
		{"S3", "listObjectsV2", `{"Bucket":"by-name","Prefix":"a/"}`, []string{`"Key":"a/b c.txt"`, `"KeyCount":"1"`}},
		{"S3", "putBucketTagging", `{"Bucket":"by-name","Tagging":{"TagSet":[{"Key":"k","Value":"a+b"}]}}`, []string{`{}`}},
		{"S3", "getBucketTagging", `{"Bucket":"by-name"}`, []string{`"Value":"a+b"`}},
		{"S3", "putBucketVersioning", `{"Bucket":"by-name","VersioningConfiguration":{"Status":"Enabled"}}`, []string{`{}`}},
		{"S3", "getBucketVersioning", `{"Bucket":"by-name"}`, []string{`"Status":"Enabled"`}},
		{"S3", "putBucketEncryption", `{"Bucket":"by-name","ServerSideEncryptionConfiguration":{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}}`, nil},
		{"S3", "putPublicAccessBlock", `{"Bucket":"by-name","PublicAccessBlockConfiguration":{"BlockPublicAcls":true}}`, []string{`{}`}},
		{"S3", "getPublicAccessBlock", `{"Bucket":"by-name"}`, []string{`"BlockPublicAcls":"true"`, `"BlockPublicPolicy":"false"`}},
		{"S3", "headBucket", `{"Bucket":"by-name"}`, []string{`"BucketRegion":"us-east-1"`}},
		{"S3Control", "listAccessPoints", `{"AccountId":"123456789012","Bucket":"by-name"}`, nil},
		{"CloudFront", "createInvalidation", `{"DistributionId":"` + distribution + `","InvalidationBatch":{"CallerReference":"1","Paths":{"Quantity":2,"Items":["/a","/b*"]}}}`, []string{`"Status":"Completed"`, `"Path":["/a","/b*"]`, `"Location":`}},
		{"CloudFront", "getDistribution", `{"Id":"` + distribution + `"}`, []string{`"Status":"Deployed"`, `"ETag":`}},
	} {
		got, err := r.try(c.service, c.operation, c.input)
		if c.operation == "putBucketEncryption" && fault.Is(err, "NotImplemented") {
			continue // this store does not encrypt: the request came through
		}
		if err != nil || slices.ContainsFunc(c.want, func(w string) bool { return !strings.Contains(got, w) }) {
			t.Errorf("%s %s %s = %s, %v, want %q", c.service, c.operation, c.input, got, err, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, service, operation, input, code string }{
		{"a parameter that is not there", "SSM", "getParameter", `{"Name":"/none"}`, "ParameterNotFound"},
		{"a user that is not there", "IAM", "getUser", `{"UserName":"none"}`, "NoSuchEntity"},
		{"a bucket that is not there", "S3", "getBucketVersioning", `{"Bucket":"none-there"}`, "NoSuchBucket"},
		{"a function that is not there", "Lambda", "getFunction", `{"FunctionName":"none"}`, "ResourceNotFoundException"},
		{"a distribution that is not there", "CloudFront", "getDistribution", `{"Id":"none"}`, "NoSuchDistribution"},
		{"a service that is not here", "EC2", "describeInstances", `{}`, "NotImplemented"},
		{"an operation that is not here", "S3", "putBucketWebsite", `{"Bucket":"b"}`, "NotImplemented"},
		{"an operation that the service has not", "SSM", "sendCommand", `{}`, "UnknownOperationException"},
		{"no member of the path", "S3", "getObject", `{"Bucket":"b"}`, "ValidationException"},
		{"a member that is none", "S3", "deleteBucket", `{"Bucket":"b","Colour":"red"}`, "ValidationException"},
		{"a list in a path", "S3", "deleteBucket", `{"Bucket":["b"]}`, "ValidationException"},
	} {
		if _, err := r.try(c.service, c.operation, c.input); fault.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Transport = roundTripper(func(q *http.Request) (*http.Response, error) { return nil, q.Context().Err() })
	if _, err := r.Run(ctx, r.key, "us-east-1", "sts", "getCallerIdentity", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of ctx = %v, want context.Canceled", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzAnswer(f *testing.F) {
	f.Add("<A><B>1</B><B>2</B><C><member>x</member></C></A>")
	f.Add("<?xml version=\"1.0\"?><A xmlns=\"x\"/>")
	f.Add("<A><B></A>")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseXML([]byte(text))
		if err != nil {
			return
		}
		for _, members := range []bool{false, true} {
			if _, err := json.Marshal(root.value(members)); err != nil {
				t.Errorf("the value of %q is not JSON: %v", text, err)
			}
		}
	})
}

// What is written is read back, and no text gets out of its element.
func FuzzBody(f *testing.F) {
	f.Add("a", "b")
	f.Add("<&>\"'", "</B><C>x</C>")
	f.Fuzz(func(t *testing.T, one, two string) {
		raw, err := writeXML("Root", "ns", map[string]any{"A": one, "B": []any{two, one}}, map[string]string{"B": "Item"})
		if err != nil {
			t.Fatal(err)
		}
		root, err := parseXML(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if len(root.children) != 2 || len(root.children[1].children) != 2 || len(root.children[0].children) != 0 {
			t.Errorf("%q and %q are written as %s", one, two, raw)
		}
	})
}
