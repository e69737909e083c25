package objectlambda

import (
	"context"
	"testing"

	"glassine/iam"
	"glassine/lambda"
)

// What a function does not answer goes to the supporting access point, as the caller; what is no operation of an access
// point goes nowhere.
func TestWhoAnswersAndWhatItAsks(t *testing.T) {
	for _, c := range []struct {
		operation, version string
		transformed        []string // nil: GetObject
		actions            string   // quoted list of what the caller may
		want               string
		proxied            bool
	}{
		{"GetObject", "", nil, `"s3-object-lambda:GetObject"`, "", false},
		{"GetObject", "", []string{HeadObject}, `"s3-object-lambda:GetObject"`, "", true},
		{"GetObject", "v", nil, `"s3-object-lambda:GetObject"`, "AccessDenied", false},
		{"GetObject", "v", nil, `"s3-object-lambda:GetObjectVersion"`, "", false},
		{"HeadObject", "", nil, `"s3-object-lambda:GetObject"`, "", true},
		{"HeadObject", "", []string{HeadObject}, `"s3-object-lambda:GetObject"`, "", false},
		{"ListObjects", "", nil, `"s3-object-lambda:ListBucket"`, "", true},
		{"ListObjectsV2", "", []string{ListObjectsV2}, `"s3-object-lambda:ListBucket"`, "", false},
		{"ListObjectsV2", "", []string{ListObjectsV2}, `"s3-object-lambda:GetObject"`, "AccessDenied", false},
		{"PutObject", "", nil, `"s3-object-lambda:PutObject"`, "", true},
		{"UploadPart", "", nil, `"s3-object-lambda:PutObject"`, "", true},
		{"DeleteObject", "v", nil, `"s3-object-lambda:DeleteObjectVersion"`, "", true},
		{"GetBucketLocation", "", nil, `"s3-object-lambda:GetObject"`, "", true},
		{"", "", nil, `"s3-object-lambda:*"`, "NotImplemented", false},
		{"SelectObjectContent", "", nil, `"s3-object-lambda:*"`, "NotImplemented", false},
		{"GetObject", "", []string{}, `"s3-object-lambda:GetObject"`, "NoTransformationDefined", false},
		{"PutObject", "", []string{}, `"s3-object-lambda:PutObject"`, "", true},
	} {
		t.Run(c.operation+c.version+" "+c.want, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			cfg := configuration()
			if c.transformed != nil {
				cfg.Transformations[0].Actions = c.transformed
			}
			if len(cfg.Transformations[0].Actions) == 0 {
				cfg.Transformations = nil
			}
			if err := r.PutConfiguration(t.Context(), r.iam.Root(), "photos", cfg); err != nil {
				t.Fatal(err)
			}
			call := r.Begin(Request{Caller: r.role(t, "caller", c.actions), AccessPoint: "photos", Operation: c.operation, VersionID: c.version})
			wantCode(t, "Authorize", call.Authorize(t.Context()), c.want)
			if c.want != "" {
				return
			}
			point, as, proxied := call.Proxied()
			if proxied != c.proxied || point != "photos-ap" || len(as.Session.Via) != 1 || as.Session.Via[0] != servicePrincipal {
				t.Errorf("Proxied = %s, via %v, %t, want %t", point, as.Session.Via, proxied, c.proxied)
			}
		})
	}
}

func TestNobodyPassesWhereNoActionIsAsked(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	call := r.Begin(Request{Caller: iam.Caller{}, AccessPoint: "photos", Operation: "GetBucketLocation"})
	wantCode(t, "Authorize", call.Authorize(t.Context()), "AccessDenied")
}

// The observer hears of every call on an access point that exists: who asked, who answered, and how it went.
func TestObserverHearsOfBothPrincipals(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	var events []Event
	r.cfg.Observe = func(_ context.Context, e Event) { events = append(events, e) }
	r.answers(t, "clean")
	var got string
	call := r.Begin(r.request())
	if err := call.Authorize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := call.GetObject(t.Context(), into(&got)); err != nil {
		t.Fatal(err)
	}
	call.End(t.Context(), Ending{Status: 200, Out: 5})

	cfg := configuration()
	cfg.Transformations[0].Actions = []string{HeadObject}
	if err := r.PutConfiguration(t.Context(), r.iam.Root(), "photos", cfg); err != nil {
		t.Fatal(err)
	}
	r.function.invoke = func(context.Context, iam.Caller, string, []byte) (lambda.Result, error) {
		return lambda.Result{Role: "arn:role", Payload: []byte(`{"statusCode":200,"headers":{"Content-Length":1}}`)}, nil
	}
	q := r.request()
	q.Operation = HeadObject
	head := r.Begin(q)
	if err := head.Authorize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := head.HeadObject(t.Context()); err != nil {
		t.Fatal(err)
	}
	head.End(t.Context(), Ending{Status: 200})
	q.AccessPoint = "made-up"
	r.Begin(q).End(t.Context(), Ending{Status: 404, Code: "NoSuchAccessPoint"})

	if len(events) != 2 {
		t.Fatalf("%d events, want 2: a name that nobody gave is not one of ours", len(events))
	}
	if e := events[0]; e.Caller.Principal.ARN != r.viewer.Principal.ARN || e.Writer.ARN != r.writer.Principal.ARN || e.Function != function || e.Operation != GetObject || e.Out != 5 {
		t.Errorf("event of GetObject = %+v", e)
	}
	if e := events[1]; e.Role != "arn:role" || e.Writer.ARN != "" || e.Operation != HeadObject || e.AccessPoint.ARN() != olapARN {
		t.Errorf("event of HeadObject = %+v", e)
	}
}

func TestURLInTheEventCanBeParsed(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	for _, c := range []struct{ received, want string }{
		{"http://photos-123456789012.127.0.0.1:4566/a%2Fb?x=1", "https://photos-123456789012.s3-object-lambda.us-west-2.amazonaws.com/a%2Fb?x=1"},
		{"http://127.0.0.1:4566/alias/k", "http://127.0.0.1:4566/alias/k"},
		{"http://photos-123456789012.localhost:4566/k", "http://photos-123456789012.localhost:4566/k"},
		{"https://photos-123456789012.s3-object-lambda.us-west-2.amazonaws.com/", "https://photos-123456789012.s3-object-lambda.us-west-2.amazonaws.com/"},
	} {
		q := r.request()
		q.URL = c.received
		if got := r.Begin(q).namedURL(); got != c.want {
			t.Errorf("namedURL of %s = %s, want %s", c.received, got, c.want)
		}
	}
}
