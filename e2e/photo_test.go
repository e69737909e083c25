package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glassine"
	"glassine/transform/sample"
)

// The main job, with the image function in this process and in another one that knows only the event and the endpoint.
func TestPrivatePhotoIsServedClean(t *testing.T) {
	eachFunction(t, func(t *testing.T, s *system) {
		first := s.view(t, http.MethodGet, "/sample.jpg")
		if first.StatusCode != http.StatusOK || first.Header.Get("X-Cache") != "Miss from cloudfront" {
			t.Fatalf("first view = %s, X-Cache %q: %.300s", first.Status, first.Header.Get("X-Cache"), first.body)
		}
		if first.ProtoMajor != 2 {
			t.Errorf("viewer spoke %s, want HTTP/2", first.Proto)
		}
		if age := first.Header.Get("Age"); age != "" {
			t.Errorf("Age of a miss = %q, want none", age)
		}
		second := s.view(t, http.MethodGet, "/sample.jpg")
		if second.Header.Get("X-Cache") != "Hit from cloudfront" || second.Header.Get("Age") == "" {
			t.Errorf("second view: X-Cache %q, Age %q, want a hit with its age", second.Header.Get("X-Cache"), second.Header.Get("Age"))
		}
		if !bytes.Equal(first.body, second.body) {
			t.Error("the hit is not the picture of the miss")
		}

		for name := range tags(t, writeTemp(t, "clean.jpg", first.body)) {
			if name != "IFD0:Orientation" && !strings.HasPrefix(name, "ICC") {
				t.Errorf("exiftool finds %s in the answer", name)
			}
		}
		if got := tags(t, writeTemp(t, "clean.jpg", first.body))["IFD0:Orientation"]; got != "Rotate 90 CW" {
			t.Errorf("Orientation of the answer = %v, want Rotate 90 CW (6)", got)
		}
		if len(tags(t, writeTemp(t, "original.jpg", sample.JPEG))) < 20 {
			t.Error("the sample has hardly any metadata: the test shows nothing")
		}
		if !bytes.Equal(pixels(t, first.body), pixels(t, sample.JPEG)) {
			t.Error("djpeg gives other pixels for the answer than for the original")
		}
	})
}

func pixels(t *testing.T, jpeg []byte) []byte {
	t.Helper()
	out, errOut, err := command(t, os.Environ(), "djpeg", writeTemp(t, "in.jpg", jpeg))
	if err != nil {
		t.Fatalf("djpeg: %v: %s", err, errOut)
	}
	return []byte(out)
}

func TestShowExifHasItsOwnCacheEntry(t *testing.T) {
	eachFunction(t, func(t *testing.T, s *system) {
		s.view(t, http.MethodGet, "/sample.jpg")
		exif := s.view(t, http.MethodGet, "/sample.jpg?showExif=true")
		if exif.StatusCode != http.StatusOK || exif.Header.Get("X-Cache") != "Miss from cloudfront" {
			t.Fatalf("showExif = %s, X-Cache %q, want a miss of its own: %.300s", exif.Status, exif.Header.Get("X-Cache"), exif.body)
		}
		var got struct {
			Image   struct{ Orientation int }
			GPSInfo map[string]any
		}
		if err := json.Unmarshal(exif.body, &got); err != nil || got.Image.Orientation != 6 || len(got.GPSInfo) == 0 {
			t.Errorf("showExif = %.300s (%v), want the EXIF with Orientation 6 and GPS", exif.body, err)
		}
		if again := s.view(t, http.MethodGet, "/sample.jpg?showExif=true"); again.Header.Get("X-Cache") != "Hit from cloudfront" || !bytes.Equal(again.body, exif.body) {
			t.Errorf("showExif again: X-Cache %q, want a hit with the same JSON", again.Header.Get("X-Cache"))
		}
		if unknown := s.view(t, http.MethodGet, "/sample.jpg?utm_source=mail"); unknown.Header.Get("X-Cache") != "Hit from cloudfront" {
			t.Errorf("an unknown parameter: X-Cache %q, want the picture's own hit", unknown.Header.Get("X-Cache"))
		}
	})
}

func TestNotAPictureIsTheFunctionsError(t *testing.T) {
	eachFunction(t, func(t *testing.T, s *system) {
		s.put(t, "notes.txt", []byte("not a picture\n"))
		root := s.root(t)
		direct := s.signed(t, root, "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/notes.txt", nil, nil)
		var e awsError
		if err := xml.Unmarshal(direct.body, &e); err != nil {
			t.Fatalf("%v: %s", err, direct.body)
		}
		if direct.StatusCode != 500 || e.Code != "InternalLambdaError" || !strings.Contains(e.Message, "jpeg") || !strings.Contains(e.Message, "png") {
			t.Errorf("at the access point: %s, %s %q, want 500 InternalLambdaError naming the types", direct.Status, e.Code, e.Message)
		}
		at := s.view(t, http.MethodGet, "/notes.txt")
		if at.StatusCode != 500 || at.Header.Get("X-Cache") != "Error from cloudfront" {
			t.Errorf("at the edge: %s, X-Cache %q, want 500 and Error", at.Status, at.Header.Get("X-Cache"))
		}
	})
}

