package edge

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/edge/rfc9111"
)

// ranged is an origin that serves ranges of one object.
type ranged struct {
	mu   sync.Mutex
	body string
	tag  string
	asks []string // Range of each request, "whole" for none
	// plain: it does not know ranges.
	plain bool
}

func (o *ranged) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := r.Header.Get("Range")
	o.asks = append(o.asks, strings.TrimPrefix(or(line, "whole"), "bytes="))
	fields := []string{"Content-Type", "video/mp4", "Accept-Ranges", "bytes", "Cache-Control", "max-age=3600"}
	if o.tag != "" {
		fields = append(fields, "Etag", o.tag)
	}
	if o.tag != "" && r.Header.Get("If-None-Match") == o.tag {
		return response(304, "", fields...), nil
	}
	if line == "" || o.plain {
		return response(200, o.body, fields...), nil
	}
	ranges, ok := rfc9111.ParseRange(line, 1)
	if !ok {
		return response(200, o.body, fields...), nil
	}
	p, ok := ranges[0].Resolve(int64(len(o.body)))
	if !ok {
		return response(416, "", "Content-Range", fmt.Sprintf("bytes */%d", len(o.body))), nil
	}
	return response(206, o.body[p.First:p.Last+1], append(fields, "Content-Range", p.String())...), nil
}

// asked returns what was asked since the last time.
func (o *ranged) asked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := strings.Join(o.asks, " ")
	o.asks = nil
	return s
}

const mib = 1 << 20

// media makes a rig's origin one that is no Object Lambda access point.
func media(c *DistributionConfig) { c.Origins[0].DomainName = "media.example.com" }

func TestRangeOfWhatIsNotStoredFetchesItsSlices(t *testing.T) {
	body := bigBody(3*mib + 100)
	type step struct {
		fields []string
		status int
		want   string
		result string
		asked  string // of the origin
	}
	rng := func(s string) []string { return []string{"Range", "bytes=" + s} }
	zero, one, two, last := "0-1048575", "1048576-2097151", "2097152-3145727", "3145728-4194303"
	for _, c := range []struct {
		name  string
		tag   string
		plain bool
		steps []step
	}{
		{"a range in the middle", `"v1"`, false, []step{
			{rng("1500000-1500009"), 206, body[1500000:1500010], "Miss", one},
			{rng("1048576-1048577"), 206, body[1048576:1048578], "Hit", ""},
			{rng("1500000-2200000"), 206, body[1500000:2200001], "Hit", two},
			{rng("0-0"), 206, body[:1], "Miss", zero},
			{nil, 200, body, "Miss", last}, // the whole is put together
			{nil, 200, body, "Hit", ""},
			{rng("-5"), 206, body[len(body)-5:], "Hit", ""},
		}},
		{"a range counted from the end", `"v1"`, false, []step{
			{rng("-5"), 206, body[len(body)-5:], "Miss", zero + " " + last},
			{rng("-200"), 206, body[len(body)-200:], "Hit", two},
		}},
		{"all of it as a range", `"v1"`, false, []step{
			{rng("0-"), 206, body, "Miss", strings.Join([]string{zero, one, two, last}, " ")},
			{nil, 200, body, "Miss", ""},
		}},
		{"behind the end", `"v1"`, false, []step{
			{rng("9000000-"), 416, "", "Error", "8388608-9437183"},
			{rng("5-9"), 206, body[5:10], "Miss", zero},
			{rng("4000000-"), 416, "", "Error", last},
		}},
		{"If-Range", `"v1"`, false, []step{
			{append(rng("5-9"), "If-Range", `"v1"`), 206, body[5:10], "Miss", zero},
			{append(rng("5-9"), "If-None-Match", `"v1"`), 304, "", "Hit", ""},
			{append(rng("5-9"), "If-Range", `"v0"`), 200, body, "Miss", one + " " + two + " " + last},
		}},
		{"several ranges fetch the whole", `"v1"`, false, []step{
			{rng("3-4,1-2"), 200, body, "Miss", "whole"},
		}},
		{"no strong validator", ``, false, []step{
			{rng("5-9"), 206, body[5:10], "Miss", zero + " whole"},
			{rng("3000000-3000001"), 206, body[3000000:3000002], "Hit", ""},
		}},
		{"a weak validator", `W/"v1"`, false, []step{
			{rng("5-9"), 206, body[5:10], "Miss", zero + " whole"},
		}},
		{"an origin that knows no ranges", `"v1"`, true, []step{
			{rng("5-9"), 206, body[5:10], "Miss", zero},
			{rng("3000000-3000001"), 206, body[3000000:3000002], "Hit", ""},
			{nil, 200, body, "Hit", ""},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &ranged{body: body, tag: c.tag, plain: c.plain}
			inBubble(t, setup{origin: o.RoundTrip, dist: media}, func(t *testing.T, rg *rig) {
				for _, s := range c.steps {
					a := rg.get("/v", s.fields...)
					synctest.Wait()
					if a.status != s.status || a.body != s.want || a.broken || a.xCache() != s.result {
						t.Errorf("%q: %d %s, %d bytes, broken %v; want %d %s, %d bytes", s.fields, a.status, a.xCache(), len(a.body), a.broken, s.status, s.result, len(s.want))
					}
					if got := o.asked(); got != s.asked {
						t.Errorf("%q: the origin was asked for %q, want %q", s.fields, got, s.asked)
					}
					if s.status != 304 {
						at(t, a.header.Get("Content-Length"), fmt.Sprint(len(s.want)), "Content-Length")
					}
					if s.status == 206 && !strings.HasSuffix(a.header.Get("Content-Range"), fmt.Sprintf("/%d", len(body))) {
						t.Errorf("%q: Content-Range %q", s.fields, a.header.Get("Content-Range"))
					}
				}
			})
		})
	}
}

