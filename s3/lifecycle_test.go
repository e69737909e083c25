package s3

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/store"
)

func TestLifecycleRulesAreChecked(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	n := int64(10)
	day := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		rule LifecycleRule
		code string
	}{
		{"no action", LifecycleRule{}, "InvalidRequest"},
		{"negative days", LifecycleRule{ExpireDays: -1}, "InvalidArgument"},
		{"days and date", LifecycleRule{ExpireDays: 1, ExpireDate: day}, "MalformedXML"},
		{"a date within a day", LifecycleRule{ExpireDate: day.Add(time.Hour)}, "InvalidArgument"},
		{"markers and days", LifecycleRule{ExpireDays: 1, ExpireMarkers: true}, "MalformedXML"},
		{"markers of a size", LifecycleRule{ExpireMarkers: true, SizeLessThan: &n}, "InvalidRequest"},
		{"uploads with tags", LifecycleRule{AbortDays: 1, Tags: map[string]string{"a": "b"}}, "InvalidRequest"},
		{"newer versions without days", LifecycleRule{NewerNoncurrent: 2, ExpireDays: 1}, "MalformedXML"},
		{"no size between", LifecycleRule{ExpireDays: 1, SizeGreaterThan: &n, SizeLessThan: &n}, "InvalidRequest"},
		{"a long id", LifecycleRule{ID: strings.Repeat("i", 256), ExpireDays: 1}, "InvalidArgument"},
		{"all of it", LifecycleRule{ID: "all", ExpireDate: day, NoncurrentDays: 3, NewerNoncurrent: 5, Prefix: "p", Tags: map[string]string{"a": "b"}}, ""},
	} {
		wantCode(t, c.name, r.PutBucketLifecycle(ctx, r.root, "photos", []LifecycleRule{c.rule}), c.code)
	}
	wantCode(t, "one id twice", r.PutBucketLifecycle(ctx, r.root, "photos", []LifecycleRule{{ID: "a", ExpireDays: 1}, {ID: "a", ExpireDays: 2}}), "InvalidArgument")
	rules, err := r.BucketLifecycle(ctx, r.root, "photos")
	if err != nil || len(rules) != 1 || rules[0].ID != "all" {
		t.Errorf("rules = %+v, %v, want the last good ones", rules, err)
	}
	wantCode(t, "deletion", r.DeleteBucketLifecycle(ctx, r.root, "photos"), "")
	_, err = r.BucketLifecycle(ctx, r.root, "photos")
	wantCode(t, "after deletion", err, "NoSuchLifecycleConfiguration")
	wantCode(t, "a rule without an id", r.PutBucketLifecycle(ctx, r.root, "photos", []LifecycleRule{{ExpireDays: 1}}), "")
	if rules, _ := r.BucketLifecycle(ctx, r.root, "photos"); rules[0].ID == "" {
		t.Error("the rule got no id")
	}
}

// sleepTo lets the test's clock come to a time so much after midnight, UTC, of the day that is so many days ahead.
func sleepTo(days int, after time.Duration) {
	now := time.Now().UTC()
	time.Sleep(now.Truncate(24*time.Hour).AddDate(0, 0, days).Add(after).Sub(now))
}

