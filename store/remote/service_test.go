package remote

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"glassine/store"
)

// The store over services that misbehave. How it gets on with real ones is e2e's matter.

const secret = "a-secret-that-nobody-may-see"

// at opens a store at a server that answers as handler does; each test says what. Versioning is answered for it: none.
func at(t *testing.T, handler http.HandlerFunc, change ...func(*Config)) *Store {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("versioning") {
			fmt.Fprint(w, `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	cfg := Config{Endpoint: srv.URL, Credentials: Static{ID: "KEYID", Secret: secret}}
	for _, f := range change {
		f(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

// breakOff breaks the connection off before an answer.
func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hangUp breaks the connection off after what was written.
func hangUp(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush() // what was written goes out first
	panic(http.ErrAbortHandler)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func TestWhatIsSentAgain(t *testing.T) {
	put := func(opt store.PutOptions) func(*testing.T, *Store) error {
		return func(t *testing.T, s *Store) error {
			_, err := s.Put(t.Context(), "b", "k", strings.NewReader("body"), opt)
			return err
		}
	}
	head := func(t *testing.T, s *Store) error { _, err := s.Head(t.Context(), "b", "k"); return err }
	large := func(t *testing.T, s *Store) error {
		_, err := s.Put(t.Context(), "b", "k", strings.NewReader(strings.Repeat("x", maxBuffered+1)), store.PutOptions{Size: maxBuffered + 1})
		return err
	}
	status := func(n int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { refuse(w, n, code) }
	}
	for _, tt := range []struct {
		name  string
		call  func(*testing.T, *Store) error
		fails http.HandlerFunc // what the first two requests meet
		sent  int64
		want  error
	}{
		{"a request that is told to slow down", head, status(503, "SlowDown"), 3, nil},
		{"a request that meets an internal error", head, status(500, "InternalError"), 3, nil},
		{"a request whose connection breaks", head, breakOff, 3, nil},
		{"a put", put(store.PutOptions{}), status(500, "InternalError"), 3, nil},
		{"a conditional put that is told to slow down", put(store.PutOptions{IfNoneMatch: "*"}), status(503, "SlowDown"), 3, nil},
		{"a conditional put that another one came in the way of", put(store.PutOptions{IfNoneMatch: "*"}), status(409, "ConditionalRequestConflict"), 3, nil},
		{"a conditional put of which nobody knows what it did", put(store.PutOptions{IfNoneMatch: "*"}), status(500, "InternalError"), 1, store.ErrUnavailable},
		{"a conditional put whose connection breaks", put(store.PutOptions{IfMatch: "x"}), breakOff, 1, store.ErrUnavailable},
		{"a refusal", head, status(403, "AccessDenied"), 1, errAny},
		{"an absent object", head, status(404, "NoSuchKey"), 1, store.ErrNotFound},
		{"a body that streams, whose connection breaks before it was touched", large, breakOff, 3, nil},
		{"a body that streams, which the service does not want to see", large, status(503, "SlowDown"), 3, nil},
		{"a body that streams, after it was touched", large, func(w http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1)) // net/http says 100 Continue
			refuse(w, 503, "SlowDown")
		}, 1, store.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent atomic.Int64
			s := at(t, func(w http.ResponseWriter, r *http.Request) {
				if sent.Add(1) <= 2 {
					tt.fails(w, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body) // a broken one shows in the count
				w.Header().Set("ETag", `"x"`)
				w.Header().Set("Content-Length", "0")
			})
			err := tt.call(t, s)
			if errors.Is(tt.want, errAny) && err != nil {
				err = errAny
			}
			if !errors.Is(err, tt.want) || sent.Load() != tt.sent {
				t.Errorf("%v after %d requests; want %v after %d", err, sent.Load(), tt.want, tt.sent)
			}
		})
	}
}

var errAny = errors.New("some error")

func TestAttemptsAreBounded(t *testing.T) {
	var sent atomic.Int64
	s := at(t, func(w http.ResponseWriter, _ *http.Request) { sent.Add(1); refuse(w, 503, "SlowDown") }, func(cfg *Config) { cfg.Attempts = 3 })
	if _, err := s.Head(t.Context(), "b", "k"); !errors.Is(err, store.ErrUnavailable) || sent.Load() != 3 {
		t.Errorf("Head: %v after %d requests; want ErrUnavailable after 3", err, sent.Load())
	}
}

// piecewise serves an object whose connection breaks after each piece of so many bytes.
func piecewise(object string, piece int, requests *atomic.Int64, second func(http.ResponseWriter, *http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		if n > 1 && second != nil && second(w, r) {
			return
		}
		rest := object
		w.Header().Set("ETag", `"x"`)
		if rng, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			first, _, _ := strings.Cut(rng, "-")
			from, _ := strconv.Atoi(first)
			rest = object[from:]
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(object)-1, len(object)))
		} else if n > 1 {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if n > 1 && r.Header.Get("If-Match") != `"x"` {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = io.WriteString(w, rest[:min(piece, len(rest))])
		if piece < len(rest) {
			hangUp(w)
		}
	}
}

func TestABodyWhoseConnectionBreaksGoesOn(t *testing.T) {
	object := strings.Repeat("0123456789", 100_000)
	gone := func(w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return true
	}
	for _, tt := range []struct {
		name     string
		piece    int
		second   func(http.ResponseWriter, *http.Request) bool
		want     error
		requests int64
	}{
		{"never", len(object), nil, nil, 1},
		{"once", 600_000, nil, nil, 2},
		{"again and again", 99_000, nil, nil, 11},
		{"too often", 10_000, nil, io.ErrUnexpectedEOF, 1 + resumes},
		{"without a byte", 0, nil, io.ErrUnexpectedEOF, 1 + resumesDry},
		{"the object is another by then", 600_000, gone, io.ErrUnexpectedEOF, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int64
			s := at(t, piecewise(object, tt.piece, &requests, tt.second))
			o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Body.Close()
			got, err := io.ReadAll(o.Body)
			if !errors.Is(err, tt.want) || tt.want == nil && string(got) != object || !strings.HasPrefix(object, string(got)) || requests.Load() != tt.requests {
				t.Errorf("read %d bytes, %v, with %d requests; want %v, %d", len(got), err, requests.Load(), tt.want, tt.requests)
			}
		})
	}
}

func TestAServiceThatFallsSilentIsLeft(t *testing.T) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) }) // before the server is closed: handlers wait for it
	silent := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("ETag", `"x"`)
			_, _ = io.WriteString(w, "ten bytes.")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	}
	s := at(t, silent, func(cfg *Config) { cfg.Stall, cfg.Attempts = 100*time.Millisecond, 1 })
	if _, err := s.Head(t.Context(), "b", "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Head: %v, want ErrUnavailable", err)
	}
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if got, err := io.ReadAll(o.Body); string(got) != "ten bytes." || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the body reads %q, %v; want ten bytes and ErrUnexpectedEOF", got, err)
	}
}

// zeros is a body of n bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Half a gigabyte goes through in each direction.
func TestBodiesAreNotHeldInMemory(t *testing.T) {
	const size, limit = 512 << 20, 16 << 20
	var got atomic.Int64
	s := at(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		if r.Method == http.MethodPut {
			n, _ := io.Copy(io.Discard, r.Body)
			got.Store(n)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.Copy(w, zeros(size))
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.Put(t.Context(), "b", "k", zeros(size), store.PutOptions{Size: size}); err != nil || got.Load() < size {
		t.Errorf("Put: %v; the service got %d bytes", err, got.Load())
	}
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if n, err := io.Copy(io.Discard, o.Body); err != nil || n != size {
		t.Errorf("Get: %d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("%d bytes were allocated, want at most %d", n, limit)
	}
}

// A body that fails, or is refused, is never whole at the service.
func TestABodyThatFailsIsNotWholeAtTheService(t *testing.T) {
	broken := errors.New("not what was signed")
	const size = maxBuffered + 1<<20
	for _, tt := range []struct {
		name   string
		body   io.Reader
		size   int64
		accept error
		want   error
	}{
		{"well", zeros(size), size, nil, nil},
		{"of unknown length", zeros(size), 0, nil, nil},
		{"fails in its middle", io.MultiReader(zeros(size/2), iotest.ErrReader(broken)), size, nil, broken},
		{"fails at its end", io.MultiReader(zeros(size), iotest.ErrReader(broken)), size, nil, broken},
		{"fails at its end, of unknown length", io.MultiReader(zeros(size), iotest.ErrReader(broken)), 0, nil, broken},
		{"is refused", zeros(size), size, broken, broken},
		{"is refused, of unknown length", zeros(size), 0, broken, broken},
		{"is shorter than was said", zeros(size - 1), size, nil, errAny},
		{"is longer than was said", zeros(size + 1), size, nil, errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var whole, announced atomic.Int64
			s := at(t, func(w http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				if err == nil && n == r.ContentLength {
					whole.Add(1)
				}
				announced.Store(r.ContentLength)
				w.Header().Set("ETag", `"x"`)
			})
			_, err := s.Put(t.Context(), "b", "k", tt.body, store.PutOptions{Size: tt.size, Accept: func(store.Info) error { return tt.accept }})
			if errors.Is(tt.want, errAny) && err != nil {
				err = errAny
			}
			want := int64(0)
			if tt.want == nil {
				want = 1
			}
			if !errors.Is(err, tt.want) || whole.Load() != want {
				t.Errorf("Put: %v, %d bodies were whole; want %v, %d", err, whole.Load(), tt.want, want)
			}
			if tt.want == nil && announced.Load() < size {
				t.Errorf("%d bytes were announced", announced.Load())
			}
		})
	}
}

func TestAVersioningThatDiffersIsRefused(t *testing.T) {
	s := at(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{Version: store.Versioned}); !errors.Is(err, store.ErrVersioning) {
		t.Errorf("Put: %v, want ErrVersioning", err)
	}
	if _, err := s.DeleteVersion(t.Context(), "b", "k", store.DeleteOptions{Version: store.Suspended}); !errors.Is(err, store.ErrVersioning) {
		t.Errorf("DeleteVersion: %v, want ErrVersioning", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the request went on to %s", r.Host) }))
	defer other.Close()
	s := at(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}, func(cfg *Config) { cfg.Attempts = 1 })
	if _, err := s.Head(t.Context(), "b", "k"); err == nil {
		t.Error("Head: no error")
	}
}

func TestNoErrorShowsTheSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = KEYID\naws_secret_access_key = "+secret+"\naws_session_token = "+secret+"\nnonsense "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, credentials := range []Credentials{Static{ID: "KEYID", Secret: secret, SessionToken: secret}, &File{Name: file}, &File{Name: file, Profile: "other"}} {
		for _, answer := range []func(http.ResponseWriter, *http.Request){
			func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "SignatureDoesNotMatch") },
			func(w http.ResponseWriter, _ *http.Request) { hangUp(w) },
			func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "nonsense") },
		} {
			s := at(t, answer, func(cfg *Config) { cfg.Credentials, cfg.Attempts = credentials, 1 })
			_, err := s.List(t.Context(), "b", store.ListOptions{})
			_, err2 := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{})
			texts = append(texts, fmt.Sprint(err, err2), fmt.Sprintf("%v %+v %#v %v", credentials, s.cfg, s.cfg, Key{ID: "KEYID", Secret: secret}))
		}
	}
	for _, endpoint := range []string{"https://KEYID:" + secret + "@host", "https://host/?key=" + secret, "s3://" + secret, ":" + secret} {
		_, err := Open(Config{Endpoint: endpoint, Credentials: Static{}})
		if err == nil {
			t.Errorf("Open(%q): no error", endpoint)
		}
		texts = append(texts, fmt.Sprint(err))
	}
	for _, text := range texts {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is in %q", text)
		}
	}
}

func TestBuffersAreBounded(t *testing.T) {
	waiting := make(chan struct{})
	s := at(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", `"x"`) })
	for range buffersAtOnce {
		s.buffers <- struct{}{}
	}
	ended := make(chan error)
	go func() {
		close(waiting)
		_, err := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{})
		ended <- err
	}()
	<-waiting
	select {
	case err := <-ended:
		t.Fatalf("Put beside %d bodies in memory: %v, want it to wait", buffersAtOnce, err)
	case <-time.After(50 * time.Millisecond):
	}
	<-s.buffers
	if err := <-ended; err != nil {
		t.Errorf("Put after one has gone: %v", err)
	}
}