func TestObjectTooLargeToBeStoredInOnePieceIsStoredInSlices(t *testing.T) {
	o := &ranged{body: bigBody(3*mib + 100), tag: `"v1"`}
	inBubble(t, setup{origin: o.RoundTrip, dist: media, config: func(c *Config) { c.CacheBytes = 16 * mib }}, func(t *testing.T, rg *rig) {
		for i, want := range []string{"whole 0-1048575 1048576-2097151 2097152-3145727 3145728-4194303", ""} {
			a := rg.get("/v")
			synctest.Wait()
			if a.status != 200 || a.body != o.body || a.broken {
				t.Errorf("request %d: %d, %d bytes, broken %v", i, a.status, len(a.body), a.broken)
			}
			at(t, o.asked(), want, "what the origin was asked")
		}
	})
}

func TestSlicesOfAnObjectThatChangedAreNotMixed(t *testing.T) {
	o := &ranged{body: bigBody(3 * mib), tag: `"v1"`}
	inBubble(t, setup{origin: o.RoundTrip, dist: media}, func(t *testing.T, rg *rig) {
		rg.get("/v", "Range", "bytes=0-9")
		synctest.Wait()
		o.mu.Lock()
		o.body, o.tag = strings.Repeat("x", 3*mib), `"v2"`
		o.mu.Unlock()
		if a := rg.get("/v", "Range", "bytes=1048570-1048579"); !a.broken || strings.Contains(a.body, "x") {
			t.Errorf("%d %q, broken %v; want a connection that breaks off", a.status, a.body, a.broken)
		}
		synctest.Wait()
		a := rg.get("/v", "Range", "bytes=1048570-1048579")
		if a.status != 206 || a.body != "xxxxxxxxxx" || a.broken {
			t.Errorf("then %d %q, broken %v; want what the object is now", a.status, a.body, a.broken)
		}
	})
}

