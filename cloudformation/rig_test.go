package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// thing is a resource of the world that the tests' types make.
type thing struct {
	kind, token string
	props       map[string]any
}

// world is where the tests' types make things. It outlives services, as real ones outlive a kill.
type world struct {
	mu     sync.Mutex
	things map[string]thing
	calls  []string
	// before is called before anything is done: an error fails the operation. after is called when it is done: an error
	// then loses the answer.
	before, after func(op, id string) error
	note          bool // note ids before making things
	wait          func(ctx context.Context, op, id string) error
}

func newWorld() *world { return &world{things: map[string]thing{}} }

func (w *world) hook(ctx context.Context, f func(op, id string) error, op, id string) error {
	if w.wait != nil {
		if err := w.wait(ctx, op, id); err != nil {
			return err
		}
	}
	if f == nil {
		return nil
	}
	return f(op, id)
}

// types are Test::Thing, which is changed in place but for its Name; and Test::Copy, which is named by its template.
func (w *world) types() *Types {
	properties := map[string]*Property{
		"Name": {Replace: true}, "Size": {Kind: Integer}, "Text": {}, "List": {Kind: List}, "Secret": {Secret: true}, "Doc": {Kind: Document},
		"Deep": {Kind: Object, Fields: map[string]*Property{"Fixed": {Replace: true}, "Free": {}}},
	}
	return NewTypes(
		&Type{Name: "Test::Thing", Properties: properties, Attributes: []string{"Arn", "Size"}, Taggable: true, Handler: &maker{w, "Test::Thing"}},
		&Type{Name: "Test::Named", Properties: properties, Attributes: []string{"Arn"}, NameProperty: "Name", Capability: true, Handler: &maker{w, "Test::Named"}},
	)
}

type maker struct {
	w    *world
	kind string
}

func (m *maker) log(op string, r *Request) {
	m.w.mu.Lock()
	m.w.calls = append(m.w.calls, op+" "+r.LogicalID)
	m.w.mu.Unlock()
}

func (m *maker) Create(ctx context.Context, r *Request) (Resource, error) {
	m.log("create", r)
	if err := m.w.hook(ctx, m.w.before, "create", r.LogicalID); err != nil {
		return Resource{}, err
	}
	id := r.Name(64)
	if m.kind == "Test::Named" && r.Properties.Text("Name") != "" {
		id = r.Properties.Text("Name")
	}
	if m.w.note {
		if err := r.Note(ctx, id); err != nil {
			return Resource{}, err
		}
	}
	m.w.mu.Lock()
	old, there := m.w.things[id]
	if there && (!r.Retry || old.token != r.Token) {
		m.w.mu.Unlock()
		return Resource{}, fault.New("EntityAlreadyExists", "%s already exists", id)
	}
	m.w.things[id] = thing{m.kind, r.Token, r.Properties}
	m.w.mu.Unlock()
	made := m.made(id, r)
	if err := m.w.hook(ctx, m.w.after, "create", r.LogicalID); err != nil {
		return made, err
	}
	return made, nil
}

func (m *maker) made(id string, r *Request) Resource {
	return Resource{PhysicalID: id, Attributes: Values{"Arn": "arn:thing:" + id, "Size": r.Properties["Size"]}}
}

func (m *maker) Update(ctx context.Context, r *Request) (Resource, error) {
	m.log("update", r)
	if err := m.w.hook(ctx, m.w.before, "update", r.LogicalID); err != nil {
		return Resource{}, err
	}
	m.w.mu.Lock()
	t, ok := m.w.things[r.PhysicalID]
	if ok {
		t.props = r.Properties
		m.w.things[r.PhysicalID] = t
	}
	m.w.mu.Unlock()
	if !ok {
		return Resource{}, fault.New("NotFound", "%s is not there", r.PhysicalID)
	}
	if err := m.w.hook(ctx, m.w.after, "update", r.LogicalID); err != nil {
		return Resource{}, err
	}
	return m.made(r.PhysicalID, r), nil
}

func (m *maker) Delete(ctx context.Context, r *Request) error {
	m.log("delete", r)
	if err := m.w.hook(ctx, m.w.before, "delete", r.LogicalID); err != nil {
		return err
	}
	m.w.mu.Lock()
	delete(m.w.things, r.PhysicalID)
	m.w.mu.Unlock()
	return m.w.hook(ctx, m.w.after, "delete", r.LogicalID)
}

func (m *maker) Read(_ context.Context, r *Request) (Resource, error) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	t, ok := m.w.things[r.PhysicalID]
	if !ok {
		return Resource{}, ErrNotFound
	}
	return Resource{PhysicalID: r.PhysicalID, Properties: t.props}, nil
}

