package provider

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/state"
	"glassine/store/memory"
)

// sabotage fails one creation or update of a resource: before it is done, or after.
type sabotage struct {
	mu      sync.Mutex
	logical string // "" fails nothing more
	after   bool
}

// hit reports whether the resource is the one, and lets all later ones be.
func (s *sabotage) hit(r *request) (hit, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logical == "" || r.LogicalID != s.logical {
		return false, false
	}
	s.logical = ""
	return true, s.after
}

// sabotaged is a handler that fails when it is told to.
type sabotaged struct {
	cloudformation.Handler
	*sabotage
}

var errSabotage = fault.New("InternalFailure", "It was made to fail.")

func (s sabotaged) do(ctx context.Context, r *request, op func(context.Context, *request) (resource, error)) (resource, error) {
	hit, after := s.hit(r)
	if hit && !after {
		return resource{}, errSabotage
	}
	res, err := op(ctx, r)
	if hit && err == nil {
		err = errSabotage
	}
	return res, err
}

func (s sabotaged) Create(ctx context.Context, r *request) (resource, error) {
	return s.do(ctx, r, s.Handler.Create)
}

func (s sabotaged) Update(ctx context.Context, r *request) (resource, error) {
	return s.do(ctx, r, s.Handler.Update)
}

// volatile are the members of records that tell one writing of the same from another.
var volatile = regexp.MustCompile(`"(ETag|LastModified|Modified|RevisionID|Created|ID|Updated|NextVersion|MadeAt|Hash)":("[^"]*"|[0-9]+),?`)

// records are the values of all records but the stacks' own and keys that come and go with sessions.
func (c *cutStore) records(t *testing.T) map[string][]string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for table := range c.tables {
		if strings.HasPrefix(table, "cloudformation/") || table == "iam/tokenkeys" || table == "cloudfront/tags" {
			continue
		}
		all, err := c.List(context.Background(), table, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if !json.Valid(r.Value) {
				t.Fatalf("record %s/%s is not JSON", table, r.Key)
			}
			out[table+"/"+r.Key] = sortedWords(volatile.ReplaceAllString(string(r.Value), ""))
		}
	}
	return out
}

// The whole architecture, each of its resources failing in turn, before and after the work is done: on creation nothing is
// left, on update everything is as it was.
func TestEachResourceFailsInTurn(t *testing.T) {
	raw, err := os.ReadFile("../../examples/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first := strings.NewReplacer("Runtime: nodejs22.x, Handler: index.handler, ", "", "Runtime: python3.12, Handler: lambda_function.lambda_handler, ", "",
		"./transform", "glassine://image", "./signer", "glassine://signer").Replace(string(raw))
	// The same with each resource changed in place, and one replaced with all that refers to it.
	second := strings.NewReplacer(
		"PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}\n  TransformRole", "CorsConfiguration: {CorsRules: [{AllowedMethods: [GET], AllowedOrigins: ['*']}]}\n  TransformRole",
		"PolicyName: S3OL-WriteObjectResponse", "PolicyName: write", "MemorySize: 512", "MemorySize: 1024", "Action: s3:GetObject, Resource: !Sub \"arn:aws:s3:$", "Action: s3:GetObject*, Resource: !Sub \"arn:aws:s3:$",
		"{FunctionArn: !GetAtt Transform.Arn}", "{FunctionArn: !GetAtt Transform.Arn, FunctionPayload: x}", "Action: s3-object-lambda:GetObject, Resource: !GetAtt ObjectLambda.Arn}]}\n  SignerRole", "Action: s3-object-lambda:Get*, Resource: !GetAtt ObjectLambda.Arn}]}\n  SignerRole",
		"PolicyName: sign", "PolicyName: signs", "Code: glassine://signer", "Code: glassine://signer, Description: changed", "FunctionName: !Ref Signer", "FunctionName: !Ref Signer, Description: another",
		"DefaultTTL: 86400", "DefaultTTL: 60", "HttpVersion: http2", "HttpVersion: http1.1",
	).Replace(first)
	resources := []string{
		"Bucket", "TransformRole", "Transform", "AccessPoint", "ObjectLambda", "ObjectLambdaPolicy", "SignerRole", "Signer", "SignerVersion", "CachePolicy", "Distribution",
	}
	store := &cutStore{Store: &state.Memory{}, tables: map[string]bool{}, left: -1}
	r := newRigOn(t, store, &memory.Store{}, t.TempDir())
	spoiler := &sabotage{}
	r.sabotage(spoiler)
	before := store.records(t)
	create := func(want cloudformation.Status) string {
		id, err := r.stack.CreateStack(t.Context(), r.root, cloudformation.StackInput{Region: region, Name: "images", Template: first, Capabilities: allCapabilities})
		if err != nil {
			t.Fatal(err)
		}
		r.settle(id, want)
		return id
	}
	for _, logical := range resources {
		for _, after := range []bool{false, true} {
			spoiler.logical, spoiler.after = logical, after
			id := create("ROLLBACK_COMPLETE")
			if d := cmp.Diff(before, store.records(t)); d != "" {
				t.Fatalf("creation with %s failing (after its work: %v) leaves:\n%s", logical, after, d)
			}
			if err := r.stack.DeleteStack(t.Context(), r.root, cloudformation.DeleteInput{Region: region, Name: id}); err != nil {
				t.Fatal(err)
			}
			r.settle(id, "DELETE_COMPLETE")
		}
	}
	id := create("CREATE_COMPLETE")
	created := store.records(t)
	for _, logical := range resources {
		for _, after := range []bool{false, true} {
			spoiler.logical, spoiler.after = logical, after
			if _, err := r.stack.UpdateStack(t.Context(), r.root, cloudformation.StackInput{Region: region, Name: "images", Template: second, Capabilities: allCapabilities}); err != nil {
				t.Fatal(err)
			}
			r.settle(id, "UPDATE_ROLLBACK_COMPLETE")
			if spoiler.logical != "" {
				t.Fatalf("%s is not changed by the update", logical)
			}
			if d := cmp.Diff(created, store.records(t)); d != "" {
				t.Fatalf("update with %s failing (after its work: %v) leaves:\n%s", logical, after, d)
			}
		}
	}
	if _, err := r.stack.UpdateStack(t.Context(), r.root, cloudformation.StackInput{Region: region, Name: "images", Template: second, Capabilities: allCapabilities}); err != nil {
		t.Fatal(err)
	}
	r.settle(id, "UPDATE_COMPLETE")
	r.destroy("images")
	if d := cmp.Diff(before, store.records(t)); d != "" {
		t.Errorf("deletion leaves:\n%s", d)
	}
}

// sortedWords puts the words of a record in order, since lists of what is attached come in the order of attaching.
func sortedWords(record string) []string {
	words := strings.FieldsFunc(record, func(r rune) bool { return strings.ContainsRune(`,[]{}`, r) })
	slices.Sort(words)
	return words
}

// sabotage lets every type's handler fail when it is told to.
func (r *rig) sabotage(s *sabotage) {
	r.t.Helper()
	var types []*cloudformation.Type
	for _, name := range r.types.Names() {
		x := *r.types.Find(name)
		x.Handler = sabotaged{x.Handler, s}
		types = append(types, &x)
	}
	if err := r.stack.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open(cloudformation.NewTypes(types...))
}
