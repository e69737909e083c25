package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// logBuckets is a LogDelivery that keeps what it is given.
type logBuckets struct {
	refuse, fail error

	mu      sync.Mutex
	allowed []string // bucket/prefix
	puts    []string // keys, in order
	files   map[string]string
}

func (b *logBuckets) AllowLogs(_ context.Context, _ iam.Caller, bucket, prefix string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, bucket+"/"+prefix)
	return b.refuse
}

func (b *logBuckets) PutLog(_ context.Context, _, bucket, key string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts = append(b.puts, key)
	if b.fail != nil {
		return b.fail
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if b.files == nil {
		b.files = map[string]string{}
	}
	b.files[bucket+"/"+key] = string(text)
	return nil
}

// text is all that was delivered.
func (b *logBuckets) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := ""
	for _, text := range b.files {
		all += text
	}
	return all
}

// lines are the lines of requests in text, split into their fields.
func logLines(text string) (lines [][]string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		}
	}
	return lines
}

func logging(l Logging) func(*DistributionConfig) {
	return func(c *DistributionConfig) { c.Logging = l }
}

func TestStandardLogIsDeliveredAsCloudFrontWritesIt(t *testing.T) {
	b, dir := &logBuckets{}, t.TempDir()
	inBubble(t, setup{
		origin: always(200, "hello", "Content-Type", "text/plain"),
		config: func(c *Config) { c.StandardLog = StandardLog{Delivery: b, Dir: dir} },
		dist:   logging(Logging{Bucket: "logs.s3.amazonaws.com", Prefix: "cdn/", IncludeCookies: true}),
	}, func(t *testing.T, rg *rig) {
		rg.get("/a%20b?x=[1]", "User-Agent", "Browser 1.0 (\"x\")", "Cookie", "a=1; b=2", "Referer", "https://r/\xff")
		rg.get("/a%20b", "Range", "bytes=1-2")
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		at(t, len(b.files), 1, "files after 6 minutes")
		at(t, strings.Join(b.allowed, " "), "logs/cdn/", "what was asked to be allowed")
		for key, text := range b.files {
			// synctest's time begins at 2000-01-01 00:00:00 UTC.
			if want := `^logs/cdn/` + rg.dist.ID + `\.2000-01-01-00\.[0-9a-f]{8}\.gz$`; !regexp.MustCompile(want).MatchString(key) {
				t.Errorf("delivered to %s, want %s", key, want)
			}
			want := "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) " +
				"cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol " +
				"ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte " +
				"x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n"
			if !strings.HasPrefix(text, want) {
				t.Errorf("the file begins with %.700q", text)
			}
			lines := logLines(text)
			if len(lines) != 2 || len(lines[0]) != 33 || len(lines[1]) != 33 {
				t.Fatalf("lines = %q, want two of 33 fields", lines)
			}
			for i, want := range map[int]string{
				0: "2000-01-01", 1: "00:00:00", 2: "LOC50-C1", 4: "203.0.113.178", 5: "GET", 6: rg.dist.DomainName, 7: "/a%2520b", 8: "200", 9: "https://r/%FF",
				10: "Browser%201.0%20(%22x%22)", 11: "x=%5B1%5D", 12: "a=1;%20b=2", 13: "Miss", 15: rg.dist.DomainName, 16: "https", 19: "-", 22: "Miss", 23: "HTTP/1.1",
				24: "-", 25: "-", 26: "4711", 28: "Miss", 29: "text/plain", 30: "5", 31: "-", 32: "-",
			} {
				at(t, lines[0][i], want, "field "+logNames[i])
			}
			for i, want := range map[int]string{8: "206", 13: "Hit", 30: "2", 31: "1", 32: "2"} {
				at(t, lines[1][i], want, "field "+logNames[i]+" of the second line")
			}
		}
		if line := strings.Split(rg.log.String(), "\n")[0]; !strings.Contains(line, `"cs(Cookie)":"-"`) || !strings.Contains(line, `"cs-uri-stem":"/a%20b"`) {
			t.Errorf("the JSON log has %s, want no cookie and the path as it came", line)
		}
		stats := rg.LogStats()
		at(t, stats, LogStats{Lines: 2, Files: 1}, "LogStats")
		left, _ := os.ReadDir(dir)
		at(t, len(left), 0, "files in the spool")
	})
}

