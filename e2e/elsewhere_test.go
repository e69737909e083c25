package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"glassine"
	"glassine/transform/sample"
)

// Buckets whose objects are elsewhere: a bucket of another service, and a directory of files.

// originals is the bucket at the service that the demo's bucket stands for in these tests.
const originals = "originals"

// inFront starts a glassine whose demo has its originals at the service.
func inFront(t *testing.T, v service, change ...func(*glassine.Config)) *system {
	t.Helper()
	return start(t, append(change, func(cfg *glassine.Config) {
		cfg.Remotes = []glassine.Remote{{Name: bucket, Bucket: originals, Service: v.cfg}}
	})...)
}

// makeOriginals makes that bucket.
func makeOriginals(t *testing.T, v service) {
	t.Helper()
	if _, err := v.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(originals)}); err != nil {
		t.Fatal(err)
	}
}

// at reads an object at the service.
func (v service) at(t *testing.T, key string) (body []byte, etag string) {
	t.Helper()
	out, err := v.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(originals), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err = io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body, *out.ETag
}

func TestOriginalsAtASecondGlassine(t *testing.T) {
	t.Parallel()
	v, second := secondGlassine(t)
	makeOriginals(t, v)
	testOriginals(t, v, inFront(t, v))
	if a := do(t, second.aws, request(t, http.MethodGet, "https://"+originals+".s3.us-east-1.amazonaws.com/sample.jpg", nil)); a.StatusCode != http.StatusForbidden {
		t.Errorf("an anonymous viewer at the service: %s, want 403", a.Status)
	}
}

func TestOriginalsAtVersitygw(t *testing.T) {
	v := versitygw(t)
	makeOriginals(t, v)
	testOriginals(t, v, inFront(t, v))
}

// testOriginals goes through the demo, whose bucket is at the service, as a viewer and as an owner.
func testOriginals(t *testing.T, v service, s *system) {
	if original, _ := v.at(t, glassine.DemoKey); !bytes.Equal(original, sample.JPEG) {
		t.Errorf("the service has %d bytes of the demo's photo, want %d", len(original), len(sample.JPEG))
	}
	// A photo that somebody else put there.
	if _, err := v.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(originals), Key: aws.String("album/other.jpg"), Body: bytes.NewReader(sample.JPEG)}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/" + glassine.DemoKey, "/album/other.jpg"} {
		a := s.view(t, http.MethodGet, path)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s at the edge: %s: %s", path, a.Status, a.body)
		}
		left := tags(t, writeTemp(t, "clean.jpg", a.body))
		delete(left, "IFD0:Orientation")
		for name := range left {
			if group, _, _ := strings.Cut(name, ":"); group == "IFD0" || group == "ExifIFD" || group == "GPS" || strings.HasPrefix(group, "XMP") || group == "IPTC" {
				t.Errorf("%s at the edge still has %s", path, name)
			}
		}
	}
	// Nobody else gets at the originals.
	for _, host := range []string{bucketHost, pointHost} {
		if a := do(t, s.aws, request(t, http.MethodGet, "https://"+host+"/"+glassine.DemoKey, nil)); a.StatusCode != http.StatusForbidden {
			t.Errorf("an anonymous GET at %s: %s, want 403", host, a.Status)
		}
	}
	public := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `/*"}]}`)
	for _, tt := range []struct {
		name, method, url string
		body              []byte
		status            int
		code              string
	}{
		{"a public policy", http.MethodPut, "https://" + bucketHost + "/?policy", public, 403, "AccessDenied"},
		{"the bucket again", http.MethodPut, "https://" + bucketHost + "/", nil, 409, "BucketAlreadyOwnedByYou"},
		{"the deletion of the bucket", http.MethodDelete, "https://" + bucketHost + "/", nil, 400, "BucketHasAccessPointsAttached"},
		{"an absent object", http.MethodGet, "https://" + bucketHost + "/absent", nil, 404, "NoSuchKey"},
	} {
		a := s.signed(t, s.root(t), "s3", tt.method, tt.url, tt.body, nil)
		var e awsError
		if err := xml.Unmarshal(a.body, &e); err != nil || a.StatusCode != tt.status || e.Code != tt.code {
			t.Errorf("%s: %s %s (%s), want %d %s", tt.name, a.Status, e.Code, e.Message, tt.status, tt.code)
		}
	}
	testLargeOriginal(t, v, s)
}

