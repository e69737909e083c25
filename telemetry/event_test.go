package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// events are what functions see, with secrets that must not be seen again: each has the word hush in it.
var events = map[string]string{
	"of Object Lambda": `{"xAmzRequestId":"r","getObjectContext":{"inputS3Url":"https://ap.s3.us-east-1.amazonaws.com/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=hush%2F20261126&X-Amz-Signature=hush&X-Amz-Security-Token=hush&X-Amz-Expires=61","outputRoute":"io","outputToken":"hush"},
		"userRequest":{"url":"https://x/a.jpg?width=9","headers":{"Authorization":"AWS4 hush","Cookie":"hush","X-Amz-Security-Token":"hush","Accept":"image/webp"}},"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/anna","accessKeyId":"hush"}}`,
	"of the edge": `{"Records":[{"cf":{"request":{"uri":"/a.jpg","querystring":"width=9&Signature=hush&Key-Pair-Id=hush","headers":{"cookie":[{"key":"Cookie","value":"hush"}],"x-api-key":[{"key":"X-Api-Key","value":"hush"}],"host":[{"key":"Host","value":"h"}]},
		"body":{"data":"hush","encoding":"base64"},"origin":{"custom":{"domainName":"d","customHeaders":{"x-secret":[{"key":"X-Secret","value":"hush"}]}}}}}}]}`,
	"with a header line that is elsewhere": `[{"key":"Authorization","value":"hush"},{"key":"Accept","value":"*/*"}]`,
}

func TestRedactTakesOutSecrets(t *testing.T) {
	for name, event := range events {
		got, err := Redact([]byte(event))
		if err != nil {
			t.Errorf("event %s: %v", name, err)
			continue
		}
		if bytes.Contains(got, []byte("hush")) {
			t.Errorf("event %s keeps a secret: %s", name, got)
		}
		for _, kept := range []string{"width=9", "image/webp", "X-Amz-Expires=61", "arn:aws:iam::1:user/anna", `"Host"`, `"*/*"`} {
			if strings.Contains(event, kept) && !bytes.Contains(got, []byte(kept)) {
				t.Errorf("event %s lost %s: %s", name, kept, got)
			}
		}
	}
	for _, bad := range []string{"", "{", "{} {}", "x"} {
		if got, err := Redact([]byte(bad)); err == nil {
			t.Errorf("Redact(%q) = %s, want an error", bad, got)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	r := NewRecorder("id", time.Now)
	ctx := WithRecorder(t.Context(), r)
	AddEvent(t.Context(), "f", "1", []byte(`{}`)) // in no trace
	AddEvent(ctx, "f", "1", []byte(`{"a":1}`))
	AddEvent(ctx, "f", "2", []byte(`no JSON`))
	AddEvent(ctx, "f", "3", []byte(`"`+strings.Repeat("x", maxEventBytes)+`"`))
	for range eventLimit {
		AddEvent(ctx, "f", "4", []byte(`{}`))
	}
	kept := NewTraces(1)
	kept.Add(r)
	got, ok := kept.Events("id")
	if !ok || len(got) != eventLimit {
		t.Fatalf("%d events, %v; want %d", len(got), ok, eventLimit)
	}
	if string(got[0].Event) != `{"a":1}` || got[1].Note == "" || got[2].Note == "" || got[2].Bytes != maxEventBytes+2 {
		t.Errorf("events = %+v", got[:3])
	}
	if _, ok := kept.Events("other"); ok {
		t.Error("events of a request that is not kept")
	}
	if trace, _ := kept.Get("id"); trace.Dropped != 3 {
		t.Errorf("%d dropped, want 3", trace.Dropped)
	}
}

func FuzzRedact(f *testing.F) {
	for _, event := range events {
		f.Add([]byte(event))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := Redact(raw)
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("Redact(%q) = %q, which is not JSON", raw, got)
		}
		again, err := Redact(got)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("Redact twice: %q, then %q, %v", got, again, err)
		}
	})
}
