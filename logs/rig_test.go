package logs

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// rig is the service over real ones, with a clock that stands still.
type rig struct {
	*Service
	t       testing.TB
	cfg     Config
	iam     *iam.Service
	root    iam.Caller
	now     time.Time
	decided int // decisions that IAM was asked for
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
	records := &state.Memory{}
	var err error
	if r.iam, err = iam.New(context.Background(), iam.Config{
		State: records, Account: account, Key: [32]byte{1}, Now: func() time.Time { return r.now },
		Observe: func(context.Context, iam.Caller, iam.Ask, iam.Decision) { r.decided++ },
	}); err != nil {
		t.Fatal(err)
	}
	r.root = r.iam.Root()
	r.cfg = Config{State: records, IAM: r.iam, Dir: t.TempDir(), Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&r.cfg)
	}
	r.restart()
	return r
}

// restart opens the service again, as after the end of the program.
func (r *rig) restart() {
	r.t.Helper()
	var err error
	if r.Service, err = New(context.Background(), r.cfg); err != nil {
		r.t.Fatal(err)
	}
	s := r.Service
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

// group makes a group with streams.
func (r *rig) group(name string, streams ...string) {
	r.t.Helper()
	if err := r.CreateLogGroup(context.Background(), r.root, region, name, nil); err != nil {
		r.t.Fatal(err)
	}
	for _, s := range streams {
		if err := r.CreateLogStream(context.Background(), r.root, region, name, s); err != nil {
			r.t.Fatal(err)
		}
	}
}

// put writes messages to a stream, the first at that many seconds from now and each next one a second later.
func (r *rig) put(name, stream string, seconds int, messages ...string) {
	r.t.Helper()
	var events []Event
	for i, m := range messages {
		events = append(events, Event{Time: r.now.Add(time.Duration(seconds+i) * time.Second).UnixMilli(), Message: m})
	}
	if _, err := r.PutLogEvents(context.Background(), r.root, region, name, stream, events); err != nil {
		r.t.Fatal(err)
	}
}

// messages returns what a filter finds, page by page.
func (r *rig) messages(name string, f Filter) (out []string) {
	r.t.Helper()
	for range 1000 {
		events, token, err := r.FilterLogEvents(context.Background(), r.root, region, name, f)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range events {
			out = append(out, e.Message)
		}
		if token == "" {
			return out
		}
		f.Token = token
	}
	r.t.Fatal("FilterLogEvents gives tokens without end")
	return nil
}

// caller is a session of a new role with the policy's statements.
func (r *rig) caller(name, statements string) iam.Caller {
	r.t.Helper()
	ctx := context.Background()
	role, err := r.iam.CreateRole(ctx, r.root, iam.NewRole{Name: name, Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	if err != nil {
		r.t.Fatal(err)
	}
	if statements != "" {
		if err := r.iam.PutRolePolicy(ctx, r.root, name, "p", `{"Version":"2012-10-17","Statement":[`+statements+`]}`); err != nil {
			r.t.Fatal(err)
		}
	}
	creds, err := r.iam.AssumeForService(ctx, role.ARN, []string{"lambda.amazonaws.com"}, "session", time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	_, c, err := r.iam.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}