// testLargeOriginal streams bodies that are not kept in memory.
func testLargeOriginal(t *testing.T, v service, s *system) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/large", large, nil)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("PUT of 16 MiB: %s: %s", a.Status, a.body)
	}
	body, etag := v.at(t, "large")
	if want := fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(large))); a.StatusCode != http.StatusOK || a.Header.Get("ETag") != want || etag != want || !bytes.Equal(body, large) {
		t.Errorf("PUT of 16 MiB: %s, ETag %s; the service has %d bytes, %s; want %s", a.Status, a.Header.Get("ETag"), len(body), etag, want)
	}
	a = s.signed(t, s.root(t), "s3", http.MethodGet, "https://"+bucketHost+"/large", nil, func(r *http.Request) { r.Header.Set("Range", "bytes=10000000-10000009") })
	if a.StatusCode != http.StatusPartialContent || !bytes.Equal(a.body, large[10_000_000:10_000_010]) {
		t.Errorf("a range: %s, %q", a.Status, a.body)
	}
	// A body that is not what was signed publishes nothing.
	a = s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/large", large, func(r *http.Request) {
		other := bytes.Clone(large)
		other[len(other)-1]++
		r.Body = io.NopCloser(bytes.NewReader(other))
	})
	if _, now := v.at(t, "large"); a.StatusCode != http.StatusBadRequest || now != etag {
		t.Errorf("PUT of another body than was signed: %s; the ETag is %s, and was %s", a.Status, now, etag)
	}
	env := s.environment(t)
	path, content := randomFile(t, "parts", 20<<20)
	for _, args := range [][]string{
		{"s3", "cp", "--only-show-errors", path, "s3://" + bucket + "/parts"},
		{"s3", "cp", "--only-show-errors", "s3://" + bucket + "/parts", path + ".back"},
		{"s3", "mb", "s3://at-home"},
		{"s3", "cp", "--only-show-errors", "s3://" + bucket + "/parts", "s3://at-home/copied"}, // from one store to the other
		{"s3", "cp", "--only-show-errors", "s3://at-home/copied", path + ".home"},
		{"s3", "rm", "--only-show-errors", "s3://" + bucket + "/parts"},
	} {
		if _, errOut, err := command(t, env, "aws", args...); err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
	}
	sameFile(t, path+".back", content)
	sameFile(t, path+".home", content)
}

func TestVersioningIsTheServices(t *testing.T) {
	t.Parallel()
	v, _ := secondGlassine(t)
	makeOriginals(t, v)
	s := inFront(t, v)
	const versioned = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
	if a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/?versioning", []byte(versioned), nil); a.StatusCode != http.StatusOK {
		t.Fatalf("PutBucketVersioning: %s: %s", a.Status, a.body)
	}
	out, err := v.client.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String(originals)})
	if err != nil || out.Status != "Enabled" {
		t.Errorf("at the service the versioning is %v, %v; want Enabled", out, err)
	}
	var ids []string
	for _, body := range []string{"one", "two"} {
		a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/k", []byte(body), nil)
		ids = append(ids, a.Header.Get("X-Amz-Version-Id"))
	}
	if a := s.signed(t, s.root(t), "s3", http.MethodGet, "https://"+bucketHost+"/k?versionId="+ids[0], nil, nil); string(a.body) != "one" {
		t.Errorf("version %s reads %s, %q", ids[0], a.Status, a.body)
	}
	// A new start takes up what is there.
	again := inFront(t, v, func(cfg *glassine.Config) { cfg.Demo = false })
	if status, err := again.S3.BucketVersioning(t.Context(), again.IAM.Root(), bucket); err != nil || status != "Enabled" {
		t.Errorf("after another start the versioning is %q, %v", status, err)
	}
}

func TestABucketThatIsNoLongerDeclared(t *testing.T) {
	t.Parallel()
	v, _ := secondGlassine(t)
	makeOriginals(t, v)
	data := t.TempDir()
	here := func(cfg *glassine.Config) { cfg.Data = data }
	t.Run("declared", func(t *testing.T) {
		s := inFront(t, v, here)
		if a := s.view(t, http.MethodGet, "/sample.jpg"); a.StatusCode != http.StatusOK {
			t.Errorf("at the edge: %s", a.Status)
		}
	})
	t.Run("not declared", func(t *testing.T) {
		s := start(t, here)
		s.data = data
		a := s.signed(t, s.root(t), "s3", http.MethodGet, "https://"+bucketHost+"/sample.jpg", nil, nil)
		var e awsError
		if err := xml.Unmarshal(a.body, &e); err != nil || a.StatusCode != http.StatusConflict || e.Code != "InvalidBucketState" || !strings.Contains(e.Message, "--remote") {
			t.Errorf("GET: %s: %s; want 409 InvalidBucketState", a.Status, a.body)
		}
		if a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/new", []byte("x"), nil); a.StatusCode != http.StatusConflict {
			t.Errorf("PUT: %s, want 409", a.Status)
		}
		if err := s.S3.DeleteAccessPoint(t.Context(), s.IAM.Root(), "glassine-demo-ap"); err != nil {
			t.Fatal(err)
		}
		if a := s.signed(t, s.root(t), "s3", http.MethodDelete, "https://"+bucketHost+"/", nil, nil); a.StatusCode != http.StatusNoContent {
			t.Errorf("DELETE of the bucket: %s: %s; want 204", a.Status, a.body)
		}
	})
	if body, _ := v.at(t, "sample.jpg"); !bytes.Equal(body, sample.JPEG) {
		t.Error("after the bucket was deleted, the original is gone from the service")
	}
}

