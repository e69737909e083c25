package objectlambda

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"glassine/iam"
	"glassine/lambda"
)

// The whole field set of AWS's event, for each kind of caller.
// (Amazon S3 User Guide, "Event context format and usage".)
func TestEventIsAWSs(t *testing.T) {
	issued := time.Date(2021, 3, 10, 23, 41, 52, 0, time.UTC)
	session := iam.Caller{
		Principal:   iam.Principal{Kind: iam.RoleSession, Account: account, Name: "Admin", ID: "AROA1:me", RoleARN: "arn:aws:iam::" + account + ":role/Admin", ARN: "arn:aws:sts::" + account + ":assumed-role/Admin/me"},
		AccessKeyID: "ASIA1", Session: &iam.Session{Issued: issued},
	}
	for _, c := range []struct {
		name     string
		caller   iam.Caller
		identity string
	}{
		{"session of a role", session, `{"accessKeyId":"ASIA1","accountId":"` + account + `","arn":"` + session.Principal.ARN + `","principalId":"AROA1:me",
			"sessionContext":{"attributes":{"creationDate":"Wed Mar 10 23:41:52 UTC 2021","mfaAuthenticated":"false"},
			"sessionIssuer":{"accountId":"` + account + `","arn":"` + session.Principal.RoleARN + `","principalId":"AROA1","type":"Role","userName":"Admin"}},"type":"AssumedRole"}`},
		{
			"user",
			iam.Caller{Principal: iam.Principal{Kind: iam.User, Account: account, Name: "x", ID: "AIDA1", ARN: "arn:aws:iam::" + account + ":user/x"}, AccessKeyID: "AKIA1"},
			`{"accessKeyId":"AKIA1","accountId":"` + account + `","arn":"arn:aws:iam::` + account + `:user/x","principalId":"AIDA1","type":"IAMUser","userName":"x"}`,
		},
		{
			"root",
			iam.Caller{Principal: iam.Principal{Kind: iam.Root, Account: account, ID: account, ARN: "arn:aws:iam::" + account + ":root"}},
			`{"accountId":"` + account + `","arn":"arn:aws:iam::` + account + `:root","principalId":"` + account + `","type":"Root"}`,
		},
		{
			"service",
			iam.Caller{Principal: iam.Principal{Kind: iam.ServicePrincipal, Service: "cloudfront.amazonaws.com"}},
			`{"accountId":"` + account + `","invokedBy":"cloudfront.amazonaws.com","principalId":"cloudfront.amazonaws.com","type":"AWSService"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Service{cfg: Config{Now: time.Now}}
			ap := AccessPoint{Name: "photos", Region: "us-west-2", Account: account, Configuration: configuration()}
			req := Request{
				ID: "id-1", Caller: c.caller, Key: "a.jpg", URL: "https://h/a.jpg?showExif=true&X-Amz-Signature=00",
				Headers: []Header{{"Host", "h"}, {"Authorization", "secret"}, {"X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"}},
			}
			req.Operation = GetObject
			got, err := (&Call{Request: req, s: s, point: ap, transform: &Transformation{Function: "f"}}).functionEvent("https://input?a=1&b=2", "token")
			if err != nil {
				t.Fatal(err)
			}
			want := `{"xAmzRequestId":"id-1","getObjectContext":{"inputS3Url":"https://input?a=1&b=2","outputRoute":"io-use1-001","outputToken":"token"},
				"configuration":{"accessPointArn":"` + olapARN + `","payload":"","supportingAccessPointArn":"` + pointARN + `"},
				"userRequest":{"headers":{"Host":"h","X-Amz-Content-SHA256":"UNSIGNED-PAYLOAD"},"url":"https://h/a.jpg?showExif=true"},
				"userIdentity":` + c.identity + `,"protocolVersion":"1.00"}`
			if squeeze(want) != string(got) {
				t.Errorf("event =\n%s\nwant\n%s", got, squeeze(want))
			}
		})
	}
}

func squeeze(s string) string {
	return strings.NewReplacer("\n", "", "\t", "").Replace(s)
}

func TestEventHoldsTheConfiguredPayload(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	r.function.invoke = func(_ context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
		var e struct {
			XAmzRequestID string `json:"xAmzRequestId"`
			Configuration map[string]string
		}
		if err := json.Unmarshal(payload, &e); err != nil || e.Configuration["payload"] != `{"k":1}` || e.XAmzRequestID != "id-1" {
			t.Errorf("event = %s, %v", payload, err)
		}
		return lambda.Result{}, nil
	}
	wantCode(t, "GetObject", r.GetObject(t.Context(), r.request(), never(t)), "LambdaResponseNotReceived")
}

func TestUserURL(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"nothing to do", "https://h/a/b.jpg?showExif=true", "https://h/a/b.jpg?showExif=true"},
		{"no query", "https://h/a.jpg", "https://h/a.jpg"},
		{"empty query", "https://h/a.jpg?", "https://h/a.jpg"},
		{"decoded", "https://h/a%20b/%C3%A9.jpg?t=1%202", "https://h/a b/é.jpg?t=1 2"},
		{"what would end the path stays encoded", "https://h/a%3Fb%23c%25d%5Ce", "https://h/a%3Fb%23c%25d%5Ce"},
		{"what would split the query stays encoded", "https://h/a?k=%26%23%25%2B%3D%3F", "https://h/a?k=%26%23%25%2B%3D?"},
		{"control characters stay encoded", "https://h/a%0A%00%7f", "https://h/a%0A%00%7f"},
		{"a key that is not UTF-8 stays encoded", "https://h/a%20%FF", "https://h/a%20%FF"},
		{"a space at the end stays encoded", "https://h/a%20", "https://h/a%20"},
		{"stray percent signs stay", "https://h/100%/a%2", "https://h/100%/a%2"},
		{"a signature in the query is taken out", "https://h/a?X-Amz-Algorithm=A&X-Amz-Credential=B&w=1&X-Amz-Date=C&X-Amz-Expires=D&X-Amz-SignedHeaders=E&X-Amz-Signature=F&X-Amz-Security-Token=G", "https://h/a?w=1"},
		{"and nothing else is left", "https://h/a?X-Amz-Signature=F", "https://h/a"},
		{"however its names are spelled", "https://h/a?X%2DAmz%2DSecurity%2DToken=G&x-amz-signature=F", "https://h/a"},
		{"what only looks like one stays", "https://h/a?X-Amz-Signature2=F&Authorization=b&=c", "https://h/a?X-Amz-Signature2=F&Authorization=b&=c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := userURL(c.raw); got != c.want {
				t.Errorf("userURL(%q) = %q, want %q", c.raw, got, c.want)
			}
		})
	}
}

func TestUserHeaders(t *testing.T) {
	got := userHeaders([]Header{
		{"SuperSecretToken", "a"},
		{"Accept", "x"},
		{"AUTHORIZATION", "b"},
		{"x-amz-date", "c"},
		{"X-Amz-Security-Token", "d"},
		{"accept", "y"},
		{"X-Amz-Signature", "kept"},
	})
	want := map[string]string{"SuperSecretToken": "a", "Accept": "x,y", "X-Amz-Signature": "kept"}
	if len(got) != len(want) {
		t.Errorf("headers = %v, want %v", got, want)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("headers[%s] = %q, want %q", k, got[k], v)
		}
	}
}

// Whatever a key is, a function that parses the URL finds it again, and finds no signature.
func FuzzUserURL(f *testing.F) {
	f.Add("a/b c.jpg", "w=1&X-Amz-Signature=0")
	f.Add("a?b#c%d\\e+é\x00\n ", "%zz&=&X%2dAmz-Signature")
	f.Add("\xff\xfe", "a=%ff")
	f.Fuzz(func(t *testing.T, key, query string) {
		got := userURL("https://h/" + escapeKey(key) + "?" + query)
		if strings.Contains(query, "#") || !utf8.ValidString(query) {
			return // no request line holds it
		}
		if !utf8.ValidString(got) {
			t.Errorf("userURL of %q = %q, not UTF-8", key, got)
		}
		path, rest, _ := strings.Cut(strings.TrimPrefix(got, "https://h/"), "?")
		found, err := url.PathUnescape(path)
		if err != nil || found != key {
			t.Errorf("key %q is %q in %q (%v)", key, found, got, err)
		}
		for p := range strings.SplitSeq(rest, "&") {
			name, _, _ := strings.Cut(p, "=")
			if name, err := url.PathUnescape(name); err == nil && signatureParameter(name) {
				t.Errorf("userURL of query %q = %q holds a signature", query, got)
			}
		}
	})
}

func FuzzEscapeKey(f *testing.F) {
	f.Add("a b/../c//d+é?#%")
	f.Fuzz(func(t *testing.T, key string) {
		got := escapeKey(key)
		back, err := url.PathUnescape(got)
		if err != nil || back != key || strings.ContainsAny(got, " +?#\"<>\\") {
			t.Errorf("escapeKey(%q) = %q, back %q, %v", key, got, back, err)
		}
	})
}
