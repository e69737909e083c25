package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/telemetry"
)

// facts are a trace's facts, by name; of a name with several the last one counts.
func facts(t telemetry.Trace) map[string]telemetry.Fact {
	out := map[string]telemetry.Fact{}
	for _, f := range t.Facts {
		out[f.Name] = f
	}
	return out
}

// steps are the names of a trace's spans, each within its parent's.
func steps(t telemetry.Trace) string {
	path := map[string]string{}
	var out []string
	for _, s := range t.Spans {
		path[s.SpanID] = strings.TrimPrefix(path[s.ParentID]+"/"+s.Name, "/")
		out = append(out, path[s.SpanID])
	}
	return strings.Join(out, "\n")
}

func traced(t *testing.T, rg *rig, url string, fields ...string) (Traced, map[string]telemetry.Fact) {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	got, err := rg.Trace(t.Context(), rg.root, TraceRequest{URL: strings.ReplaceAll(url, "HOST", rg.dist.DomainName), Header: h})
	if err != nil {
		t.Fatalf("trace %s: %v", url, err)
	}
	return got, facts(got.Trace)
}

func TestTraceTellsWhyAnAnswerWasNoHit(t *testing.T) {
	for _, test := range []struct {
		name   string
		header []string
		before func(*rig)
		want   telemetry.Fact // glassine.cache.lookup, or glassine.cache.ttl
	}{
		{"it was never there", nil, func(*rig) {}, telemetry.Fact{Name: "glassine.cache.lookup", Value: "miss", Why: "never fetched"}},
		{"it is fresh", nil, func(rg *rig) { rg.get("/a") }, telemetry.Fact{Name: "glassine.cache.lookup", Value: "hit", Why: "fresh for 24h0m0s more"}},
		{"its TTL ended", []string{"Cache-Control", "max-age=10"}, func(rg *rig) {
			rg.get("/a")
			time.Sleep(15 * time.Second)
		}, telemetry.Fact{Name: "glassine.cache.lookup", Value: "stale", Why: "ended 5s ago"}},
		{"it was purged", nil, func(rg *rig) {
			rg.get("/a")
			if _, err := rg.Invalidate(rg.t.Context(), rg.root, rg.dist.ID, "1", []string{"/a"}); err != nil {
				rg.t.Error(err)
			}
		}, telemetry.Fact{Name: "glassine.cache.lookup", Value: "miss", Why: "purged"}},
		{"it is for nobody else", []string{"Cache-Control", "private"}, func(rg *rig) { rg.get("/a") }, telemetry.Fact{Name: "glassine.cache.lookup", Value: "miss", Why: "nobody else's"}},
		{"its default TTL", nil, func(*rig) {}, telemetry.Fact{Name: "glassine.cache.ttl", Value: "24h0m0s", Why: "it says nothing, so DefaultTTL counts (MinTTL 0, DefaultTTL 86400, MaxTTL 31536000)"}},
		{"s-maxage", []string{"Cache-Control", "max-age=1, s-maxage=60"}, func(*rig) {}, telemetry.Fact{Name: "glassine.cache.ttl", Value: "1m0s", Why: "s-maxage of Cache-Control"}},
		{"CDN-Cache-Control", []string{"CDN-Cache-Control", "max-age=7"}, func(*rig) {}, telemetry.Fact{Name: "glassine.cache.ttl", Value: "7s", Why: "max-age of CDN-Cache-Control"}},
		{"no-store", []string{"Cache-Control", "no-store"}, func(*rig) {}, telemetry.Fact{Name: "glassine.cache.ttl", Value: "0s", Why: "no-store"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "hello", test.header...)}, func(t *testing.T, rg *rig) {
				test.before(rg)
				synctest.Wait()
				got, f := traced(t, rg, "https://HOST/a?x=1")
				fact := f[test.want.Name]
				if fact.Value != test.want.Value || !strings.Contains(fact.Why, test.want.Why) {
					t.Errorf("fact = %+v, want %+v", fact, test.want)
				}
				at(t, got.Status, 200, "status")
				at(t, got.Bytes, int64(5), "bytes")
				at(t, got.Header.Get("X-Amz-Cf-Id"), got.Trace.RequestID, "X-Amz-Cf-Id")
				at(t, f["glassine.cache.key.query"].Why, "the cache policy leaves out: x", "why the query is not in the key")
				at(t, f["glassine.behavior"].Value, "*", "behavior")
				at(t, f["glassine.distribution.id"].Value, rg.dist.ID, "distribution")
				if _, err := json.Marshal(got); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestTraceHasTheStepsOfAMiss(t *testing.T) {
	inBubble(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			// What the origin does in this process is under it.
			telemetry.AddSpan(r.Context(), "within", time.Second)
			time.Sleep(2 * time.Second)
			return response(200, "hello"), nil
		},
		function: func(_ context.Context, _ string, event []byte) ([]byte, error) {
			time.Sleep(time.Second)
			var in struct {
				Records []struct {
					CF struct{ Request json.RawMessage }
				}
			}
			err := json.Unmarshal(event, &in)
			return in.Records[0].CF.Request, err
		},
		config: func(c *Config) { c.Traces = telemetry.NewTraces(4) },
	}, func(t *testing.T, rg *rig) {
		got, f := traced(t, rg, "https://HOST/a")
		at(t, steps(got.Trace), "edge.lookup\nedge.fetch\nedge.fetch/edge.trigger origin-request\nedge.fetch/edge.origin\nedge.fetch/edge.origin/within\nedge.fetch/edge.origin/response header\nedge.fetch/edge.store", "steps")
		for name, want := range map[string]int64{"edge.fetch": 3e6, "edge.trigger origin-request": 1e6, "edge.origin": 2e6} {
			i := slices.IndexFunc(got.Trace.Spans, func(s telemetry.Span) bool { return s.Name == name })
			at(t, got.Trace.Spans[i].Duration, want, "microseconds of "+name)
		}
		at(t, f["glassine.cache.fetch"].Value, "fwd=miss", "fetch")
		at(t, f["http.response.status_code"].Value, "200", "status")
		got, _ = traced(t, rg, "https://HOST/a")
		at(t, steps(got.Trace), "", "steps of a hit")

		// The answers to others are recorded too, but for hits, with their steps and without an explanation.
		a := rg.get("/b")
		rg.get("/b")
		kept, err := rg.RecordedTrace(t.Context(), rg.root, a.header.Get("X-Amz-Cf-Id"))
		if err != nil {
			t.Fatal(err)
		}
		at(t, facts(kept)["url.path"].Value, "/b", "path")
		at(t, strings.HasPrefix(steps(kept), "edge.lookup\nedge.fetch\nedge.fetch/edge.trigger origin-request"), true, "steps")
		latest, err := rg.LatestTraces(t.Context(), rg.root, 10)
		at(t, err, nil, "error")
		at(t, len(latest), 3, "traces kept: two asked for, one miss")
		at(t, latest[0].RequestID, kept.RequestID, "the latest")
		_, err = rg.RecordedTrace(t.Context(), rg.root, "unknown")
		at(t, fault.Code(err), "NoSuchResource", "error")
	})
}

func TestTraceIsForWhoMaySeeIt(t *testing.T) {
	var asked []string
	rg := newRig(t, setup{origin: always(200, "")})
	defer rg.Close()
	rg.authorize = func(_ context.Context, _ iam.Caller, a iam.Ask) error {
		asked = append(asked, a.Action+" "+a.Resources[0])
		return fault.New("AccessDenied", "no")
	}
	for url, code := range map[string]string{
		"https://" + rg.dist.DomainName + "/a": "AccessDenied", "http://elsewhere/": "AccessDenied", "ftp://x/": "InvalidArgument", "/a": "InvalidArgument", "https://x:y:z/": "InvalidArgument",
	} {
		_, err := rg.Trace(t.Context(), rg.root, TraceRequest{URL: url})
		at(t, fault.Code(err), code, "error for "+url)
	}
	_, err := rg.RecordedTrace(t.Context(), rg.root, "x")
	at(t, fault.Code(err), "AccessDenied", "error")
	_, err = rg.LatestTraces(t.Context(), rg.root, 1)
	at(t, fault.Code(err), "AccessDenied", "error")
	slices.Sort(asked)
	at(t, strings.Join(asked, "\n"), "glassine:TraceRequest *\nglassine:TraceRequest *\nglassine:TraceRequest *\nglassine:TraceRequest "+rg.dist.ARN, "what was asked")
	at(t, len(rg.requests), 0, "requests at the origin")
	rg.authorize = func(context.Context, iam.Caller, iam.Ask) error { return nil }
	for name, r := range map[string]TraceRequest{
		"a method that changes things": {Method: "POST", URL: "https://x/"}, "a header with a line's end": {URL: "https://x/", Header: http.Header{"A": {"b\r\nc"}}},
	} {
		_, err := rg.Trace(t.Context(), rg.root, r)
		at(t, fault.Code(err), "InvalidArgument", "error for "+name)
	}
	// Whatever is asked as a viewer is answered as to one.
	got, err := rg.Trace(t.Context(), rg.root, TraceRequest{URL: "https://elsewhere/"})
	at(t, err, nil, "error")
	at(t, got.Status, 403, "status of a host that is no distribution's")
	got, err = rg.Trace(t.Context(), rg.root, TraceRequest{URL: "http://" + rg.dist.DomainName})
	at(t, err, nil, "error")
	at(t, got.Status, 301, "status over plaintext")
	at(t, got.Header.Get("Location"), "https://"+rg.dist.DomainName+":8443/", "Location")
}

// Secrets of viewers are not in what administrators see: a trace may be pasted into a bug report.
func TestTraceShowsNoCredentials(t *testing.T) {
	inBubble(t, setup{
		origin: always(200, ""),
		policy: func(c *CachePolicyConfig) {
			c.Headers, c.Cookies = Selection{"whitelist", []string{"Authorization"}}, Selection{Behavior: "all"}
		},
	}, func(t *testing.T, rg *rig) {
		got, f := traced(t, rg, "https://HOST/a", "Authorization", "Bearer s3cret", "Cookie", "session=s3cret; b=s3cret")
		text, err := json.Marshal(got.Trace)
		if err != nil || strings.Contains(string(text), "s3cret") {
			t.Errorf("the trace has a secret: %s, %v", text, err)
		}
		at(t, f["glassine.cache.key.cookies"].Value, "session b", "cookies")
	})
}

func FuzzTraceURL(f *testing.F) {
	f.Add("https://HOST/a?x=1#y", "A", "b")
	f.Add("http://[::1]:80?x", "", "")
	f.Add("https://HOST//a/%2e/../b", "Host", "other")
	var rg *rig
	f.Fuzz(func(t *testing.T, url, name, value string) {
		if rg == nil {
			rg = newRig(t, setup{origin: always(200, "")})
			rg.authorize = func(context.Context, iam.Caller, iam.Ask) error { return nil }
		}
		got, err := rg.Trace(context.Background(), rg.root, TraceRequest{URL: strings.ReplaceAll(url, "HOST", rg.dist.DomainName), Header: http.Header{name: {value}}})
		if err == nil && (got.Status < 200 || got.Trace.RequestID == "") {
			t.Errorf("%q is answered with %+v", url, got)
		}
	})
}

func keepTraces(c *Config) { c.Traces = telemetry.NewTraces(16) }

// A request is seen while it is under way, and hits are while somebody watches; who may not see requests may not watch them.
func TestWatchTraces(t *testing.T) {
	inBubble(t, setup{origin: always(200, "hello"), config: keepTraces}, func(t *testing.T, rg *rig) {
		feed, err := rg.WatchTraces(t.Context(), rg.root, 0, 0, 10)
		if err != nil || len(feed.Traces) != 0 {
			t.Fatalf("before the first request: %+v, %v", feed, err)
		}
		rg.get("/a?x=1")
		feed, err = rg.WatchTraces(t.Context(), rg.root, feed.Next, time.Minute, 10)
		if err != nil || len(feed.Traces) != 1 || !feed.Traces[0].Ended {
			t.Fatalf("after a miss: %+v, %v", feed, err)
		}
		f := facts(feed.Traces[0])
		if f["url.path"].Value != "/a" || f["url.query"].Value != "x=1" || f["glassine.result"].Value != "Miss" || len(f) != len(feed.Traces[0].Facts) {
			t.Errorf("facts = %v", feed.Traces[0].Facts)
		}
		rg.get("/a?x=1")
		feed, err = rg.WatchTraces(t.Context(), rg.root, feed.Next, time.Minute, 10)
		if err != nil || len(feed.Traces) != 1 || facts(feed.Traces[0])["glassine.result"].Value != "Hit" {
			t.Errorf("after a hit: %+v, %v", feed, err)
		}
		began := time.Now()
		if _, err := rg.WatchTraces(t.Context(), rg.root, feed.Next, time.Hour, 10); err != nil || time.Since(began) != longestWatch {
			t.Errorf("a watch took %v, %v; want %v", time.Since(began), err, longestWatch)
		}
		if _, err := rg.WatchTraces(t.Context(), iam.Caller{}, 0, 0, 10); !fault.Is(err, "AccessDenied") {
			t.Errorf("a watch by nobody: %v", err)
		}
		top, err := rg.Top(t.Context(), rg.root, rg.dist.ID)
		if err != nil || len(top.URLs) != 1 || top.URLs[0].Path != "/a" || top.URLs[0].Requests != 2 || top.URLs[0].Misses != 1 {
			t.Errorf("top = %+v, %v", top, err)
		}
		if _, err := rg.Top(t.Context(), iam.Caller{}, rg.dist.ID); !fault.Is(err, "AccessDenied") {
			t.Errorf("top by nobody: %v", err)
		}
		if _, err := rg.Top(t.Context(), rg.root, "E0"); !fault.Is(err, "NoSuchDistribution") {
			t.Errorf("top of no distribution: %v", err)
		}
	})
}

// What a key is made of is told without a request.
func TestTraceOfTheKeyAlone(t *testing.T) {
	asked := 0
	origin := always(200, "hello")
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		asked++
		return origin(r)
	}, config: keepTraces}, func(t *testing.T, rg *rig) {
		got, err := rg.Trace(t.Context(), rg.root, TraceRequest{URL: "https://" + rg.dist.DomainName + "/a?x=1", KeyOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		f := facts(got.Trace)
		if f["glassine.cache.key.path"].Value != "/a" || f["glassine.cache.lookup"].Value != "miss" || got.Status != 0 {
			t.Errorf("facts = %v, status %d", got.Trace.Facts, got.Status)
		}
		if asked != 0 || len(rg.cfg.Traces.Latest(10)) != 0 {
			t.Errorf("the origin was asked %d times, %d traces are kept; want none", asked, len(rg.cfg.Traces.Latest(10)))
		}
	})
}

