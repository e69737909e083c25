package objectlambda

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
	"glassine/state"
	"glassine/store"
	"glassine/store/memory"
)

const (
	account  = "123456789012"
	pointARN = "arn:aws:s3:us-west-2:" + account + ":accesspoint/photos-ap"
	olapARN  = "arn:aws:s3-object-lambda:us-west-2:" + account + ":accesspoint/photos"
	function = "arn:aws:lambda:us-west-2:" + account + ":function:clean"
)

// invoker is a function's double.
type invoker struct {
	invoke func(ctx context.Context, c iam.Caller, function string, payload []byte) (lambda.Result, error)
}

func (i *invoker) Invoke(ctx context.Context, c iam.Caller, function string, payload []byte) (lambda.Result, error) {
	return i.invoke(ctx, c, function, payload)
}

// rig is the service over real ones, with an access point "photos" and two roles: the viewer may ask, the writer answer.
type rig struct {
	*Service
	iam            *iam.Service
	s3             *s3.Service
	function       *invoker
	viewer, writer iam.Caller
	deciding       func() // called within each decision of iam; nil is nothing
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{function: &invoker{}}
	records := &state.Memory{}
	var err error
	if r.iam, err = iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}, Now: r.now}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if r.s3, err = s3.New(ctx, s3.Config{State: records, Store: &memory.Store{}, IAM: r.iam, Region: "us-west-2", Log: log}); err != nil {
		t.Fatal(err)
	}
	if r.Service, err = New(ctx, Config{State: records, IAM: r.iam, S3: r.s3, Invoker: r.function, Region: "us-west-2", Log: log}); err != nil {
		t.Fatal(err)
	}
	root := r.iam.Root()
	if _, err := r.s3.CreateBucket(ctx, root, "photos-bucket", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s3.CreateAccessPoint(ctx, root, s3.NewAccessPoint{Name: "photos-ap", Bucket: "photos-bucket", Block: s3.BlockAll}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a.jpg", "b.jpg"} {
		if _, err := r.s3.PutObject(ctx, root, s3.Target{Bucket: "photos-bucket"}, key, strings.NewReader("original of "+key), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Create(ctx, root, "photos", configuration()); err != nil {
		t.Fatal(err)
	}
	r.viewer = r.role(t, "viewer", `"s3-object-lambda:GetObject","s3:GetObject","s3:PutObject","s3:ListBucket"`)
	r.writer = r.role(t, "writer", `"s3-object-lambda:WriteGetObjectResponse"`)
	return r
}

// GetObject is a request's whole way.
func (r *rig) GetObject(ctx context.Context, q Request, deliver func(Answer) error) error {
	c := r.Begin(q)
	if err := c.Authorize(ctx); err != nil {
		return err
	}
	return c.GetObject(ctx, deliver)
}

func (r *rig) now() time.Time {
	if r.deciding != nil {
		r.deciding()
	}
	return time.Now()
}

func configuration() Configuration {
	return Configuration{
		SupportingAccessPoint: pointARN,
		Transformations:       []Transformation{{Actions: []string{GetObject}, Function: function, Payload: `{"k":1}`}},
	}
}

// role makes a role that may do the actions, a quoted list ("" is none), and returns a session of it.
func (r *rig) role(t testing.TB, name, actions string) iam.Caller {
	t.Helper()
	ctx := context.Background()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role, err := r.iam.CreateRole(ctx, r.iam.Root(), iam.NewRole{Name: name, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if actions != "" {
		if err := r.iam.PutRolePolicy(ctx, r.iam.Root(), name, "p", allow(actions)); err != nil {
			t.Fatal(err)
		}
	}
	creds, err := r.iam.AssumeForService(ctx, role.ARN, []string{"lambda.amazonaws.com"}, "session", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, c, err := r.iam.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func allow(actions string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}]}`
}

// grant is a resource policy for one role.
func grant(effect, role, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":{"AWS":"arn:aws:iam::` + account + `:role/` + role +
		`"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// request is the viewer's GetObject of a.jpg.
func (r *rig) request() Request {
	return Request{ID: "id-1", Caller: r.viewer, AccessPoint: "photos", Operation: GetObject, Key: "a.jpg", URL: "https://h/a.jpg"}
}

// event is what a test reads of a function's event.
type event struct {
	GetObjectContext struct {
		InputS3URL  string `json:"inputS3Url"`
		OutputRoute string `json:"outputRoute"`
		OutputToken string `json:"outputToken"`
	} `json:"getObjectContext"`
}

func parse(t testing.TB, payload []byte) event {
	t.Helper()
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Errorf("event %s: %v", payload, err)
	}
	return e
}

// answerOf is a write of text with the event's token.
func answerOf(e event, text string) Write {
	return Write{Route: Route, Token: e.GetObjectContext.OutputToken, Answer: Answer{Status: 200, Length: int64(len(text)), Body: strings.NewReader(text)}}
}

// function that answers text and returns.
func (r *rig) answers(t testing.TB, text string) {
	r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
		if err := r.WriteGetObjectResponse(ctx, r.writer, answerOf(parse(t, payload), text)); err != nil {
			t.Errorf("WriteGetObjectResponse = %v, want nil", err)
		}
		return lambda.Result{}, nil
	}
}

// into delivers to a string.
func into(got *string) func(Answer) error {
	return func(a Answer) error {
		b, err := io.ReadAll(a.Body)
		*got = string(b)
		return err
	}
}

func never(t testing.TB) func(Answer) error {
	return func(Answer) error {
		t.Error("deliver was called")
		return nil
	}
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}

// hanging is a body that gives its text and then nothing until it is aborted.
type hanging struct {
	text    string
	aborted chan struct{}
	aborts  int
}

func (h *hanging) Read(p []byte) (int, error) {
	if h.text != "" {
		n := copy(p, h.text)
		h.text = h.text[n:]
		return n, nil
	}
	<-h.aborted
	return 0, errors.New("aborted")
}

func (h *hanging) abort() {
	if h.aborts++; h.aborts == 1 {
		close(h.aborted)
	}
}

func mustParseURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
