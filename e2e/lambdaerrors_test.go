package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"glassine"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/objectlambda"
)

// Each error of Object Lambda, by a real cause. (Amazon S3 API Reference, "S3 Object Lambda error codes".)
func TestObjectLambdaErrors(t *testing.T) {
	var ahead atomic.Int64 // how far the system's clock is ahead
	s := start(t, func(c *glassine.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	ctx, root := t.Context(), s.IAM.Root()
	s.notes(t)
	s.put(t, "text", []byte("a text"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	identity := s.functionWebhook(t, "identity.mjs")
	good := point{name: "good", code: identity}.create(t, s)
	user := func(name, statement string) iam.Credentials {
		t.Helper()
		_, err := s.IAM.CreateUser(ctx, root, iam.NewUser{Name: name})
		must(err)
		must(s.IAM.PutUserPolicy(ctx, root, name, "p", `{"Version":"2012-10-17","Statement":[`+statement+`]}`))
		key, _, err := s.IAM.CreateAccessKey(ctx, root, name)
		must(err)
		return key
	}
	asks := func(c iam.Credentials, p point, change func(*http.Request)) func() answer {
		return func() answer {
			return s.signed(t, c, "s3-object-lambda", "GET", "https://"+p.host()+"/text", nil, change)
		}
	}
	untrusted := point{name: "untrusted", code: identity}.create(t, s)
	must(s.IAM.UpdateAssumeRolePolicy(ctx, root, "untrusted-role", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`))
	broken := point{name: "throws", code: s.functionWebhook(t, "throws.mjs")}.create(t, s)
	empty := point{name: "empty", code: identity}.create(t, s)
	must(s.ObjectLambda.PutConfiguration(ctx, root, "empty", objectlambda.Configuration{SupportingAccessPoint: pointARN}))
	missing := point{name: "missing", code: identity}.create(t, s)
	must(s.ObjectLambda.PutConfiguration(ctx, root, "missing", objectlambda.Configuration{
		SupportingAccessPoint: pointARN, Transformations: []objectlambda.Transformation{{Actions: []string{objectlambda.GetObject}, Function: "no-such-function"}},
	}))
	busy := point{name: "busy", code: identity}.create(t, s)
	must(s.Lambda.PutFunctionConcurrency(ctx, root, "busy", 0))
	refuse := point{name: "refuse", code: s.functionWebhook(t, "refused.mjs")}.create(t, s)
	cut := point{name: "cut", code: s.functionWebhook(t, "cut.py")}.create(t, s)

	all := s.root(t)
	session, err := s.edgeSession(t)
	must(err)
	presigned := func(life time.Duration) func() answer {
		u, err := url.Parse("https://" + good.host() + "/text")
		must(err)
		signed := sigv4.Presign("GET", u, sigv4.Credentials{AccessKeyID: all.AccessKeyID, SecretAccessKey: all.SecretAccessKey}, "us-east-1", "s3-object-lambda", time.Now(), life)
		return func() answer { return do(t, s.aws, request(t, "GET", signed.String(), nil)) }
	}
	for _, c := range []struct {
		name, code string
		status     int
		text       string // that the message holds
		ahead      time.Duration
		ask        func() answer
	}{
		{"no signature", "MissingAuthenticationToken", 403, "Missing authentication token.", 0, asks(all, good, func(r *http.Request) { r.Header.Del("Authorization") })},
		{"a signature of version 2", "MissingAuthenticationToken", 403, "", 0, func() answer {
			return do(t, s.aws, request(t, "GET", "https://"+good.host()+"/text?AWSAccessKeyId=A&Signature=b&Expires=9999999999", nil))
		}},
		{"a wrong signature", "InvalidSignature", 400, "", 0, asks(all, good, func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-4]+"0000")
		})},
		{"a clock that is wrong", "RequestTimeTooSkewed", 403, "", time.Hour, asks(all, good, nil)},
		{"a presigned URL that is over", "AccessDenied", 403, "Request has expired", time.Minute, presigned(10 * time.Second)},
		{"a presigned URL that holds", "", 200, "", 0, presigned(10 * time.Second)},
		{"a session that is over", "ExpiredToken", 400, "", 20 * time.Minute, func() answer {
			req := request(t, "GET", "https://"+good.host()+"/text", nil)
			sigv4.Sign(req, sigv4.Credentials{AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, SessionToken: session.SessionToken}, "us-east-1", "s3-object-lambda", "", time.Now().Add(20*time.Minute))
			return do(t, s.aws, req)
		}},
		{"a caller without rights at the access point", "AccessDenied", 403, "", 0, asks(user("none", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`), good, nil)},
		{"a caller who may not invoke the function", "LambdaPermissionError", 403, "", 0, asks(user("half", `{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}`), good, nil)},
		{"a function that is gone", "LambdaNotFound", 404, "", 0, asks(all, missing, nil)},
		{"a role that does not trust Lambda", "LambdaInvocationFailed", 400, "", 0, asks(all, untrusted, nil)},
		{"a function whose concurrency is used up", "SlowDown", 503, "", 0, asks(all, busy, nil)},
		{"a function that throws", "LambdaRuntimeError", 500, "", 0, asks(all, broken, nil)},
		{"an answer that is refused", "LambdaInvalidResponse", 400, "201", 0, asks(all, refuse, nil)},
		{"a body that breaks before its first byte", "ResponseInterrupted", 400, "", 0, asks(all, cut, nil)},
		{"a range without the feature", "NotImplemented", 501, "Operation Not Implemented.", 0, func() answer { return good.ask(t, s, "GET", "/text", map[string]string{"Range": "bytes=0-1"}) }},
		{"a range in the query", "NotImplemented", 501, "", 0, func() answer { return good.ask(t, s, "GET", "/text?Range=bytes%3D0-1", nil) }},
		{"a part without the feature", "NotImplemented", 501, "", 0, func() answer { return good.ask(t, s, "GET", "/text?partNumber=1", nil) }},
		{"a key of the customer's", "NotImplemented", 501, "", 0, func() answer {
			return good.ask(t, s, "GET", "/text", map[string]string{"X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256"})
		}},
		{"a copy from the access point", "NotImplemented", 501, "", 0, func() answer {
			return good.ask(t, s, "PUT", "/copy", map[string]string{"X-Amz-Copy-Source": strings.ReplaceAll(good.arn(), "/", "%2F") + "/object/text"})
		}},
		{"an access point that is not there", "NoSuchAccessPoint", 404, "", 0, asks(all, point{name: "absent"}, nil)},
		{"a configuration without a function", "NoTransformationDefined", 404, "", 0, asks(all, empty, nil)},
		{"an alias that nobody has", "InvalidAccessPointAliasError", 400, "", 0, func() answer {
			return s.signed(t, all, "s3", "GET", "https://nobody-aaaaaaaaaaaaaaaaaaaaaaaause1a--ol-s3.s3.us-east-1.amazonaws.com/text", nil, nil)
		}},
		{"another account's access point", "AccessDenied", 403, "", 0, func() answer {
			return s.signed(t, all, "s3-object-lambda", "GET", "https://good-999999999999.s3-object-lambda.us-east-1.amazonaws.com/text", nil, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ahead.Store(int64(c.ahead))
			defer ahead.Store(0)
			a := c.ask()
			if c.code == "" {
				if a.StatusCode != c.status || string(a.body) != "a text" {
					t.Errorf("%s %q", a.Status, a.body)
				}
				return
			}
			e := a.awsError(t)
			if a.StatusCode != c.status || e.Code != c.code || !strings.Contains(e.Message, c.text) {
				t.Errorf("%s %s %q, want %d %s", a.Status, e.Code, e.Message, c.status, c.code)
			}
			if e.RequestId == "" || e.RequestId != a.Header.Get("X-Amz-Request-Id") {
				t.Errorf("RequestId %q, header %q", e.RequestId, a.Header.Get("X-Amz-Request-Id"))
			}
		})
	}
}
