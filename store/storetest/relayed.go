package storetest

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"glassine/store"
)

// Service says what a service at which a relayed store keeps its objects cannot do, beyond what store.Store says of all.
type Service struct {
	// Plain says that it takes keys and values that are text, and no key that is a directory of another.
	Plain bool
	// NoParts says that it does not list the parts of an object.
	NoParts bool
	// Fails are cases that fail with it, each with the reason. Each is run, and is an error when it passes; unless the reason
	// begins with "sometimes".
	Fails map[string]string
}

// RunRelayed is Run for a store that keeps its objects at a service: it promises what store.Store says of a relayed store.
// No case is left out: where such a store may say less, the rest is compared.
func RunRelayed(t *testing.T, open func(t *testing.T) store.Store, service Service) {
	run(t, func(t *testing.T) store.Store { return relayed{open(t), service} }, service.Fails)
}

// inEarnest is set in the environment of a process that runs a case whose failure is known.
const inEarnest = "GLASSINE_STORETEST_KNOWN"

// mustFail runs the case in a process of its own, where it must fail.
func mustFail(t *testing.T, reason string) {
	t.Helper()
	var pattern []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", strings.Join(pattern, "/"), "-test.count=1", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), inEarnest+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started and could not stop, if it was cut
	}
	switch {
	case strings.HasPrefix(reason, "sometimes"):
		t.Logf("%v; fails %s", err, reason)
	case err == nil:
		t.Errorf("this case passes now: take it out of the list of those that fail because %s", reason)
	case bytes.Contains(out, []byte("panic: test timed out")):
		t.Logf("comes to no end, as is known: %s", reason)
	case !bytes.Contains(out, []byte("--- FAIL: "+t.Name())):
		t.Errorf("this case should fail because %s; it did not come so far: %v\n%s", reason, err, out)
	default:
		t.Logf("fails, as is known: %s", reason)
	}
}

// relayed marks a store as one of RunRelayed's.
type relayed struct {
	store.Store
	service Service
}

func isRelayed(s store.Store) bool {
	_, ok := s.(relayed)
	return ok
}

// late is how much later than what is kept the moment of an answer may be.
const late = 5 * time.Second

// promised returns got, an Info of s, with what a relayed store may say otherwise as want says it.
func promised(s store.Store, want, got store.Info) store.Info {
	if !isRelayed(s) {
		return got
	}
	got.Modified = near(want.Modified, got.Modified)
	got.Encrypted = want.Encrypted
	got.Parts = promisedParts(s, want.Parts, got.Parts)
	return got
}

// promisedParts is promised of an Info's parts.
func promisedParts(s store.Store, want, got []store.Part) []store.Part {
	r, ok := s.(relayed)
	if !ok {
		return got
	}
	if r.service.NoParts && got == nil {
		return want
	}
	out := append([]store.Part(nil), got...)
	for i := range min(len(want), len(out)) {
		out[i].Modified = near(want[i].Modified, out[i].Modified)
		if out[i].ETag == "" {
			out[i].ETag, out[i].Modified = want[i].ETag, want[i].Modified
		}
	}
	return out
}

func near(want, got time.Time) time.Time {
	if d := want.Sub(got); -late < d && d < late {
		return want
	}
	return got
}

// inListing is want as a listing of s shows it.
func inListing(s store.Store, want store.Info) store.Info {
	if isRelayed(s) {
		want.Headers, want.Metadata, want.Tags = store.Headers{}, nil, nil
		want.Checksum.Value, want.VersionID, want.Encrypted = "", "", false
	}
	return want
}

// of is what s knows later of an upload with these options.
func of(s store.Store, opt store.UploadOptions) store.UploadOptions {
	if !isRelayed(s) {
		return opt
	}
	known := store.UploadOptions{ChecksumAlgorithm: opt.ChecksumAlgorithm, ChecksumType: opt.ChecksumType}
	if known.ChecksumAlgorithm == "" {
		known.ChecksumAlgorithm = store.CRC64NVME
	}
	if known.ChecksumType == "" {
		known.ChecksumType = store.DefaultChecksumType(known.ChecksumAlgorithm)
	}
	return known
}

// values are tags or metadata, or where a service would refuse them, others.
func values(s store.Store, tags map[string]string) map[string]string {
	if !isRelayed(s) || tags == nil {
		return tags
	}
	out := map[string]string{}
	for k, v := range tags {
		if k == "" {
			k = "none"
		}
		if v == "\xff" {
			v = "ÿ"
		}
		out[k] = v
	}
	return out
}

// metadata is values for a service that takes text alone.
func metadata(s store.Store, m map[string]string) map[string]string {
	if r, ok := s.(relayed); ok && r.service.Plain {
		return values(s, m)
	}
	return m
}

// keys are those of all that a service takes: S3 refuses those that climb out of their bucket, read as paths.
func keys(s store.Store, all []string) []string {
	r, ok := s.(relayed)
	if !ok {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(key string) bool {
		return key == ".." || strings.HasPrefix(key, "../") || r.service.Plain && !plain(key)
	})
}

// plain reports whether a file system can keep the key, beside others that are plain.
func plain(key string) bool {
	return key != "" && key != "." && len(key) <= 255 && utf8.ValidString(key) && !strings.ContainsAny(key, "/\x00")
}

// letters are those of random keys; of the five, the third is the one that is also a delimiter.
func letters(s store.Store) string {
	if r, ok := s.(relayed); ok && r.service.Plain {
		return "ab-_~"
	}
	return "ab/\x00\xff"
}

// key is one of the suite's in the letters of s.
func key(s store.Store, k string) string {
	from, to := letters(nil), letters(s)
	out := []byte(k)
	for i, c := range out {
		if at := strings.IndexByte(from, c); at >= 0 {
			out[i] = to[at]
		}
	}
	return string(out)
}