func TestAStandardLogFileHasLinesOfOneHour(t *testing.T) {
	b, dir := &logBuckets{}, t.TempDir()
	inBubble(t, setup{
		origin: always(200, "ok"), config: func(c *Config) { c.StandardLog = StandardLog{Delivery: b, Dir: dir, Every: 24 * time.Hour} },
		dist: logging(Logging{Bucket: "logs.s3.us-west-2.amazonaws.com"}),
	}, func(t *testing.T, rg *rig) {
		time.Sleep(59*time.Minute + 59*time.Second)
		rg.get("/a")
		time.Sleep(2 * time.Second)
		rg.get("/b")
		rg.Close()
		var hours []string
		for key, text := range b.files {
			stem := logLines(text)[0][7]
			hours = append(hours, strings.Split(key, ".")[1]+stem)
		}
		all := strings.Join(hours, " ")
		if all != "2000-01-01-00/a 2000-01-01-01/b" && all != "2000-01-01-01/b 2000-01-01-00/a" {
			t.Errorf("files = %s, want one for each hour", all)
		}
	})
}

func TestStandardLogsThatCannotBeDeliveredWait(t *testing.T) {
	b, dir := &logBuckets{fail: errors.New("access denied")}, t.TempDir()
	inBubble(t, setup{
		origin: always(200, "ok"), config: func(c *Config) { c.StandardLog = StandardLog{Delivery: b, Dir: dir, Every: time.Minute} },
		dist: logging(Logging{Bucket: "logs.s3.amazonaws.com"}),
	}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		time.Sleep(90 * time.Second)
		synctest.Wait()
		stats := rg.LogStats()
		if stats.Failed == 0 || stats.Files != 0 || stats.Waiting == 0 || !strings.Contains(stats.LastError, "access denied") {
			t.Errorf("LogStats = %+v, want failures", stats)
		}
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		at(t, len(logLines(b.text())), 1, "lines after the bucket is there again")
		at(t, rg.LogStats().Waiting, int64(0), "bytes that wait")
		for _, key := range b.puts {
			at(t, key, b.puts[0], "the key of every try")
		}
	})
}

func TestStandardLogsAreBounded(t *testing.T) {
	b, dir := &logBuckets{fail: errors.New("no")}, t.TempDir()
	inBubble(t, setup{
		origin: always(200, "ok"), config: func(c *Config) { c.StandardLog = StandardLog{Delivery: b, Dir: dir, Every: time.Minute, Bytes: 3000} },
		dist: logging(Logging{Bucket: "logs.s3.amazonaws.com"}),
	}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		open, _ := filepath.Glob(filepath.Join(dir, "*.open"))
		if len(open) != 1 {
			t.Fatalf("files after 1.5 s = %v, want one", open)
		}
		if content, err := os.ReadFile(open[0]); err != nil || len(logLines(string(content))) != 2 {
			t.Errorf("after 1.5 s the disk has %q, %v; want the head and a line", content, err)
		}
		for range 19 {
			rg.get("/a")
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		stats := rg.LogStats()
		if stats.Waiting > 3000 || stats.Lost == 0 || stats.Lost >= 20 || stats.Lines != 20 {
			t.Errorf("LogStats = %+v, want at most 3000 bytes and the oldest of 20 lines lost", stats)
		}
	})
}

// What a killed process left is delivered by the next one, and a torn last line is not.
func TestStandardLogsOfAKilledProcessAreDelivered(t *testing.T) {
	b, dir := &logBuckets{}, t.TempDir()
	head := logHead{"arn", "logs", "p/"}.line()
	for name, content := range map[string]string{
		"E1.2000-01-01-00.00000001.open": head + "whole\ntorn",
		"E1.2000-01-01-00.00000002.log":  head + "waiting\n",
		"E1.2000-01-01-00.00000003.open": head + "torn",
		"E1.2000-01-01-00.00000004.open": head[:5],
		"E1.2000-01-01-00.00000005.log":  "damaged\nline\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inBubble(t, setup{
		origin: always(200, "ok"), config: func(c *Config) { c.StandardLog = StandardLog{Delivery: b, Dir: dir} },
	}, func(t *testing.T, rg *rig) {
		synctest.Wait()
		at(t, len(b.files), 2, "files")
		at(t, b.files["logs/p/E1.2000-01-01-00.00000001.gz"], w3cHead+"whole\n", "the file that was open")
		at(t, b.files["logs/p/E1.2000-01-01-00.00000002.gz"], w3cHead+"waiting\n", "the file that waited")
		at(t, rg.LogStats().Lost, int64(1), "lines of the damaged file")
		left, _ := os.ReadDir(dir)
		at(t, len(left), 0, "files left")
	})
}

