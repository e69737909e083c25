//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// fullDir is the environment variable with the directory that the child of TestFullDisk mounts a small file system on.
const fullDir = "GLASSINE_CRASH_FULL_DIR"

// A server whose disk is full refuses what needs room with an error that AWS's clients understand, keeps everything it
// acknowledged, reads and deletes as before, and goes on by itself once there is room.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullDir); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Fatalf("%s: %v", noMount, err)
		}
		fullDisk(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullDir+"="+t.TempDir(), programPath+"="+program)
	// A user and mount namespace of its own, in which the child may mount a small file system.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), noMount) || errors.Is(err, syscall.EPERM) {
		t.Skipf("this kernel lets us have no small file system of our own: %v\n%s", err, out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFullDisk") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

const noMount = "mount refused"

// filled is a server on a small disk and what it acknowledged.
type filled struct {
	*server
	t       *testing.T
	ballast string // another program's file on the same disk
	holds   map[string]body
}

func fullDisk(t *testing.T, dir string) {
	data := filepath.Join(dir, "data")
	f := &filled{server: start(t, data), t: t, ballast: filepath.Join(dir, "ballast"), holds: map[string]body{}}
	if err := os.WriteFile(f.ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f.must(t, "PUT", bucket, "")
	kept := newBody(300_000)
	f.put("kept", kept)
	upload, part := f.beginUpload()
	f.fill()
	f.check("when the disk is full")

	// Neither an overwrite, nor a part, nor a copy that needs room may cost what is there.
	if code := f.put("kept", newBody(2<<20)); code != "InsufficientStorage" {
		t.Errorf("overwrite on a full disk: %q, want InsufficientStorage", code)
	}
	if a, err := f.do("PUT", bucket+"/upload?partNumber=2&uploadId="+upload, newBody(2<<20).bytes(), nil); err != nil || a.status != http.StatusInsufficientStorage {
		t.Errorf("part on a full disk: %v, %d %s; want 507", err, a.status, a.body)
	}
	f.refusesControl()
	f.sdkUnderstands()
	f.check("after refusals")

	// Whoever has no room deletes.
	for key := range f.holds {
		if strings.HasPrefix(key, "large") {
			f.must(t, "DELETE", bucket+"/"+key, "")
			delete(f.holds, key)
			break
		}
	}
	f.put("after a deletion", newBody(100_000))
	if _, ok := f.holds["after a deletion"]; !ok {
		t.Error("there is no room after a deletion")
	}
	f.fill()

	// A crash on a full disk, and a start on it.
	f.kill()
	f.server = start(t, data)
	f.check("after a kill on the full disk")
	if err := os.Remove(f.ballast); err != nil {
		t.Fatal(err)
	}
	f.put("after room was made", newBody(300_000))
	f.must(t, "PUT", bucket+"-2", "")
	f.must(t, "PUT", bucket+"?tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>")
	f.must(t, "POST", bucket+"/upload?uploadId="+upload, "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"+part+"</ETag></Part></CompleteMultipartUpload>")
	if _, ok := f.holds["after room was made"]; !ok {
		t.Error("there is no room after room was made")
	}
	f.check("after room was made")
	f.stop(t)
	out, err := exec.Command(program, "fsck", "--data", data).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 problems") {
		t.Errorf("fsck = %s (%v), want no problem", out, err)
	}
}

// put stores an object, and notes it when that was acknowledged; it returns the code of a refusal.
func (f *filled) put(key string, b body) (code string) {
	f.t.Helper()
	a, err := f.do("PUT", bucket+"/"+key, b.bytes(), b.header())
	switch {
	case err != nil:
		f.t.Fatalf("PUT %s: %v", key, err)
	case a.status == http.StatusOK:
		f.holds[key] = b
		return ""
	case a.status/100 != 5:
		f.t.Fatalf("PUT %s: %d %s, want 200 or 5xx", key, a.status, a.body)
	}
	_, rest, _ := strings.Cut(string(a.body), "<Code>")
	code, _, _ = strings.Cut(rest, "</Code>")
	if code == "InsufficientStorage" && a.status != http.StatusInsufficientStorage {
		f.t.Errorf("PUT %s: %d %s, want 507", key, a.status, a.body)
	}
	return code
}

// fill stores objects, ever smaller ones, until none fits: the last take room in the index alone.
func (f *filled) fill() {
	f.t.Helper()
	for _, size := range []int{1 << 20, 100_000, 5000, 0} {
		name := map[int]string{1 << 20: "large", 0: "empty"}[size]
		full := false
		for n := 0; !full && n < 20_000; n++ {
			key := fmt.Sprintf("%s-%d-%d-%d", name, size, len(f.holds), n)
			switch code := f.put(key, newBody(size)); code {
			case "":
			case "InsufficientStorage":
				full = true
			default:
				f.t.Fatalf("a full disk answers %q, want InsufficientStorage", code)
			}
		}
		if !full {
			f.t.Fatalf("%d objects fit on a full disk", len(f.holds))
		}
	}
	f.t.Logf("%d objects fit", len(f.holds))
}

// check reads every acknowledged object and lists exactly those.
func (f *filled) check(when string) {
	f.t.Helper()
	for key, want := range f.holds {
		a, err := f.do("GET", bucket+"/"+key, nil, nil)
		if err != nil {
			f.t.Fatalf("%s: GET %s: %v", when, key, err)
		}
		if got, err := bodyOf(a); a.status != http.StatusOK || err != nil || got != want {
			f.t.Fatalf("%s: GET %s = %d, body %v (%v), want %v", when, key, a.status, got, err, want)
		}
	}
	listed, after := 0, ""
	for {
		var page struct {
			IsTruncated           bool
			NextContinuationToken string
			Contents              []struct{ Key string }
		}
		if err := listing(f.server, bucket+"?list-type=2"+after, &page); err != nil {
			f.t.Fatalf("%s: %v", when, err)
		}
		for _, o := range page.Contents {
			if _, ok := f.holds[o.Key]; !ok && o.Key != "upload" {
				f.t.Errorf("%s: %s is listed, whose PUT was refused", when, o.Key)
			}
			if o.Key != "upload" {
				listed++
			}
		}
		if !page.IsTruncated {
			break
		}
		after = "&continuation-token=" + page.NextContinuationToken
	}
	if listed != len(f.holds) {
		f.t.Errorf("%s: %d objects are listed, want %d", when, listed, len(f.holds))
	}
}

// beginUpload begins a multipart upload of one part.
func (f *filled) beginUpload() (id, etag string) {
	f.t.Helper()
	a, err := f.do("POST", bucket+"/upload?uploads", nil, nil)
	_, rest, _ := strings.Cut(string(a.body), "<UploadId>")
	id, _, ok := strings.Cut(rest, "<")
	if err != nil || !ok {
		f.t.Fatalf("create upload: %v, %d %s", err, a.status, a.body)
	}
	a, err = f.do("PUT", bucket+"/upload?partNumber=1&uploadId="+id, newBody(10_000).bytes(), nil)
	if err != nil || a.status != http.StatusOK {
		f.t.Fatalf("part: %v, %d %s", err, a.status, a.body)
	}
	return id, a.header.Get("ETag")
}

// refusesControl changes configuration until the disk has no room for more, and checks that what was refused did not
// happen and what was acknowledged did.
func (f *filled) refusesControl() {
	f.t.Helper()
	acknowledged := 0
	for n := range 2000 {
		name := fmt.Sprintf("/control-test-%04d", n)
		a, err := f.do("PUT", name, nil, nil)
		if err != nil {
			f.t.Fatalf("create bucket: %v", err)
		}
		there, err := f.do("HEAD", name, nil, nil)
		if err != nil || (there.status == http.StatusOK) != (a.status == http.StatusOK) {
			f.t.Fatalf("create bucket %s: %d %s; it is there: %d (%v)", name, a.status, a.body, there.status, err)
		}
		if a.status == http.StatusOK {
			acknowledged++
			continue
		}
		if a.status/100 != 5 || strings.Contains(string(a.body), "no space") {
			f.t.Errorf("create bucket on a full disk: %d %s, want 5xx that says nothing of our disk", a.status, a.body)
		}
		f.t.Logf("a full disk took %d more buckets, then: %d %s", acknowledged, a.status, a.body)
		return
	}
	f.t.Error("2000 buckets fit on a full disk")
}

// sdkUnderstands asks AWS's SDK for Go what it makes of the refusal.
func (f *filled) sdkUnderstands() {
	f.t.Helper()
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(f.url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: f.credentials.AccessKeyID, SecretAccessKey: f.credentials.SecretAccessKey}, nil
		}),
	})
	var refused interface {
		error
		ErrorCode() string
	}
	// The SDK waits a second for 100 Continue, then sends. On a machine that is slower than that the answer's connection may be
	// closed while it sends, and the answer lost: then it asks again, as its users' retries do.
	var err error
	for range 5 {
		_, err = client.PutObject(f.t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(strings.TrimPrefix(bucket, "/")), Key: aws.String("sdk"), Body: strings.NewReader(strings.Repeat("x", 2<<20)),
		})
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			break
		}
	}
	if !errors.As(err, &refused) || refused.ErrorCode() != "InsufficientStorage" {
		f.t.Errorf("the SDK's PutObject on a full disk: %v, want InsufficientStorage", err)
	}
}
