package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"glassine/iam"
	"glassine/lambda/runner"
)

// flip changes one character of s into another of the same alphabet.
func flip(s string, i int) string {
	b := []byte(s)
	if b[i] == '0' {
		b[i] = '1'
	} else {
		b[i] = '0'
	}
	return string(b)
}

// One flipped byte in each hop's signature or token gives that hop's 4xx, although every hop is in the process.
func TestOneFlippedByteIsRefused(t *testing.T) {
	s := start(t)
	session, err := s.edgeSession(t)
	if err != nil {
		t.Fatal(err)
	}
	wantError := func(t *testing.T, a answer, status int, codes ...string) {
		t.Helper()
		var e awsError
		if err := xml.Unmarshal(a.body, &e); err != nil {
			t.Fatalf("%s: %v: %.200s", a.Status, err, a.body)
		}
		for _, code := range codes {
			if a.StatusCode == status && e.Code == code {
				return
			}
		}
		t.Errorf("answer = %s %s (%s), want %d %v", a.Status, e.Code, e.Message, status, codes)
	}
	hops := []struct {
		name, service, url  string
		signature, badToken string
		status              int
	}{
		{"Object Lambda access point", "s3-object-lambda", "https://" + lambdaHost + "/sample.jpg", "InvalidSignature", "InvalidToken", 400},
		{"access point", "s3", "https://" + pointHost + "/sample.jpg", "SignatureDoesNotMatch", "InvalidToken", 403},
		{"bucket", "s3", "https://" + bucketHost + "/sample.jpg", "SignatureDoesNotMatch", "InvalidToken", 403},
	}
	for _, hop := range hops {
		t.Run("signature at the "+hop.name, func(t *testing.T) {
			a := s.signed(t, session, hop.service, http.MethodGet, hop.url, nil, func(r *http.Request) {
				auth := r.Header.Get("Authorization")
				r.Header.Set("Authorization", flip(auth, len(auth)-1))
			})
			wantError(t, a, hop.status, hop.signature)
		})
		t.Run("session token at the "+hop.name, func(t *testing.T) {
			for _, i := range []int{0, 10, len(session.SessionToken) / 2, len(session.SessionToken) - 1} {
				bad := session
				bad.SessionToken = flip(session.SessionToken, i)
				wantError(t, s.signed(t, bad, hop.service, http.MethodGet, hop.url, nil, nil), 400, hop.badToken)
			}
		})
	}

	// The function's hops: a webhook in this test takes the event and tries them.
	t.Run("in the function", func(t *testing.T) {
		events := make(chan functionCall)
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			call := functionCall{creds: webhookCredentials(t, r), done: make(chan struct{})}
			if err := json.Unmarshal(body, &call.event); err != nil {
				t.Error(err)
			}
			events <- call
			<-call.done
		}))
		defer hook.Close()
		s.useFunction(t, hook.URL)
		answered := make(chan answer, 1)
		go func() {
			answered <- s.signed(t, session, "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/sample.jpg", nil, nil)
		}()
		call := <-events
		c := call.event.GetObjectContext
		input, err := url.Parse(c.InputS3URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires"} {
			t.Run("inputS3Url "+name, func(t *testing.T) {
				q := input.Query()
				v := q.Get(name)
				i := len(v) - 1
				if name == "X-Amz-Date" {
					i = len(v) - 2 // the seconds
				}
				if name == "X-Amz-Credential" {
					i = 6 // within the access key id
				}
				q.Set(name, flip(v, i))
				bad := *input
				bad.RawQuery = q.Encode()
				a := do(t, s.aws, request(t, http.MethodGet, bad.String(), nil))
				if a.StatusCode < 400 || a.StatusCode > 499 {
					t.Errorf("%s: %s, want a 4xx", name, a.Status)
				}
			})
		}
		t.Run("inputS3Url for another key", func(t *testing.T) {
			bad := *input
			bad.Path = "/other.jpg"
			wantError(t, do(t, s.aws, request(t, http.MethodGet, bad.String(), nil)), 403, "SignatureDoesNotMatch")
		})
		write := func(token string, change func(*http.Request)) answer {
			return s.writeResponse(t, call, token, []byte("clean bytes"), change)
		}
		t.Run("outputToken", func(t *testing.T) {
			for i := range c.OutputToken {
				wantError(t, write(flip(c.OutputToken, i), nil), 400, "ValidationError")
			}
		})
		t.Run("signature of WriteGetObjectResponse", func(t *testing.T) {
			a := write(c.OutputToken, func(r *http.Request) {
				auth := r.Header.Get("Authorization")
				r.Header.Set("Authorization", flip(auth, len(auth)-1))
			})
			wantError(t, a, 400, "InvalidSignature")
		})
		t.Run("by another role", func(t *testing.T) {
			own := call.creds
			call.creds = session // the edge role may not write
			wantError(t, write(c.OutputToken, nil), 403, "AccessDenied")
			call.creds = own
		})
		// After all that the right token still answers, once.
		if a := write(c.OutputToken, nil); a.StatusCode != 200 {
			t.Fatalf("WriteGetObjectResponse = %s: %s", a.Status, a.body)
		}
		t.Run("token used again", func(t *testing.T) {
			wantError(t, write(c.OutputToken, nil), 400, "ValidationError")
		})
		close(call.done)
		if a := <-answered; a.StatusCode != 200 || !bytes.Equal(a.body, []byte("clean bytes")) {
			t.Errorf("the caller got %s %q", a.Status, a.body)
		}
	})
}