// snapshot is the world as text: one line for each thing, without tokens.
func (w *world) snapshot() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for id, t := range w.things {
		lines = append(lines, fmt.Sprintf("%s %s %v", t.kind, id, t.props))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (w *world) order() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.before, w.after, w.wait = nil, nil, nil, nil
}

// rig is a service over a world.
type rig struct {
	*Service
	t      testing.TB
	w      *world
	store  state.Store
	caller iam.Caller
	iam    *iam.Service
}

func newRig(t testing.TB) *rig { return rigOn(t, newWorld(), &state.Memory{}) }

// rigOn makes a service on a store that may hold stacks.
func rigOn(t testing.TB, w *world, store state.Store) *rig {
	t.Helper()
	identities, err := iam.New(t.Context(), iam.Config{State: &state.Memory{}, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, w: w, store: store, caller: identities.Root(), iam: identities}
	r.restart()
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// restart puts a new service on the store.
func (r *rig) restart() {
	r.t.Helper()
	s, err := New(r.t.Context(), Config{State: r.store, IAM: r.iam, Types: r.w.types(), Parameters: parameters{"/a": "one", "/list": "x,y"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	s.Start()
	r.Service = s
}

// parameters are SSM parameters.
type parameters map[string]string

func (p parameters) Parameter(_ context.Context, _ iam.Caller, _, name, _ string, _ bool) (string, error) {
	v, ok := p[name]
	if !ok {
		return "", fault.New("ParameterNotFound", "no parameter %s", name)
	}
	return v, nil
}

func (r *rig) input(template string) StackInput {
	return StackInput{Region: region, Name: "demo", Template: template, Capabilities: []string{"CAPABILITY_NAMED_IAM"}}
}

// create makes the stack demo and wants the status.
func (r *rig) create(template string, want Status) string {
	r.t.Helper()
	return r.createOf(r.input(template), want)
}

func (r *rig) createOf(in StackInput, want Status) string {
	r.t.Helper()
	id, err := r.CreateStack(r.t.Context(), r.caller, in)
	if err != nil {
		r.t.Fatalf("CreateStack: %v", err)
	}
	r.ends(id, want)
	return id
}

func (r *rig) update(template string, want Status) {
	r.t.Helper()
	id, err := r.UpdateStack(r.t.Context(), r.caller, r.input(template))
	if err != nil {
		r.t.Fatalf("UpdateStack: %v", err)
	}
	r.ends(id, want)
}

func (r *rig) delete(id string, want Status) {
	r.t.Helper()
	if err := r.DeleteStack(r.t.Context(), r.caller, DeleteInput{Region: region, Name: id}); err != nil {
		r.t.Fatalf("DeleteStack: %v", err)
	}
	r.ends(id, want)
}

// ends waits for the end of what is under way.
func (r *rig) ends(id string, want Status) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	got, err := r.Wait(ctx, id)
	if err != nil {
		r.t.Fatalf("Wait: %v", err)
	}
	if got != want {
		r.t.Fatalf("the stack is %s, want %s; events:\n%s", got, want, r.history(id))
	}
}

// history are the events, oldest first.
func (r *rig) history(id string) string {
	r.t.Helper()
	list, _, err := r.Events(r.t.Context(), r.caller, region, id, "", 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Reverse(list)
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%s %s %s\n", e.LogicalID, e.Status, e.Reason)
	}
	return b.String()
}

// refusal wants an error whose text holds all parts.
func refusal(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

var errBoom = fault.New("InvalidRequest", "boom")

// failOn fails an operation of a resource.
func failOn(op, id string) func(string, string) error {
	return func(o, i string) error {
		if o == op && i == id {
			return errBoom
		}
		return nil
	}
}

// consistent wants the world to hold what the stack's records say, and nothing else.
func (r *rig) consistent(id string) {
	r.t.Helper()
	v := r.find(region, id)
	recorded := map[string]bool{}
	for _, x := range v.resources {
		if x.Step != nil || x.Old != nil || x.Touched {
			r.t.Errorf("%s has a journal after its operation: %+v", x.LogicalID, x)
		}
		if !x.Gone && x.PhysicalID != "" {
			recorded[x.PhysicalID] = true
		}
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, p := range sortedKeys(recorded) {
		if _, ok := r.w.things[p]; !ok {
			r.t.Errorf("the stack has %s, the world has not", p)
		}
	}
	for p := range maps.Keys(r.w.things) {
		if !recorded[p] {
			r.t.Errorf("the world has %s, the stack has not", p)
		}
	}
}

var errStopped = errors.New("the store has stopped")