// Events are for whoever may read them of their function, and are redacted before they are kept.
func TestRecordedEventsAreForWhoMayReadThem(t *testing.T) {
	inBubble(t, setup{origin: always(200, "hello"), config: keepTraces}, func(t *testing.T, rg *rig) {
		rec := telemetry.NewRecorder("id", time.Now)
		ctx := telemetry.WithRecorder(t.Context(), rec)
		telemetry.AddEvent(ctx, "arn:aws:lambda:us-east-1:1:function:a", "1", []byte(`{"outputToken":"hush"}`))
		telemetry.AddEvent(ctx, "arn:aws:lambda:us-east-1:1:function:b", "2", []byte(`{}`))
		rg.cfg.Traces.Add(rec)
		all, err := rg.RecordedEvents(t.Context(), rg.root, "id")
		if err != nil || len(all) != 2 || strings.Contains(string(all[0].Event), "hush") {
			t.Fatalf("events = %+v, %v", all, err)
		}
		allow := rg.authorize
		defer func() { rg.authorize = allow }()
		rg.authorize = func(_ context.Context, _ iam.Caller, a iam.Ask) error {
			if a.Action == eventAction && a.Resources[0] != "arn:aws:lambda:us-east-1:1:function:b" {
				return fault.New("AccessDenied", "no")
			}
			return nil
		}
		if all, err := rg.RecordedEvents(t.Context(), rg.root, "id"); err != nil || len(all) != 1 || all[0].RequestID != "2" {
			t.Errorf("for who may read b's: %+v, %v", all, err)
		}
		rg.authorize = func(_ context.Context, _ iam.Caller, a iam.Ask) error {
			if a.Action == eventAction {
				return fault.New("AccessDenied", "no")
			}
			return nil
		}
		if _, err := rg.RecordedEvents(t.Context(), rg.root, "id"); !fault.Is(err, "AccessDenied") {
			t.Errorf("for who may read none: %v", err)
		}
		if _, err := rg.RecordedEvents(t.Context(), rg.root, "other"); !fault.Is(err, "NoSuchResource") {
			t.Errorf("of a request that is not kept: %v", err)
		}
	})
}