func TestWhatCannotBeDeclared(t *testing.T) {
	t.Parallel()
	v, _ := secondGlassine(t)
	for _, tt := range []struct {
		name   string
		change func(*glassine.Config)
		says   string
	}{
		{"a name that a bucket cannot have", func(cfg *glassine.Config) {
			cfg.Remotes = []glassine.Remote{{Name: "No", Bucket: originals, Service: v.cfg}}
		}, "no name for a bucket"},
		{"a name twice", func(cfg *glassine.Config) {
			cfg.Remotes = []glassine.Remote{{Name: "photos", Bucket: originals, Service: v.cfg}}
			cfg.Directories = []glassine.Directory{{Name: "photos", Path: t.TempDir()}}
		}, "twice"},
		{"itself", func(cfg *glassine.Config) {
			cfg.AWS = freeAddress(t)
			cfg.Remotes = []glassine.Remote{{Name: "photos", Bucket: "photos", Service: v.cfg}}
			cfg.Remotes[0].Service.Endpoint = "http://" + cfg.AWS
		}, "this glassine itself"},
		{"a directory that is not there", func(cfg *glassine.Config) {
			cfg.Directories = []glassine.Directory{{Name: "photos", Path: filepath.Join(t.TempDir(), "none")}}
		}, "no such file"},
	} {
		cfg := glassine.Config{Data: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0"}
		tt.change(&cfg)
		s, err := glassine.New(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: New: %v, want an error that says %q", tt.name, err, tt.says)
		}
	}
	// A bucket whose objects are in the data directory stays there.
	data := t.TempDir()
	t.Run("made", func(t *testing.T) {
		s := start(t, func(cfg *glassine.Config) { cfg.Data = data })
		s.data = data
	})
	_, err := glassine.New(t.Context(), glassine.Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0",
		Directories: []glassine.Directory{{Name: bucket, Path: t.TempDir()}},
	})
	if err == nil || !strings.Contains(err.Error(), "in the data directory") {
		t.Errorf("New with a bucket's name that is taken: %v", err)
	}
}

func TestADirectoryIsABucket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "album"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photo.jpg", "album/photo.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), sample.JPEG, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, func(cfg *glassine.Config) { cfg.Directories = []glassine.Directory{{Name: "files", Path: dir}} })
	env := s.environment(t)
	run := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	back := t.TempDir()
	run("s3", "sync", "--only-show-errors", "s3://files", back)
	sameFile(t, filepath.Join(back, "album", "photo.jpg"), sample.JPEG)
	var list struct {
		Contents       []struct{ Key string }
		CommonPrefixes []struct{ Prefix string }
	}
	if err := json.Unmarshal([]byte(run("s3api", "list-objects-v2", "--bucket", "files", "--delimiter", "/")), &list); err != nil || len(list.Contents) != 1 || list.CommonPrefixes[0].Prefix != "album/" {
		t.Errorf("list-objects-v2 = %+v, %v", list, err)
	}
	if !strings.Contains(run("s3", "ls"), "files") {
		t.Error("the bucket is not in the list of buckets")
	}
	var head struct{ ContentType, ETag string }
	if err := json.Unmarshal([]byte(run("s3api", "head-object", "--bucket", "files", "--key", "photo.jpg")), &head); err != nil || head.ContentType != "image/jpeg" || head.ETag == "" {
		t.Errorf("head-object = %+v, %v", head, err)
	}
	run("s3", "cp", "--only-show-errors", "s3://files/photo.jpg", "s3://"+bucket+"/copied.jpg")
	if a := s.view(t, http.MethodGet, "/copied.jpg"); a.StatusCode != http.StatusOK {
		t.Errorf("a copy at the edge: %s", a.Status)
	}
	if _, errOut, err := command(t, env, "aws", "s3api", "delete-bucket", "--bucket", "files"); err == nil || !strings.Contains(errOut, "InvalidBucketState") {
		t.Errorf("delete-bucket: %v %s; want InvalidBucketState", err, errOut)
	}
	for _, args := range [][]string{
		{"s3api", "put-object", "--bucket", "files", "--key", "new", "--body", writeTemp(t, "x", []byte("x"))},
		{"s3api", "delete-object", "--bucket", "files", "--key", "photo.jpg"},
		{"s3api", "create-multipart-upload", "--bucket", "files", "--key", "new"},
		{"s3api", "put-bucket-versioning", "--bucket", "files", "--versioning-configuration", "Status=Enabled"},
	} {
		if _, errOut, err := command(t, env, "aws", args...); err == nil || !strings.Contains(errOut, "AccessDenied") || !strings.Contains(errOut, "reading alone") {
			t.Errorf("aws %s: %v %s; want AccessDenied", args[1], err, errOut)
		}
	}
}

func TestAServiceThatDoesNotAnswer(t *testing.T) {
	v, _ := secondGlassine(t)
	v.cfg.Endpoint = "https://127.0.0.1:1" // nobody listens there
	v.cfg.Attempts = 2
	s := start(t, func(cfg *glassine.Config) {
		cfg.Remotes = []glassine.Remote{{Name: "photos", Bucket: originals, Service: v.cfg}}
	})
	root := s.root(t)
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + s.Addresses().AWS), UsePathStyle: true, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, nil
		}),
	})
	_, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("k")})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ServiceUnavailable" {
		t.Errorf("GetObject: %v, want ServiceUnavailable", err)
	}
}