// The edge keeps a function's error for the error caching time, 10 s, and not for the behavior's day.
func TestErrorsAreCachedForTheErrorTTLOnly(t *testing.T) {
	var ahead atomic.Int64 // nanoseconds
	s := start(t, func(c *glassine.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	var invocations atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { invocations.Add(1) })) // and no answer
	defer hook.Close()
	s.useFunction(t, hook.URL)
	asked := func(what string, want int64) {
		t.Helper()
		a := s.view(t, http.MethodGet, "/notes.txt")
		if a.StatusCode != http.StatusInternalServerError || a.Header.Get("X-Cache") != "Error from cloudfront" {
			t.Errorf("%s: %s, X-Cache %q, want 500 and Error", what, a.Status, a.Header.Get("X-Cache"))
		}
		if got := invocations.Load(); got != want {
			t.Errorf("%s: %d invocations, want %d (%s, %s)", what, got, want, a.Header, a.body)
		}
	}
	asked("the first view", 1)
	asked("a view within 10 s", 1)
	ahead.Store(int64(11 * time.Second))
	for range 100 { // the clock was put forward while the first answer was still being put away: who comes then shares it
		if s.view(t, http.MethodGet, "/notes.txt"); invocations.Load() == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	asked("a view after 11 s", 2)
}

type awsError struct {
	Code, Message, RequestId, HostId string
}

func TestPlaintextRedirectsToTheTLSListener(t *testing.T) {
	s := start(t)
	host, port, err := net.SplitHostPort(s.Addresses().HTTP)
	if err != nil {
		t.Fatal(err)
	}
	a := do(t, s.viewer, request(t, http.MethodGet, "http://localhost:"+port+"/sample.jpg?showExif=true", nil))
	if want := s.url("/sample.jpg?showExif=true"); a.StatusCode != http.StatusMovedPermanently || a.Header.Get("Location") != want {
		t.Errorf("plaintext on %s = %s to %q, want 301 to %q", host, a.Status, a.Header.Get("Location"), want)
	}
}

func TestHeadIsAnsweredFromTheCachedGet(t *testing.T) {
	s := start(t)
	get := s.view(t, http.MethodGet, "/sample.jpg")
	head := s.view(t, http.MethodHead, "/sample.jpg")
	if head.Header.Get("X-Cache") != "Hit from cloudfront" || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") || len(head.body) != 0 {
		t.Errorf("HEAD: X-Cache %q, Content-Length %q, %d bytes of body", head.Header.Get("X-Cache"), head.Header.Get("Content-Length"), len(head.body))
	}
}

func TestUnsignedRequestsAreRefused(t *testing.T) {
	s := start(t)
	for _, c := range []struct{ name, url, code string }{
		{"bucket", "https://" + bucketHost + "/sample.jpg", "AccessDenied"},
		{"bucket, path style", "http://" + s.Addresses().AWS + "/" + bucket + "/sample.jpg", "AccessDenied"},
		{"bucket listing", "https://" + bucketHost + "/?list-type=2", "AccessDenied"},
		{"a bucket that is not there", "https://no-such-bucket-here.s3.us-east-1.amazonaws.com/x", "AccessDenied"},
		{"access point", "https://" + pointHost + "/sample.jpg", "AccessDenied"},
		{"Object Lambda access point", "https://" + lambdaHost + "/sample.jpg", "MissingAuthenticationToken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := do(t, s.aws, request(t, http.MethodGet, c.url, nil))
			var e awsError
			if err := xml.Unmarshal(a.body, &e); err != nil {
				t.Fatalf("%v: %s", err, a.body)
			}
			if a.StatusCode != http.StatusForbidden || e.Code != c.code || e.RequestId == "" || e.RequestId != a.Header.Get("X-Amz-Request-Id") {
				t.Errorf("%s: %s %+v, want 403 %s", c.url, a.Status, e, c.code)
			}
		})
	}
}

// The function answers only after all thousand requests were sent, so that they really wait for one fill.
func TestThousandViewersOfAColdKeyCostOneInvocation(t *testing.T) {
	const viewers = 1000
	s := start(t)
	var sent, invocations atomic.Int64
	allSent := make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		invocations.Add(1)
		var call functionCall
		if err := json.NewDecoder(r.Body).Decode(&call.event); err != nil {
			t.Error(err)
		}
		call.creds = webhookCredentials(t, r)
		<-allSent
		if a := s.writeResponse(t, call, call.event.GetObjectContext.OutputToken, sample.JPEG, nil); a.StatusCode != http.StatusOK {
			t.Errorf("WriteGetObjectResponse = %s: %s", a.Status, a.body)
		}
	}))
	defer hook.Close()
	s.useFunction(t, hook.URL)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		if sent.Add(1) == viewers {
			close(allSent)
		}
	}})
	var wait sync.WaitGroup
	for range viewers {
		wait.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("/cold.jpg"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := s.viewer.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(body, sample.JPEG) {
				t.Errorf("a viewer got %s, %d bytes, %v; want the %d bytes of the picture", resp.Status, len(body), err, len(sample.JPEG))
			}
		})
	}
	wait.Wait()
	if got := invocations.Load(); got != 1 {
		t.Errorf("%d invocations, want 1", got)
	}
}
