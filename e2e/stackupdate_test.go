package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"glassine/transform/sample"
)

// marks are what every write changes, one that puts the old values back too.
var marks = regexp.MustCompile(`(?m)^ *"(Modified|LastModified|RevisionID|ETag)": .*\n`)

// everything is what the services hold of stacks, as text: the same text is the same state.
func (u *stackUser) everything() string {
	u.t.Helper()
	ctx, root := u.t.Context(), u.IAM.Root()
	var all []any
	add := func(v any, err error) {
		u.t.Helper()
		if err != nil {
			u.t.Fatal(err)
		}
		all = append(all, v)
	}
	add(u.S3.Buckets(ctx, root))
	points, err := u.S3.AccessPoints(ctx, root, "")
	add(points, err)
	for _, p := range points {
		add(u.S3.GetAccessPointPolicy(ctx, root, p.Name))
	}
	add(u.ObjectLambda.List(ctx, root))
	add(u.Lambda.ListFunctions(ctx, root, "us-east-1"))
	add(u.IAM.ListRoles(ctx, root, ""))
	add(u.Edge.ListDistributions(ctx, root))
	add(u.Edge.ListCachePolicies(ctx, root))
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		u.t.Fatal(err)
	}
	return marks.ReplaceAllString(string(b), "")
}

// The one-template stack with changes that people make: in place, and with a replacement that others depend on; then with a fault in
// the middle, after which everything is as it was.
func TestStackUpdates(t *testing.T) {
	t.Parallel()
	u := newStackUser(t)
	dir := t.TempDir()
	raw, err := os.ReadFile("../examples/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "stack.yaml")
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	unpack(t, nodeArchive(t, "resize.mjs", "@aws-sdk/client-s3", "axios", "sharp"), filepath.Join(dir, "transform"))
	unpack(t, packed(t, map[string]string{"lambda_function.py": "node/functions/lambda_function.py", "edge_signer.py": "../examples/cdk/signer/edge_signer.py"}, nil, nil), filepath.Join(dir, "signer"))
	deploy := func(code int, says ...string) {
		t.Helper()
		u.glassine(t, dir, "deploy", "--stack", "images", "-y").wants(t, code, says...)
	}
	deploy(0, "images: created")
	bucket := strings.TrimSpace(u.glassine(t, dir, "outputs", "images", "BucketName").out)
	domain := strings.Trim(strings.TrimPrefix(u.glassine(t, dir, "outputs", "images", "Url").out, "https:"), "/\n")
	serves := func(key string) { // which nobody asked for before, so that it comes all the way
		t.Helper()
		if a := u.signed(t, u.root(t), "s3", http.MethodPut, "https://"+bucket+".s3.us-east-1.amazonaws.com/"+key, sample.JPEG, nil); a.StatusCode != http.StatusOK {
			t.Fatalf("put: %s %s", a.Status, a.body)
		}
		req := request(t, http.MethodGet, u.url("/"+key), nil)
		req.Host = domain
		if a := do(t, u.viewer, req); a.StatusCode != http.StatusOK || a.Header.Get("X-Cache") != "Miss from cloudfront" {
			t.Errorf("%s: %s %v %.300q", key, a.Status, a.Header, a.body)
		}
	}
	memory := func(want int) {
		t.Helper()
		functions, err := u.Lambda.ListFunctions(t.Context(), u.IAM.Root(), "us-east-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range functions {
			if strings.HasPrefix(f.Name, "images-Transform-") && f.Latest.Memory == want {
				return
			}
		}
		t.Errorf("no transform function has %d MB: %+v", want, functions)
	}
	points := func(want string) {
		t.Helper()
		all, err := u.S3.AccessPoints(t.Context(), u.IAM.Root(), "")
		if err != nil || len(all) != 1 || all[0].Name != want {
			t.Errorf("access points: %+v, %v, want %s alone", all, err, want)
		}
		lambdaPoints, err := u.ObjectLambda.List(t.Context(), u.IAM.Root())
		if err != nil || len(lambdaPoints) != 1 || !strings.HasSuffix(lambdaPoints[0].Configuration.SupportingAccessPoint, "accesspoint/"+want) {
			t.Errorf("Object Lambda access points: %+v, %v, want one over %s", lambdaPoints, err, want)
		}
	}
	serves("first.jpg")
	memory(512)
	points("images-ap")

	edit(t, file, "MemorySize: 512", "MemorySize: 1024")
	deploy(0, "images: updated")
	memory(1024)
	serves("more-memory.jpg")

	edit(t, file, "Name: images-ap\n", "Name: images-other-ap\n", "accesspoint/images-ap/", "accesspoint/images-other-ap/")
	deploy(0, "images: updated", "images-other-ap")
	points("images-other-ap")
	memory(1024)
	serves("other-point.jpg")

	// The cache policy is wrong in a way that only CloudFront finds; what else changes is made before it, or beside it.
	before := u.everything()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, file, "MemorySize: 1024", "MemorySize: 2048", "Name: images-other-ap\n", "Name: images-third-ap\n", "accesspoint/images-other-ap/", "accesspoint/images-third-ap/",
		"DefaultTTL: 86400", "DefaultTTL: 99999999", "  CachePolicy:\n    Type: AWS::CloudFront::CachePolicy\n", "  Second:\n    Type: AWS::S3::Bucket\n  CachePolicy:\n    Type: AWS::CloudFront::CachePolicy\n    DependsOn: [Second, ObjectLambdaPolicy]\n")
	deploy(1, "UPDATE_ROLLBACK_COMPLETE", "why: CachePolicy")
	events := u.glassine(t, dir, "events", "images", "-o", "json").out
	for _, made := range []string{"images-second-", "images-third-ap"} {
		if !strings.Contains(events, made) {
			t.Errorf("%s was never made, so nothing went back:\n%s", made, events)
		}
	}
	if after := u.everything(); after != before {
		t.Errorf("after the rollback there is\n%s\nwant\n%s", after, before)
	}
	serves("went-back.jpg")

	// So does a creation: the same template as another stack, whose names are taken.
	u.glassine(t, dir, "deploy", "--stack", "second", "-y").wants(t, 1, "ROLLBACK_COMPLETE")
	if after := u.everything(); after != before {
		t.Errorf("after a creation that went back there is\n%s\nwant\n%s", after, before)
	}
	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}
	deploy(0, "images: no changes")
	u.glassine(t, dir, "destroy", "second").wants(t, 0)
	u.glassine(t, dir, "destroy", "images", "--empty-buckets").wants(t, 0, "images: deleted")
	u.leavesTheBootstrap()
}
