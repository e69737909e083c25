package e2e

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/aws/fault"
	"glassine/aws/resetapi"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
	"glassine/store/remote"
)

// As the guide has it: curl signs, with a key and with a session's.
func TestResetByCurlAndByTheCommand(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *glassine.Config) { c.AllowReset = true })
	curl := func(key [3]string) string {
		t.Helper()
		args := []string{"-s", "-w", " %{http_code}", "--aws-sigv4", "aws:amz:us-east-1:glassine", "--user", key[0] + ":" + key[1], "-X", "POST"}
		if key[2] != "" {
			args = append(args, "-H", "X-Amz-Security-Token: "+key[2])
		}
		out, errOut, err := command(t, os.Environ(), "curl", append(args, "http://"+s.Addresses().AWS+resetapi.Path)...)
		if err != nil {
			t.Fatalf("curl: %v: %s", err, errOut)
		}
		return out
	}
	root := s.root(t)
	session, err := s.IAM.GetSessionToken(t.Context(), s.IAM.Root(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range [][3]string{{session.AccessKeyID, session.SecretAccessKey, session.SessionToken}, {root.AccessKeyID, root.SecretAccessKey, ""}} {
		s.put(t, "mine.jpg", []byte("mine"))
		if out := curl(key); !strings.HasPrefix(out, `{"DurationMilliseconds":`) || !strings.HasSuffix(out, " 200") {
			t.Errorf("curl with key %d: %s", i, out)
		}
		if a := s.signed(t, root, "s3", "GET", "https://"+bucketHost+"/mine.jpg", nil, nil); a.StatusCode != 404 {
			t.Errorf("the object after the reset: %s", a.Status)
		}
	}
	if out := curl([3]string{session.AccessKeyID, session.SecretAccessKey, session.SessionToken}); !strings.HasSuffix(out, " 403") {
		t.Errorf("a session of before the reset: %s", out)
	}
	dir := t.TempDir()
	s.glassine(t, dir, "reset", "--yes").wants(t, 0, "everything that was made is gone")
	s.glassine(t, dir, "reset").wants(t, 2, "nothing was reset", "try: glassine reset --yes")
	if got := s.view(t, "GET", "/sample.jpg"); got.StatusCode != 200 || got.Header.Get("X-Cache") != "Miss from cloudfront" {
		t.Errorf("the demo's picture: %s, %s", got.Status, got.Header.Get("X-Cache"))
	}
	start(t).glassine(t, dir, "reset", "--yes").wants(t, 4, "the setting allow-reset", "try: glassine up --allow-reset")
}

// A reset of a bucket that is another service's leaves that one alone.
func TestResetKeepsTheObjectsOfARemoteBucket(t *testing.T) {
	t.Parallel()
	there := start(t)
	there.put(t, "original.jpg", []byte("an original"))
	here := start(t, func(c *glassine.Config) {
		c.AllowReset, c.Demo = true, false
		c.Remotes = []glassine.Remote{{Name: "photos", Bucket: bucket, Service: remote.Config{
			Endpoint: "http://" + there.Addresses().AWS, Credentials: remote.Static{ID: there.root(t).AccessKeyID, Secret: there.root(t).SecretAccessKey},
		}}}
	})
	read := func() error {
		o, err := here.S3.GetObject(t.Context(), here.IAM.Root(), s3.Target{Bucket: "photos"}, "original.jpg", store.GetOptions{})
		if err == nil {
			o.Body.Close()
		}
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if err := here.Reset(t.Context(), here.IAM.Root()); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("through the bucket that is declared anew: %v", err)
	}
	if a := there.signed(t, there.root(t), "s3", "GET", "https://"+bucketHost+"/original.jpg", nil, nil); string(a.body) != "an original" {
		t.Errorf("the original: %s %s", a.Status, a.body)
	}
}

// Whenever the process is killed during a reset, the directory has all that was there or nothing of it, starts, and can be reset.
func TestAKilledResetIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	open := func() *glassine.System {
		t.Helper()
		sys, err := glassine.New(t.Context(), glassine.Config{Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return sys
	}
	kept, gone := 0, 0
	for i := range 6 {
		sys := open()
		if _, err := sys.S3.CreateBucket(t.Context(), sys.IAM.Root(), "photos", ""); err != nil && !fault.Is(err, "BucketAlreadyOwnedByYou") {
			t.Fatal(err)
		}
		for _, key := range []string{"a", "b", "c"} {
			if _, err := sys.S3.PutObject(t.Context(), sys.IAM.Root(), s3.Target{Bucket: "photos"}, key, strings.NewReader(key), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := sys.Close(); err != nil {
			t.Fatal(err)
		}
		killDuringReset(t, data, time.Duration(i)*15*time.Millisecond)

		sys = open()
		_, err := sys.S3.BucketVersioning(t.Context(), sys.IAM.Root(), "photos")
		switch {
		case err == nil:
			kept++
			for _, key := range []string{"a", "b", "c"} {
				o, err := sys.S3.GetObject(t.Context(), sys.IAM.Root(), s3.Target{Bucket: "photos"}, key, store.GetOptions{})
				if err != nil {
					t.Fatalf("the bucket is there, and its object %s: %v", key, err)
				}
				o.Body.Close()
			}
		case fault.Is(err, "NoSuchBucket"):
			gone++
			if _, err := sys.S3.CreateBucket(t.Context(), sys.IAM.Root(), "photos", ""); err != nil {
				t.Fatal(err)
			}
			if _, page, err := sys.S3.ListObjects(t.Context(), sys.IAM.Root(), s3.Target{Bucket: "photos"}, store.ListOptions{}); err != nil || len(page.Objects) > 0 {
				t.Fatalf("a new bucket of the name has %v, %v", page.Objects, err)
			}
		default:
			t.Fatal(err)
		}
		if err := sys.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d times all was there, %d times nothing", kept, gone)
}

// killDuringReset serves a directory by a process of its own, asks it for a reset and kills it after a time.
func killDuringReset(t *testing.T, data string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(glassineCommand(t), "serve", "--allow-reset", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out := &terminal{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed
	defer cmd.Process.Kill()
	text := out.await(t, 0, `Ready\.\n`)
	_, rest, _ := strings.Cut(text, " and http://")
	address, _, _ := strings.Cut(rest, ",")
	root, err := glassine.RootCredentials(data)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	asked := make(chan error, 1)
	go func() {
		client := resetapi.Client{Client: wire.Client{
			Credentials: sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, HTTP: &http.Client{Transport: awsTransport(roots, address)},
		}}
		_, err := client.Reset(t.Context(), "us-east-1")
		asked <- err
	}()
	select {
	case <-asked:
	case <-time.After(after):
	}
}