// functionCall is one invocation of a webhook in a test.
type functionCall struct {
	event struct {
		XAmzRequestID    string `json:"xAmzRequestId"`
		GetObjectContext struct {
			InputS3URL  string `json:"inputS3Url"`
			OutputRoute string `json:"outputRoute"`
			OutputToken string `json:"outputToken"`
		} `json:"getObjectContext"`
		UserRequest struct {
			URL     string            `json:"url"`
			Headers map[string]string `json:"headers"`
		} `json:"userRequest"`
		UserIdentity    map[string]any `json:"userIdentity"`
		Configuration   map[string]any `json:"configuration"`
		ProtocolVersion string         `json:"protocolVersion"`
	}
	creds iam.Credentials
	done  chan struct{}
}

// writeResponse calls WriteGetObjectResponse with the function's credentials. change sees the request after it was signed.
func (s *system) writeResponse(t *testing.T, call functionCall, token string, body []byte, change func(*http.Request)) answer {
	t.Helper()
	req := request(t, http.MethodPost, "https://"+writeHost+"/WriteGetObjectResponse", body)
	req.Header.Set("X-Amz-Request-Route", call.event.GetObjectContext.OutputRoute)
	req.Header.Set("X-Amz-Request-Token", token)
	sign(req, call.creds, "s3-object-lambda", body)
	if change != nil {
		change(req)
	}
	return do(t, s.aws, req)
}

func webhookCredentials(t *testing.T, r *http.Request) iam.Credentials {
	var c map[string]string
	if err := json.NewDecoder(base64.NewDecoder(base64.StdEncoding, strings.NewReader(r.Header.Get(runner.CredentialsHeader)))).Decode(&c); err != nil {
		t.Error(err)
	}
	return iam.Credentials{AccessKeyID: c["AWS_ACCESS_KEY_ID"], SecretAccessKey: c["AWS_SECRET_ACCESS_KEY"], SessionToken: c["AWS_SESSION_TOKEN"]}
}

// The event has the shape that AWS documents; what authenticated the caller is not in it.
func TestFunctionGetsAWSEvent(t *testing.T) {
	s := start(t)
	var call functionCall
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&call.event); err != nil {
			t.Error(err)
		}
	}))
	defer hook.Close()
	s.useFunction(t, hook.URL)
	session, err := s.edgeSession(t)
	if err != nil {
		t.Fatal(err)
	}
	a := s.signed(t, session, "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/a%20b/c%3Fd.jpg?showExif=true&x=1%202", nil, func(r *http.Request) {
		// AWS's documentation has functions look these up by exact case.
		r.Header["SuperSecretToken"], r.Header["requiredToken"] = []string{"a"}, []string{"b"}
	})
	if a.StatusCode != 500 || !strings.Contains(string(a.body), "LambdaResponseNotReceived") {
		t.Errorf("a function that gives no answer: %s %s, want 500 LambdaResponseNotReceived", a.Status, a.body)
	}
	e := call.event
	if want := "https://" + lambdaHost + "/a b/c%3Fd.jpg?showExif=true&x=1 2"; e.UserRequest.URL != want {
		t.Errorf("userRequest.url = %q, want %q", e.UserRequest.URL, want)
	}
	if e.XAmzRequestID != a.Header.Get("X-Amz-Request-Id") {
		t.Errorf("xAmzRequestId = %q, the caller got %q", e.XAmzRequestID, a.Header.Get("X-Amz-Request-Id"))
	}
	for name := range e.UserRequest.Headers {
		switch strings.ToLower(name) {
		case "authorization", "x-amz-date", "x-amz-security-token":
			t.Errorf("userRequest.headers holds %s", name)
		}
	}
	if h := e.UserRequest.Headers; h["SuperSecretToken"] != "a" || h["requiredToken"] != "b" {
		t.Errorf("userRequest.headers = %v, want the names as they were sent", h)
	}
	if e.UserRequest.Headers["Host"] != lambdaHost {
		t.Errorf("userRequest.headers.Host = %q", e.UserRequest.Headers["Host"])
	}
	issuer, _ := e.UserIdentity["sessionContext"].(map[string]any)["sessionIssuer"].(map[string]any)
	if e.UserIdentity["type"] != "AssumedRole" || issuer["arn"] != edgeRoleARN || e.UserIdentity["accessKeyId"] != session.AccessKeyID {
		t.Errorf("userIdentity = %v", e.UserIdentity)
	}
	if e.Configuration["accessPointArn"] != lambdaARN || e.Configuration["supportingAccessPointArn"] != pointARN || e.Configuration["payload"] != "" {
		t.Errorf("configuration = %v", e.Configuration)
	}
	input, err := url.Parse(e.GetObjectContext.InputS3URL)
	if err != nil || input.Host != pointHost || input.EscapedPath() != "/a%20b/c%3Fd.jpg" || input.Query().Get("X-Amz-SignedHeaders") != "host" || input.Query().Get("X-Amz-Expires") != "61" {
		t.Errorf("inputS3Url = %q (%v)", e.GetObjectContext.InputS3URL, err)
	}
	if e.ProtocolVersion != "1.00" {
		t.Errorf("protocolVersion = %q", e.ProtocolVersion)
	}
}
