package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/transform/sample"
)

// cdkUser runs the CDK's own command line in a copy of examples/cdk, with nothing set but endpoint and keys.
type cdkUser struct {
	*system
	t   *testing.T
	dir string
	env []string
}

func newCDKUser(t *testing.T) *cdkUser {
	t.Helper()
	u := &cdkUser{system: start(t, func(c *glassine.Config) { c.Demo = false }), t: t, dir: t.TempDir()}
	if err := os.CopyFS(u.dir, cdkFiles{os.DirFS("../examples/cdk")}); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("../examples/cdk/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "aws-cdk")); err != nil {
		t.Fatalf("the CDK is not installed: sh e2e/deps.sh test: %v", err)
	}
	if err := os.Symlink(modules, filepath.Join(u.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	root := u.root(t)
	u.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ENDPOINT_URL=http://" + u.Addresses().AWS, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + root.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + root.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true", "CI=1",
	}
	return u
}

// cdk runs a command and returns what it printed.
func (u *cdkUser) cdk(args ...string) string {
	u.t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(u.t.Context(), "node_modules/.bin/cdk", append(args, "--no-notices", "--no-version-check")...)
	cmd.Dir, cmd.Env = u.dir, u.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		u.t.Fatalf("cdk %s: %v\n%s", strings.Join(args, " "), err, last(out.Bytes(), 6000))
	}
	u.t.Logf("cdk %s: %s", strings.Join(args, " "), time.Since(began).Round(time.Millisecond))
	return out.String()
}

// A CDK app of three stacks is deployed, found unchanged, used, and destroyed by the pinned CDK.
func TestCDK(t *testing.T) {
	t.Parallel()
	u := newCDKUser(t)
	u.cdk("deploy", "--all", "--require-approval", "never", "--outputs-file", "outputs.json")
	text, err := os.ReadFile(filepath.Join(u.dir, "outputs.json"))
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]map[string]string{}
	if err := json.Unmarshal(text, &outputs); err != nil {
		t.Fatal(err)
	}
	photos, domain := outputs["photos-storage"]["BucketName"], outputs["photos-cdn"]["DomainName"]
	if !strings.HasPrefix(photos, "photos-storage-originals") || !strings.HasSuffix(domain, ".cloudfront.net") {
		t.Fatalf("outputs %s", text)
	}

	a := u.signed(t, u.root(t), "s3", http.MethodPut, "https://"+photos+".s3.us-east-1.amazonaws.com/a.jpg", sample.JPEG, nil)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("put: %s %s", a.Status, a.body)
	}
	view := func(path string) answer {
		req := request(t, http.MethodGet, u.url(path), nil)
		req.Host = domain
		return do(t, u.viewer, req)
	}
	picture := view("/a.jpg")
	if picture.StatusCode != http.StatusOK || picture.Header.Get("Content-Type") != "image/jpeg" || !bytes.HasPrefix(picture.body, []byte{0xff, 0xd8}) {
		t.Fatalf("picture: %s %v %.200q", picture.Status, picture.Header, picture.body)
	}
	if left := tags(t, writeTemp(t, "a.jpg", picture.body)); left["GPSLatitude"] != nil || left["Make"] != nil {
		t.Errorf("metadata left: %v", left)
	}
	exif := map[string]any{}
	if got := view("/a.jpg?showExif=true"); got.StatusCode != http.StatusOK || json.Unmarshal(got.body, &exif) != nil || exif["GPSInfo"] == nil {
		t.Errorf("exif: %s %.500s", got.Status, got.body)
	}
	if again := view("/a.jpg"); again.Header.Get("X-Cache") != "Hit from cloudfront" {
		t.Errorf("the second view: %s", again.Header.Get("X-Cache"))
	}

	if out := u.cdk("deploy", "--all", "--require-approval", "never"); strings.Count(out, "(no changes)") != 3 {
		t.Errorf("an unchanged app was deployed:\n%s", out)
	}
	if out := u.cdk("diff"); !strings.Contains(out, "Number of stacks with differences: 0") {
		t.Errorf("cdk diff:\n%s", out)
	}
	u.cdk("destroy", "--all", "--force")
	if a := view("/a.jpg"); a.StatusCode != http.StatusForbidden {
		t.Errorf("after destroy: %s", a.Status)
	}
	root := u.IAM.Root()
	for _, region := range []string{"us-east-1"} {
		if all, err := u.Lambda.ListFunctions(t.Context(), root, region); err != nil || len(all) != 0 {
			t.Errorf("functions left: %v, %v", all, err)
		}
	}
	buckets, err := u.S3.Buckets(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buckets {
		if !strings.HasPrefix(b.Name, "cdk-hnb659fds-assets-") {
			t.Errorf("bucket left: %s", b.Name)
		}
	}
	if all, err := u.Edge.ListDistributions(t.Context(), root); err != nil || len(all) != 0 {
		t.Errorf("distributions left: %v, %v", all, err)
	}
}

// cdkFiles is the app without what is installed and made.
type cdkFiles struct{ fs.FS }

// Open implements fs.FS.
func (f cdkFiles) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if dir, ok := file.(fs.ReadDirFile); ok && err == nil && name == "." {
		return cdkRoot{dir}, nil
	}
	return file, err
}

type cdkRoot struct{ fs.ReadDirFile }

// ReadDir implements fs.ReadDirFile.
func (d cdkRoot) ReadDir(n int) ([]fs.DirEntry, error) {
	all, err := d.ReadDirFile.ReadDir(n)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool { return e.Name() == "node_modules" || e.Name() == "cdk.out" }), err
}