func TestLoggingIsValidated(t *testing.T) {
	for _, c := range []struct {
		name    string
		logging Logging
		refuse  error
		code    string
	}{
		{"a bucket's domain name", Logging{Bucket: "b.s3.amazonaws.com"}, nil, ""},
		{"with dots and a region", Logging{Bucket: "a.s3.b.s3.eu-west-1.amazonaws.com", Prefix: "x"}, nil, ""},
		{"a bucket's name alone", Logging{Bucket: "b"}, nil, "InvalidArgument"},
		{"the service's name alone", Logging{Bucket: "s3.amazonaws.com"}, nil, "InvalidArgument"},
		{"another host", Logging{Bucket: "b.example.com"}, nil, "InvalidArgument"},
		{"a prefix that begins with a slash", Logging{Bucket: "b.s3.amazonaws.com", Prefix: "/x"}, nil, "InvalidArgument"},
		{"a long prefix", Logging{Bucket: "b.s3.amazonaws.com", Prefix: strings.Repeat("x", 257)}, nil, "InvalidArgument"},
		{"a caller who may not let logs in", Logging{Bucket: "b.s3.amazonaws.com"}, fault.New("AccessDenied", "no"), "AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &logBuckets{}
			rg := newRig(t, setup{origin: always(200, ""), config: func(cfg *Config) { cfg.StandardLog = StandardLog{Delivery: b, Dir: t.TempDir()} }})
			defer rg.Close()
			b.refuse = c.refuse
			cfg := rg.dist.Config
			cfg.Logging = c.logging
			d, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg)
			at(t, fault.Code(err), c.code, "error")
			if err == nil && d.Config.Logging != c.logging {
				t.Errorf("Logging = %+v, want %+v", d.Config.Logging, c.logging)
			}
		})
	}
	at(t, bucketOf("a.s3.b.s3.eu-west-1.amazonaws.com"), "a.s3.b", "bucket")
	at(t, bucketOf("b.s3-eu-west-1.amazonaws.com"), "b", "bucket")
}

func FuzzStandardLogLineHasItsFields(f *testing.F) {
	f.Add("/a b", "x\ty\n", "é")
	f.Fuzz(func(t *testing.T, stem, agent, cookie string) {
		all := logFields{7: stem, 10: agent, 12: cookie}
		line := string(appendW3C(nil, &all))
		if strings.Count(line, "\n") != 1 || strings.Count(line, "\t") != 32 || strings.ContainsAny(line, " \"#<>`'") {
			t.Errorf("line = %q", line)
		}
	})
}

func TestCiphersAreNamedAsCloudFrontNamesThem(t *testing.T) {
	for id, want := range map[uint16]string{
		0xc02f: "ECDHE-RSA-AES128-GCM-SHA256", 0xc030: "ECDHE-RSA-AES256-GCM-SHA384", 0xcca8: "ECDHE-RSA-CHACHA20-POLY1305", 0xc02b: "ECDHE-ECDSA-AES128-GCM-SHA256",
		0xc027: "ECDHE-RSA-AES128-SHA256", 0xc013: "ECDHE-RSA-AES128-SHA", 0x009c: "AES128-GCM-SHA256", 0x002f: "AES128-SHA",
	} {
		at(t, cipherName(&tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: id}), want, "cipher")
	}
	at(t, cipherName(&tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: 0x1301}), "TLS_AES_128_GCM_SHA256", "cipher of TLS 1.3")
}

// Whatever a crash leaves in the spool, whole lines are delivered and nothing stays that cannot be.
func FuzzStandardLogFile(f *testing.F) {
	f.Add(`{"ARN":"a","Bucket":"b","Prefix":"p/"}` + "\nline\ntorn")
	f.Add("\n\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		b := &logBuckets{}
		s := &logSpool{cfg: StandardLog{Delivery: b, Dir: dir, Bytes: 1 << 20}, log: slog.New(slog.DiscardHandler), ctx: t.Context()}
		path := filepath.Join(dir, "E1.2000-01-01-00.00000001.open")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := mendLog(path); err != nil {
			t.Fatal(err)
		}
		s.deliver(t.Context())
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%q leaves %v, %v", content, left, err)
		}
		for _, text := range b.files {
			if !strings.HasPrefix(text, w3cHead) || !strings.HasSuffix(text, "\n") {
				t.Errorf("%q is delivered as %q", content, text)
			}
		}
	})
}
