package glassine

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestApplyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	data, empty, damaged := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "site.pem"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", NoHTTP3: true, CacheDiskBytes: -1, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	site := given(t, "photos.example.com")
	good := Live{CertificateDir: site, Strict: []string{"vary"}, CacheStatus: true}
	if err := s.Apply(good); err != nil {
		t.Fatal(err)
	}
	dir := s.viewers.certificates.dir.Load()
	if dir == nil || len(s.viewers.certificates.moved) != 1 {
		t.Fatalf("after a change of the directory it is %v, and who watches it was told %d times", dir, len(s.viewers.certificates.moved))
	}
	for name, l := range map[string]Live{
		"a strictness that there is not":         {CertificateDir: site, Strict: []string{"vari"}},
		"a directory that is not there":          {CertificateDir: filepath.Join(empty, "no")},
		"a directory without a certificate":      {CertificateDir: empty},
		"a directory with a damaged certificate": {CertificateDir: damaged, CacheStatus: true},
	} {
		if err := s.Apply(l); err == nil {
			t.Errorf("%s is taken", name)
		}
		if s.viewers.certificates.dir.Load() != dir || s.live.CertificateDir != site || !s.live.CacheStatus || len(s.live.Strict) != 1 {
			t.Errorf("%s: in force is %+v, want what was before", name, s.live)
		}
	}
	// The same directory is read again at once.
	if err := os.Rename(filepath.Join(site, "all.pem"), filepath.Join(site, "other.pem")); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(good); err != nil || s.viewers.certificates.dir.Load() != dir {
		t.Errorf("the same directory: %v, and another Dir than before: %v", err, s.viewers.certificates.dir.Load() != dir)
	}
	if err := os.Remove(filepath.Join(site, "other.pem")); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(good); err == nil {
		t.Error("a directory that lost its certificate is taken")
	}
	if err := s.Apply(Live{}); err != nil || s.viewers.certificates.dir.Load() != nil {
		t.Errorf("no directory: %v, %v", err, s.viewers.certificates.dir.Load())
	}
}