func (r *rig) expire(t *testing.T, rules ...LifecycleRule) {
	t.Helper()
	for i := range rules {
		rules[i].Enabled = true
	}
	if err := r.PutBucketLifecycle(t.Context(), r.root, "photos", rules); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) sweep(t *testing.T) {
	t.Helper()
	if err := r.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keys are the versions of the bucket, newest first: "k", and "k*" for a marker.
func (r *rig) keys(t *testing.T) string {
	t.Helper()
	_, page, err := r.ListObjectVersions(t.Context(), r.root, bucket, store.EntryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range page.Entries {
		if e.DeleteMarker {
			e.Key += "*"
		}
		out = append(out, e.Key)
	}
	return strings.Join(out, " ")
}

func TestObjectsExpireAtMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		sleepTo(1, 12*time.Hour)
		put := func(key, body string, tags map[string]string) {
			t.Helper()
			if _, err := r.PutObject(ctx, r.root, bucket, key, strings.NewReader(body), store.PutOptions{Tags: tags}); err != nil {
				t.Fatal(err)
			}
		}
		put("old/1", "x", nil)
		put("tagged", "x", map[string]string{"keep": "no"})
		put("large", "0123456789", nil)
		put("kept", "x", map[string]string{"keep": "yes"})
		if _, err := r.DeleteObject(ctx, r.root, bucket, "a.jpg", store.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		five := int64(5)
		r.expire(t, LifecycleRule{Prefix: "old/", ExpireDays: 3}, LifecycleRule{Tags: map[string]string{"keep": "no"}, ExpireDays: 3}, LifecycleRule{SizeGreaterThan: &five, ExpireDays: 3})
		sleepTo(4, -time.Second) // 3 days and 11 hours old: due, but for the midnight
		r.sweep(t)
		if got := r.keys(t); got != "kept large old/1 tagged" {
			t.Errorf("before midnight: %q, want all", got)
		}
		sleepTo(1, 0)
		r.sweep(t)
		if got := r.keys(t); got != "kept" {
			t.Errorf("at midnight: %q, want what no rule is for", got)
		}
	})
}

func TestDisabledRulesDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := r.PutBucketLifecycle(t.Context(), r.root, "photos", []LifecycleRule{{ExpireDays: 1}}); err != nil {
			t.Fatal(err)
		}
		sleepTo(30, 0)
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg" {
			t.Errorf("keys = %q", got)
		}
	})
}

func TestVersionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		r.versions(t) // with the null version, three of a.jpg
		r.expire(t, LifecycleRule{ExpireDays: 2})
		sleepTo(3, 0)
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg* a.jpg a.jpg a.jpg" {
			t.Errorf("the current object expired: %q, want a marker on top", got)
		}
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg* a.jpg a.jpg a.jpg" {
			t.Errorf("swept again: %q, want no second marker", got)
		}
		r.expire(t, LifecycleRule{NoncurrentDays: 1, NewerNoncurrent: 1})
		sleepTo(2, 0)
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg* a.jpg" {
			t.Errorf("noncurrent ones but one expired: %q", got)
		}
		r.expire(t, LifecycleRule{NoncurrentDays: 1})
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg*" {
			t.Errorf("all noncurrent ones expired: %q", got)
		}
		r.expire(t, LifecycleRule{Tags: map[string]string{"a": "b"}, ExpireDays: 1})
		r.sweep(t)
		if got := r.keys(t); got != "a.jpg*" {
			t.Errorf("a rule for tagged objects took a marker: %q", got)
		}
		r.expire(t, LifecycleRule{ExpireMarkers: true})
		r.sweep(t)
		if got := r.keys(t); got != "" {
			t.Errorf("the lone marker expired: %q", got)
		}
		if err := r.put(ctx, r.root, bucket, "new"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.DeleteObject(ctx, r.root, bucket, "new", store.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		r.sweep(t)
		if got := r.keys(t); got != "new* new" {
			t.Errorf("a marker with a version under it: %q, want both", got)
		}
	})
}

func TestOldUploadsAreAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		r.begin(t)
		r.expire(t, LifecycleRule{AbortDays: 2}, LifecycleRule{AbortDays: 2})
		sleepTo(2, 0)
		if _, _, err := r.CreateMultipartUpload(ctx, r.root, bucket, "new", store.UploadOptions{}); err != nil {
			t.Fatal(err)
		}
		sleepTo(1, time.Minute)
		r.sweep(t)
		_, page, err := r.ListMultipartUploads(ctx, r.root, bucket, store.EntryOptions{})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Key != "new" {
			t.Errorf("uploads = %+v, %v, want the new one alone", page.Entries, err)
		}
		if got := r.keys(t); got != "a.jpg" {
			t.Errorf("objects = %q", got)
		}
	})
}
