package glassine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"glassine/aws/backupapi"
	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/backup"
	"glassine/iam"
	"glassine/s3"
	"glassine/store"
	"glassine/store/disk"
)

func quietConfig(data string) Config {
	return Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
	}
}

func newQuiet(t *testing.T, data string) *System {
	t.Helper()
	s, err := New(t.Context(), quietConfig(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the test may have done so
	return s
}

func backupClient(s *System, c iam.Credentials) *backupapi.Client {
	return &backupapi.Client{Client: wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, HTTP: &http.Client{Transport: s.Transport()},
	}}
}

// fullSystem is a System with a bucket and an object, and its root key.
func fullSystem(t *testing.T) (*System, iam.Credentials) {
	t.Helper()
	s := newQuiet(t, t.TempDir())
	root := s.IAM.Root()
	if _, err := s.S3.CreateBucket(t.Context(), root, "photos", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.jpg", "the photograph")
	return s, *s.NewRoot
}

func put(t *testing.T, s *System, key, body string) {
	t.Helper()
	if _, err := s.S3.PutObject(t.Context(), s.IAM.Root(), s3.Target{Bucket: "photos"}, key, strings.NewReader(body), store.PutOptions{Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
}

func TestBackupOfARunningSystemBecomesTheSameSystem(t *testing.T) {
	s, key := fullSystem(t)
	var file bytes.Buffer
	body, err := backupClient(s, key).CreateBackup(t.Context(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&file, body); err != nil {
		t.Fatal(err)
	}
	body.Close()
	put(t, s, "late.jpg", "after the backup")
	left, err := filepath.Glob(filepath.Join(s.cfg.Data, scratchPattern))
	if err != nil || len(left) > 0 {
		t.Errorf("the backup left %v, %v", left, err)
	}

	data := filepath.Join(t.TempDir(), "restored")
	sum, err := Restore(t.Context(), data, &file)
	if err != nil || sum.Files < 8 {
		t.Fatalf("Restore = %+v, %v", sum, err)
	}
	r := newQuiet(t, data)
	if r.NewRoot != nil {
		t.Error("the restored system made a new root key")
	}
	if secret, _, err := r.IAM.Lookup(t.Context(), key.AccessKeyID, ""); err != nil || secret != key.SecretAccessKey {
		t.Errorf("the root key of the restored system: %v", err)
	}
	o, err := r.S3.GetObject(t.Context(), r.IAM.Root(), s3.Target{Bucket: "photos"}, "a.jpg", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if raw, err := io.ReadAll(o.Body); err != nil || string(raw) != "the photograph" {
		t.Errorf("the object is %q, %v", raw, err)
	}
	if _, err := r.S3.GetObject(t.Context(), r.IAM.Root(), s3.Target{Bucket: "photos"}, "late.jpg", store.GetOptions{}); !fault.Is(err, "NoSuchKey") {
		t.Errorf("an object that was put after the backup: %v", err)
	}
}

func TestBackupIsForAdministrators(t *testing.T) {
	s, key := fullSystem(t)
	root := s.IAM.Root()
	if _, err := s.IAM.CreateUser(t.Context(), root, iam.NewUser{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	small, _, err := s.IAM.CreateAccessKey(t.Context(), root, "small")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backupClient(s, small).CreateBackup(t.Context(), "us-east-1"); !fault.Is(err, "AccessDeniedException") {
		t.Errorf("a user without permission: %v", err)
	}
	wrong := key
	wrong.SecretAccessKey = "wrong"
	if _, err := backupClient(s, wrong).CreateBackup(t.Context(), "us-east-1"); !fault.Is(err, "InvalidSignatureException") {
		t.Errorf("a wrong secret: %v", err)
	}
	_, err = backupClient(s, key).Send(backupapi.Service, "us-east-1", http.MethodPost, "https://glassine.us-east-1.amazonaws.com/", http.Header{"X-Amz-Target": {"Glassine_20261126.DeleteBackup"}}, []byte("{}"))
	if !fault.Is(err, "UnknownOperationException") {
		t.Errorf("another operation: %v", err)
	}
	// Over plaintext, which the hop inside the process never is.
	r := httptest.NewRequest(http.MethodPost, "http://glassine.us-east-1.amazonaws.com/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "Glassine_20261126.CreateBackup")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, "us-east-1", backupapi.Service, sigv4.PayloadSHA256([]byte("{}")), time.Now())
	w := httptest.NewRecorder()
	(&backupapi.Handler{IAM: s.IAM, Backup: s.Backup}).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "over TLS only") {
		t.Errorf("over plaintext: %d %.200s", w.Code, w.Body)
	}
}

func TestOneBackupAtATimeAndWhatBreaksOffLeavesNothing(t *testing.T) {
	s, _ := fullSystem(t)
	root := s.IAM.Root()
	var second error
	err := s.Backup(t.Context(), root, writerFunc(func(p []byte) (int, error) {
		if second == nil {
			second = s.Backup(t.Context(), root, io.Discard)
		}
		return 0, io.ErrClosedPipe
	}))
	if !errors.Is(err, io.ErrClosedPipe) || !fault.Is(second, "OperationAborted") {
		t.Errorf("the first ended with %v, the second with %v", err, second)
	}
	if left, err := filepath.Glob(filepath.Join(s.cfg.Data, scratchPattern)); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if err := s.Backup(t.Context(), root, io.Discard); err != nil {
		t.Errorf("the next one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, root, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestBackupOfAStoppedDirectory(t *testing.T) {
	s, _ := fullSystem(t)
	data := s.cfg.Data
	if err := BackupStopped(t.Context(), data, io.Discard); !errors.Is(err, ErrInUse) {
		t.Errorf("while it runs: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(data, ".backup-left"), 0o700); err != nil { // by one that was killed
		t.Fatal(err)
	}
	blobs, err := filepath.Glob(filepath.Join(data, "objects", "objects", "*", "*"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	raw, err := os.ReadFile(blobs[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(blobs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := BackupStopped(t.Context(), data, &file); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, ".backup-left")); err == nil {
		t.Error("what a killed backup left is still there")
	}
	sum, err := CheckBackup(t.Context(), bytes.NewReader(file.Bytes()))
	if err != nil || len(sum.Damaged) != 1 || !strings.HasSuffix(blobs[0], filepath.Base(sum.Damaged[0])) {
		t.Errorf("CheckBackup = %+v, %v; want the damaged file named", sum, err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), restored, &file); err != nil {
		t.Fatal(err)
	}
	var problems []string
	if _, err := Fsck(t.Context(), restored, func(p disk.Problem) { problems = append(problems, p.Err.Error()) }); err != nil || len(problems) != 1 {
		t.Errorf("Fsck of what was restored: %q, %v; want the one damaged file", problems, err)
	}
}

func TestRestoreRefusesWhatIsNoDataDirectory(t *testing.T) {
	var file bytes.Buffer
	b, err := backup.NewWriter(&file, t.TempDir(), backup.Header{Layout: dataVersion})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Add("VERSION", 0o600, 2, strings.NewReader("1\n")), b.Close()); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	if _, err := Restore(t.Context(), data, bytes.NewReader(file.Bytes())); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("Restore = %v", err)
	}
	if _, err := New(t.Context(), quietConfig(data)); err != nil {
		t.Errorf("the directory is of no use afterwards: %v", err)
	}

	s, _ := fullSystem(t)
	file.Reset()
	if err := s.Backup(t.Context(), s.IAM.Root(), &file); err != nil {
		t.Fatal(err)
	}
	data = t.TempDir()
	if _, err := Restore(t.Context(), data, iotest.TimeoutReader(bytes.NewReader(file.Bytes()))); err == nil {
		t.Error("a reader that fails was accepted")
	}
	// As a killed one leaves it.
	if err := os.WriteFile(filepath.Join(data, backup.Unfinished), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), quietConfig(data)); err == nil || !strings.Contains(err.Error(), "has not finished") {
		t.Errorf("New on half of a restore: %v", err)
	}
	if _, err := Restore(t.Context(), data, &file); err != nil {
		t.Errorf("once more: %v", err)
	}
}
