package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/aws/awscli"
	"glassine/transform/sample"
)

// stackUser runs Debian's aws-cli with an endpoint and keys.
type stackUser struct {
	*system
	t   *testing.T
	env []string
}

func newStackUser(t *testing.T) *stackUser {
	t.Helper()
	u := &stackUser{system: start(t, func(c *glassine.Config) { c.Demo = false }), t: t}
	root := u.root(t)
	u.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + root.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + root.SecretAccessKey,
	}
	return u
}

// try runs aws-cli and returns what it printed and complained of.
func (u *stackUser) try(args ...string) (string, error) {
	u.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(u.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := awscli.Command(ctx, append([]string{"--endpoint-url", "http://" + u.Addresses().AWS}, args...)...)
	cmd.Env = u.env
	out, err := cmd.CombinedOutput()
	u.t.Logf("aws %s %s: %s", args[0], args[1], time.Since(began).Round(time.Millisecond))
	return string(out), err
}

func (u *stackUser) run(args ...string) string {
	u.t.Helper()
	out, err := u.try(args...)
	if err != nil {
		events, _ := u.try("cloudformation", "describe-stack-events", "--stack-name", "images", "--query", "StackEvents[].[LogicalResourceId,ResourceStatus,ResourceStatusReason]", "--output", "text")
		u.t.Fatalf("aws %s: %v: %s\n%s", strings.Join(args, " "), err, out, events)
	}
	return out
}

// deploy deploys a template, with what aws-cli does for people's scripts.
func (u *stackUser) deploy(template string) string {
	u.t.Helper()
	file := writeTemp(u.t, "stack.yaml", []byte(template))
	return u.run("cloudformation", "deploy", "--template-file", file, "--stack-name", "images", "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset")
}

// The whole architecture as one template, from aws cloudformation deploy to delete-stack.
func TestStackThroughAWSCLI(t *testing.T) {
	t.Parallel() // aws-cli sleeps between its polls
	u := newStackUser(t)
	raw, err := os.ReadFile("../examples/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// What aws cloudformation package does, which Debian's cannot do at an endpoint of one's own.
	u.run("s3api", "create-bucket", "--bucket", "code-of-images")
	for key, archive := range map[string][]byte{
		"transform.zip": nodeArchive(t, "resize.mjs", "@aws-sdk/client-s3", "axios", "sharp"),
		"signer.zip":    packed(t, map[string]string{"lambda_function.py": "node/functions/lambda_function.py", "edge_signer.py": "../examples/cdk/signer/edge_signer.py"}, nil, nil),
	} {
		u.run("s3", "cp", "--no-progress", writeTemp(t, key, archive), "s3://code-of-images/"+key)
	}
	template := strings.NewReplacer("Code: ./transform", "Code: {S3Bucket: code-of-images, S3Key: transform.zip}", "Code: ./signer", "Code: {S3Bucket: code-of-images, S3Key: signer.zip}").Replace(string(raw))

	// Before the code is in a bucket, nothing is begun.
	file := writeTemp(t, "local.yaml", raw)
	if out, err := u.try("cloudformation", "deploy", "--template-file", file, "--stack-name", "images", "--capabilities", "CAPABILITY_IAM"); err == nil || !strings.Contains(out, "aws cloudformation package") {
		t.Errorf("deploy of local paths = %v: %s, want an error that names aws cloudformation package", err, out)
	}
	if out, err := u.try("cloudformation", "deploy", "--template-file", writeTemp(t, "x.yaml", []byte(template)), "--stack-name", "other"); err == nil || !strings.Contains(out, "CAPABILITY_IAM") {
		t.Errorf("deploy without a capability = %v: %s, want an error that names it", err, out)
	}
	u.run("cloudformation", "delete-stack", "--stack-name", "images") // what a failed change set leaves

	if out := u.deploy(template); !strings.Contains(out, "Successfully created/updated stack - images") {
		t.Fatalf("deploy: %s", out)
	}
	if out := u.deploy(template); !strings.Contains(out, "No changes to deploy") {
		t.Errorf("second deploy: %s, want no changes", out)
	}
	var stacks struct {
		Stacks []struct {
			StackStatus string
			Outputs     []struct{ OutputKey, OutputValue string }
		}
	}
	if err := json.Unmarshal([]byte(u.run("cloudformation", "describe-stacks", "--stack-name", "images", "--output", "json")), &stacks); err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, o := range stacks.Stacks[0].Outputs {
		outputs[o.OutputKey] = o.OutputValue
	}
	bucket := outputs["BucketName"]
	domain := strings.TrimSuffix(strings.TrimPrefix(outputs["Url"], "https://"), "/")
	if stacks.Stacks[0].StackStatus != "CREATE_COMPLETE" || !strings.HasPrefix(bucket, "images-bucket-") || !strings.HasSuffix(domain, ".cloudfront.net") {
		t.Fatalf("stack = %+v", stacks)
	}
	u.run("s3", "cp", "--no-progress", writeTemp(t, "a.jpg", sample.JPEG), "s3://"+bucket+"/a.jpg")
	u.looksAt(domain)

	// A change of one value is one change, and is in force at once.
	if out := u.deploy(strings.Replace(template, "DefaultTTL: 86400", "DefaultTTL: 60", 1)); !strings.Contains(out, "Successfully created/updated") {
		t.Errorf("third deploy: %s", out)
	}
	policies, err := u.Edge.ListCachePolicies(t.Context(), u.IAM.Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		if !p.Managed && *p.Config.DefaultTTL != 60 {
			t.Errorf("DefaultTTL = %d, want 60", *p.Config.DefaultTTL)
		}
	}

	u.run("s3", "rm", "--recursive", "s3://"+bucket)
	u.run("cloudformation", "delete-stack", "--stack-name", "images")
	u.run("cloudformation", "wait", "stack-delete-complete", "--stack-name", "images")
	u.leavesNothing()
}

// looksAt gets the picture through the distribution as viewers do.
func (u *stackUser) looksAt(domain string) {
	u.t.Helper()
	view := func(path string) answer {
		req := request(u.t, http.MethodGet, u.url(path), nil)
		req.Host = domain
		return do(u.t, u.viewer, req)
	}
	picture := view("/a.jpg")
	if picture.StatusCode != http.StatusOK || !bytes.HasPrefix(picture.body, []byte{0xff, 0xd8}) || picture.Header.Get("X-Cache") != "Miss from cloudfront" {
		u.t.Fatalf("picture: %s %v %.300q", picture.Status, picture.Header, picture.body)
	}
	if left := tags(u.t, writeTemp(u.t, "left.jpg", picture.body)); left["GPS:GPSLatitude"] != nil || left["IFD0:Make"] != nil {
		u.t.Errorf("metadata left: %v", left)
	}
	if again := view("/a.jpg"); again.Header.Get("X-Cache") != "Hit from cloudfront" {
		u.t.Errorf("second view: %v, want a hit", again.Header)
	}
	if exif := view("/a.jpg?showExif=true"); exif.StatusCode != http.StatusOK || !json.Valid(exif.body) {
		u.t.Errorf("showExif: %s %.300s", exif.Status, exif.body)
	}
}

// leavesNothing wants everything to be gone but the code's bucket.
func (u *stackUser) leavesNothing() {
	u.t.Helper()
	ctx, root := u.t.Context(), u.IAM.Root()
	if all, err := u.S3.Buckets(ctx, root); err != nil || len(all) != 1 {
		u.t.Errorf("buckets left: %v, %v", all, err)
	}
	if all, err := u.S3.AccessPoints(ctx, root, ""); err != nil || len(all) != 0 {
		u.t.Errorf("access points left: %v, %v", all, err)
	}
	if all, err := u.ObjectLambda.List(ctx, root); err != nil || len(all) != 0 {
		u.t.Errorf("Object Lambda access points left: %v, %v", all, err)
	}
	if all, err := u.Lambda.ListFunctions(ctx, root, "us-east-1"); err != nil || len(all) != 0 {
		u.t.Errorf("functions left: %v, %v", all, err)
	}
	if all, err := u.IAM.ListRoles(ctx, root, ""); err != nil || len(all) != 0 {
		u.t.Errorf("roles left: %v, %v", all, err)
	}
	if all, err := u.Edge.ListDistributions(ctx, root); err != nil || len(all) != 0 {
		u.t.Errorf("distributions left: %v, %v", all, err)
	}
}
