package glassine

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/s3"
	"glassine/state"
	"glassine/transform/sample"
)

// handedOver notes for each answer inside the process whether its body was handed over or written through the pipe.
type handedOver struct {
	http.Handler
	mu     sync.Mutex      // guards bodies
	bodies map[string]bool // of 200 answers to GET, by host and path: the body was handed over
}

func (h *handedOver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Handler.ServeHTTP(w, r)
	if hw, ok := w.(*handedWriter); ok && r.Method == http.MethodGet && hw.status == http.StatusOK {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies[r.Host+r.URL.Path] = hw.source != nil
	}
}

// demoSystem is a system with the demo, its listeners not served. With plain its bucket is one that was made before there was a
// master key, so that what comes into it is kept as it comes.
func demoSystem(t *testing.T, plain bool) *System {
	t.Helper()
	cfg := Config{
		Data: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Demo: true,
		Log: slog.New(slog.DiscardHandler),
	}
	open := func() *System {
		s, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	if plain {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		records, err := state.Open(filepath.Join(cfg.Data, "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		buckets, err := state.OpenTable[s3.Bucket](t.Context(), records, "s3/buckets")
		if err == nil {
			_, err = buckets.Update(t.Context(), DemoBucket("123456789012"), func(b s3.Bucket, _ bool) (s3.Bucket, error) {
				b.Encryption = ""
				return b, nil
			})
		}
		if err != nil || records.Close() != nil {
			t.Fatal(err)
		}
		s = open()
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send sends a request to one of AWS's host names inside the process, signed unless credentials are nil.
func (s *System) send(t *testing.T, credentials *sigv4.Credentials, method, host, path, query, service string, body []byte) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	u := &url.URL{Scheme: "https", Host: host, Path: path, RawQuery: query}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if credentials != nil {
		sigv4.Sign(req, *credentials, "us-east-1", service, sigv4.PayloadSHA256(body), time.Now())
	}
	resp, err := s.local.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// ask sends a request as root that must succeed.
func (s *System) ask(t *testing.T, method, host, path, service string, body []byte) *http.Response {
	t.Helper()
	root, err := RootCredentials(s.cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	resp := s.send(t, &sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, method, host, path, "", service, body)
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s%s: %d %s", method, host, path, resp.StatusCode, said)
	}
	return resp
}

// The image function gets the object itself, open, and reads it in place: what would be spooled, a body that comes through
// the pipe, does not come. (transform.Function spools what is no io.ReaderAt.)
func TestImageFunctionReadsTheObjectInPlace(t *testing.T) {
	for name, plain := range map[string]bool{"encrypted": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			s := demoSystem(t, plain)
			bucketHost := DemoBucket("123456789012") + ".s3.us-east-1.amazonaws.com"
			large := append(bytes.Clone(sample.JPEG), make([]byte, 200_000)...) // what follows the picture's end is dropped
			for key, content := range map[string][]byte{"small.jpg": sample.JPEG, "large.jpg": large} {
				put := s.ask(t, http.MethodPut, bucketHost, "/"+key, "s3", content)
				put.Body.Close()
				if encrypted := put.Header.Get("X-Amz-Server-Side-Encryption") != ""; encrypted == plain {
					t.Fatalf("the object is encrypted: %t", encrypted)
				}
			}
			watch := &handedOver{Handler: s.local.handler, bodies: map[string]bool{}}
			s.local.handler = watch
			for _, key := range []string{"small.jpg", "large.jpg"} {
				resp := s.ask(t, http.MethodGet, "glassine-demo-123456789012.s3-object-lambda.us-east-1.amazonaws.com", "/"+key, "s3-object-lambda", nil)
				picture, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.HasPrefix(picture, []byte{0xff, 0xd8}) || len(picture) >= len(sample.JPEG) {
					t.Fatalf("%s: %d bytes (%v), want a picture without its metadata", key, len(picture), err)
				}
			}
			if err := s.local.wait(); err != nil { // a handler notes its answer when that was read
				t.Fatal(err)
			}
			watch.mu.Lock()
			defer watch.mu.Unlock()
			originals := 0
			for where, handed := range watch.bodies {
				if strings.Contains(where, ".s3-accesspoint.") {
					originals++
					if !handed {
						t.Errorf("the original of %s went through the pipe", where)
					}
				}
			}
			if originals != 2 {
				t.Errorf("the function read %d originals of %v, want 2", originals, watch.bodies)
			}
		})
	}
}

// A handed body reads as the object does, whatever it is made of.
func TestHandedBodyIsTheObject(t *testing.T) {
	for name, plain := range map[string]bool{"encrypted": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			s := demoSystem(t, plain)
			host := DemoBucket("123456789012") + ".s3.us-east-1.amazonaws.com"
			content := make([]byte, 300_001)
			for i := range content {
				content[i] = byte(i * i >> 5)
			}
			s.ask(t, http.MethodPut, host, "/k", "s3", content).Body.Close()
			resp := s.ask(t, http.MethodGet, host, "/k", "s3", nil)
			defer resp.Body.Close()
			at, ok := resp.Body.(io.ReaderAt)
			if !ok {
				t.Fatalf("the body is a %T, no io.ReaderAt", resp.Body)
			}
			var readers sync.WaitGroup
			for start := int64(0); start < 300_000; start += 50_000 {
				readers.Go(func() {
					p := make([]byte, 70_000)
					n, err := at.ReadAt(p, start)
					want := content[start:min(start+70_000, int64(len(content)))]
					if !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF {
						t.Errorf("ReadAt %d = %d other bytes, %v; want %d", start, n, err, len(want))
					}
				})
			}
			readers.Wait()
			if all, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(all, content) {
				t.Errorf("read %d other bytes, %v", len(all), err)
			}
		})
	}
}