func TestExpiredSliceIsRevalidated(t *testing.T) {
	o := &ranged{body: bigBody(2 * mib), tag: `"v1"`}
	inBubble(t, setup{origin: o.RoundTrip, dist: media}, func(t *testing.T, rg *rig) {
		rg.get("/v", "Range", "bytes=0-9")
		synctest.Wait()
		o.asked()
		time.Sleep(2 * time.Hour)
		for _, want := range []string{"RefreshHit", "Hit"} {
			a := rg.get("/v", "Range", "bytes=2-4")
			synctest.Wait()
			if a.status != 206 || a.body != o.body[2:5] || a.xCache() != want {
				t.Errorf("%d %q %s, want %s", a.status, a.body, a.xCache(), want)
			}
		}
		at(t, o.asked(), "0-1048575", "what the origin was asked")
	})
}

func TestInvalidationReachesSlices(t *testing.T) {
	o := &ranged{body: bigBody(2 * mib), tag: `"v1"`}
	inBubble(t, setup{origin: o.RoundTrip, dist: media}, func(t *testing.T, rg *rig) {
		rg.get("/v", "Range", "bytes=0-9")
		synctest.Wait()
		if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "1", []string{"/v"}); err != nil {
			t.Fatal(err)
		}
		a := rg.get("/v", "Range", "bytes=0-9")
		at(t, a.xCache(), "Miss", "X-Cache after an invalidation")
	})
}

func TestManyViewersOfOneRangeCostOneRequest(t *testing.T) {
	o := &ranged{body: bigBody(2 * mib), tag: `"v1"`}
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		return o.RoundTrip(r)
	}, dist: media}, func(t *testing.T, rg *rig) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if a := rg.get("/v", "Range", "bytes=10-19"); a.status != 206 || a.body != o.body[10:20] {
					t.Errorf("%d %q", a.status, a.body)
				}
			})
		}
		wg.Wait()
		at(t, o.asked(), "0-1048575", "what the origin was asked")
	})
}

func TestObjectLambdaOriginsAreAskedForTheWhole(t *testing.T) {
	o := &ranged{body: bigBody(2 * mib), tag: `"v1"`}
	inBubble(t, setup{origin: o.RoundTrip}, func(t *testing.T, rg *rig) {
		a := rg.get("/v", "Range", "bytes=10-19")
		at(t, a.body, o.body[10:20], "body")
		at(t, o.asked(), "whole", "what the origin was asked")
	})
}

// Several ranges are one multipart answer, whose parts an independent reader finds.
func TestSeveralRangesAreOneMultipartAnswer(t *testing.T) {
	body := bigBody(3 * mib)
	for _, stored := range []bool{true, false} {
		inBubble(t, setup{origin: always(200, body, "Content-Type", "text/plain", "Etag", `"v1"`)}, func(t *testing.T, rg *rig) {
			if stored {
				rg.get("/v")
				synctest.Wait()
			}
			a := rg.get("/v", "Range", "bytes=0-9, 20-20,2000000-2999999,-7")
			at(t, a.status, 206, "status")
			at(t, a.header.Get("Content-Length"), fmt.Sprint(len(a.body)), "Content-Length")
			kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
			if err != nil || kind != "multipart/byteranges" {
				t.Fatalf("Content-Type %q: %v", a.header.Get("Content-Type"), err)
			}
			r := multipart.NewReader(strings.NewReader(a.body), params["boundary"])
			for _, p := range []rfc9111.Part{{First: 0, Last: 9}, {First: 20, Last: 20}, {First: 2000000, Last: 2999999}, {First: 3*mib - 7, Last: 3*mib - 1}} {
				p.Total = int64(len(body))
				part, err := r.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(part)
				if err != nil || string(got) != body[p.First:p.Last+1] {
					t.Errorf("part %v has %d bytes, %v", p, len(got), err)
				}
				at(t, part.Header.Get("Content-Range"), p.String(), "Content-Range of a part")
				at(t, part.Header.Get("Content-Type"), "text/plain", "Content-Type of a part")
			}
			if _, err := r.NextPart(); err != io.EOF {
				t.Errorf("behind the last part: %v", err)
			}
		})
	}
}
