package stsapi_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/aws/stsapi"
	"glassine/iam"
	"glassine/state"
)

const account = "123456789012"

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// newService returns a service with the user bob, who may do nothing, and the role worker, which may do everything and
// lets bob and itself in by an external id.
func newService(t *testing.T) (*iam.Service, iam.Credentials) {
	t.Helper()
	ctx := t.Context()
	s, err := iam.New(ctx, iam.Config{State: &state.Memory{}, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(ctx, s.Root(), iam.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	key, _, err := s.CreateAccessKey(ctx, s.Root(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateRole(ctx, s.Root(), iam.NewRole{Name: "worker", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"contract-7"}}},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/bob"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"contract-7"}}}]}`}); err != nil {
		t.Fatal(err)
	}
	if err := s.AttachRolePolicy(ctx, s.Root(), "worker", "arn:aws:iam::aws:policy/AdministratorAccess"); err != nil {
		t.Fatal(err)
	}
	return s, key
}

// ask signs a form as the key and returns the answer.
func ask(t *testing.T, h http.Handler, key iam.Credentials, form url.Values, change func(*http.Request)) (int, string) {
	t.Helper()
	body := form.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://sts.amazonaws.com/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}, "eu-west-1", "sts", sigv4.PayloadSHA256([]byte(body)), time.Now())
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text)
}

func form(pairs ...string) url.Values {
	v := url.Values{"Version": {"2011-06-15"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func TestErrors(t *testing.T) {
	s, bob := newService(t)
	h := &stsapi.Handler{IAM: s}
	identity := form("Action", "GetCallerIdentity")
	stranger := iam.Credentials{AccessKeyID: "AKIAABCDEFGHIJKLMNOP", SecretAccessKey: "x"}
	f := func(name string, key iam.Credentials, v url.Values, change func(*http.Request), status int, code, message string) {
		t.Helper()
		got, body := ask(t, h, key, v, change)
		var e struct {
			Error struct{ Type, Code, Message string }
		}
		if err := xml.Unmarshal([]byte(body), &e); err != nil || got != status || e.Error.Code != code || !strings.Contains(e.Error.Message, message) || e.Error.Type != "Sender" && status < 500 {
			t.Errorf("%s: %d %s, want %d %s %q", name, got, body, status, code, message)
		}
	}
	f("no signature", bob, identity, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken", "Request is missing Authentication Token")
	f("unknown key", stranger, identity, nil, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	f("body changed on the way", bob, identity, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("Action=GetSessionToken")) }, 403, "SignatureDoesNotMatch", "Check your AWS Secret Access Key")
	f("another service's scope", bob, identity, func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/sts/", "/iam/", 1))
	}, 403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'.")
	f("unknown action", bob, form("Action", "Nonsense"), nil, 400, "InvalidAction", "Could not find operation Nonsense for version 2011-06-15")
	f("another version", bob, url.Values{"Action": {"AssumeRole"}, "Version": {"2010-05-08"}}, nil, 400, "InvalidAction", "Could not find operation AssumeRole for version 2010-05-08")
	f("no version", bob, url.Values{"Action": {"AssumeRole"}}, nil, 400, "InvalidAction", "NO_VERSION_SPECIFIED")
	f("no action", bob, url.Values{}, nil, 400, "MissingAction", "Action")
	f("an action that is not served", bob, form("Action", "GetFederationToken"), nil, 501, "NotImplemented", "GetFederationToken")
	f("a duration that is no number", bob, form("Action", "GetSessionToken", "DurationSeconds", "long"), nil, 400, "MalformedInput", "DurationSeconds")
	f("a short duration", bob, form("Action", "GetSessionToken", "DurationSeconds", "60"), nil, 400, "ValidationError", "Member must have value greater than or equal to 900")
	f("a list with a gap", bob, form("Action", "AssumeRole", "TransitiveTagKeys.member.2", "x"), nil, 400, "MalformedQueryString", "TransitiveTagKeys")
	f("session policy that is none", bob, form("Action", "AssumeRole", "RoleArn", "arn:aws:iam::"+account+":role/worker", "RoleSessionName", "one", "ExternalId", "contract-7", "Policy", "{}"), nil, 400, "MalformedPolicyDocument", "")
	f("powerless asks for a key's account", bob, form("Action", "GetAccessKeyInfo", "AccessKeyId", bob.AccessKeyID), nil, 403, "AccessDenied", "sts:GetAccessKeyInfo")
}

// A presigned GetCallerIdentity proves to a third party who one is. Nobody may do anything else with it.
func TestPresignedIdentity(t *testing.T) {
	s, bob := newService(t)
	h := &stsapi.Handler{IAM: s, Now: func() time.Time { return start }}
	key := sigv4.Credentials{AccessKeyID: bob.AccessKeyID, SecretAccessKey: bob.SecretAccessKey}
	get := func(method, target, body string) (int, string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	presign := func(method string) string {
		u, _ := url.Parse("http://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
		// Presign leaves the body unsigned; outside S3 the URL must say so.
		u.RawQuery += "&X-Amz-Content-Sha256=" + sigv4.UnsignedPayload
		return sigv4.Presign(method, u, key, "eu-west-1", "sts", start, time.Minute).String()
	}
	if status, body := get("GET", presign("GET"), ""); status != 200 || !strings.Contains(body, ":user/bob</Arn>") {
		t.Errorf("presigned GET: %d %s", status, body)
	}
	if status, body := get("POST", presign("POST"), ""); status != 200 || !strings.Contains(body, ":user/bob</Arn>") {
		t.Errorf("presigned POST: %d %s", status, body)
	}
	if status, body := get("POST", presign("POST"), "Action=GetSessionToken&Version=2011-06-15"); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("presigned POST with another action in its body: %d %s, want SignatureDoesNotMatch", status, body)
	}
	if status, body := get("GET", strings.Replace(presign("GET"), "GetCallerIdentity", "GetSessionToken", 1), ""); status != 403 {
		t.Errorf("presigned GET with another action: %d %s", status, body)
	}
}
