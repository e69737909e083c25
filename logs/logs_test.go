package logs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/iam"
)

func TestEventsComeInTheOrderOfTime(t *testing.T) {
	r := newRig(t)
	r.group("g", "a", "b", "empty")
	r.put("g", "a", 0, "a0", "a1", "a2")
	r.put("g", "a", -5, "late") // written later, of an earlier time
	at := func(seconds int) int64 {
		return time.Date(2026, 11, 24, 3, 0, seconds, 0, time.UTC).UnixMilli()
	}
	r.now = r.now.Add(time.Millisecond)
	r.put("g", "b", 1, "b1", "b2")
	for _, c := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"all", Filter{}, "late a0 a1 b1 a2 b2"},
		{"of one stream", Filter{Streams: []string{"b"}}, "b1 b2"},
		{"of two streams", Filter{Streams: []string{"a", "b"}}, "late a0 a1 b1 a2 b2"},
		{"of streams by prefix", Filter{Prefix: "a"}, "late a0 a1 a2"},
		{"from a time on", Filter{From: at(1)}, "a1 b1 a2 b2"},
		{"to a time", Filter{To: at(1)}, "late a0 a1"},
		{"of no time", Filter{From: at(10), To: at(20)}, ""},
		{"by a term", Filter{Pattern: "a"}, "late a0 a1 a2"},
		{"one at a time", Filter{Limit: 1}, "late a0 a1 b1 a2 b2"},
		{"two at a time by a term", Filter{Limit: 2, Pattern: "b"}, "b1 b2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.messages("g", c.filter)
			want := strings.Fields(c.want)
			if len(got)+len(want) > 0 && !slices.Equal(got, want) {
				t.Errorf("events = %q, want %q", got, want)
			}
		})
	}
}

// Every page of every size holds each event once, in order, whatever was written in which order.
func TestPagesHoldEachEventOnce(t *testing.T) {
	r := newRig(t, func(c *Config) { c.FileBytes = 300 })
	r.group("g", "a", "b", "c")
	random := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 200 {
		stream := string("abc"[random.IntN(3)])
		message := fmt.Sprintf("%03d", i)
		r.put("g", stream, random.IntN(20)-10, message)
		want = append(want, message)
	}
	for _, limit := range []int{1, 2, 7, 199, 200, 1000} {
		got := r.messages("g", Filter{Limit: limit})
		if len(got) != len(want) {
			t.Errorf("pages of %d hold %d events, want %d", limit, len(got), len(want))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d do not hold each event once", limit)
		}
	}
	full := r.messages("g", Filter{})
	if got := r.messages("g", Filter{Limit: 3}); !slices.Equal(got, full) {
		t.Error("pages of 3 are in another order than all at once")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	r := newRig(t)
	r.group("g", "a")
	big := strings.Repeat("x", 300<<10)
	for i := range 9 {
		r.put("g", "a", i, big+fmt.Sprint(i))
	}
	events, token, err := r.FilterLogEvents(t.Context(), r.root, region, "g", Filter{})
	if err != nil || token == "" || len(events) != 3 {
		t.Errorf("FilterLogEvents = %d events of 300 KiB, token %q, %v, want the 3 that fit into 1 MB and a token", len(events), token, err)
	}
	if got := r.messages("g", Filter{}); len(got) != 9 || !strings.HasSuffix(got[8], "8") {
		t.Errorf("all pages hold %d events, want 9", len(got))
	}
}

func TestStreamIsReadBothWays(t *testing.T) {
	r := newRig(t)
	r.group("g", "a")
	r.put("g", "a", 0, "0", "1", "2", "3", "4")
	get := func(p Page, want string) (forward, backward string) {
		t.Helper()
		events, f, b, err := r.GetLogEvents(t.Context(), r.root, region, "g", "a", p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			got = append(got, e.Message)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("GetLogEvents(%+v) = %q, want %q", p, got, want)
		}
		return f, b
	}
	f, b := get(Page{Limit: 2}, "3 4") // without a token the newest
	again, _ := get(Page{Limit: 2, Token: f}, "")
	if again != f {
		t.Errorf("forward token at the end = %q, want %q again", again, f)
	}
	_, b = get(Page{Limit: 2, Token: b}, "1 2")
	f, b = get(Page{Limit: 2, Token: b}, "0")
	if _, last := get(Page{Limit: 2, Token: b}, ""); last != b {
		t.Errorf("backward token at the beginning = %q, want %q again", last, b)
	}
	f, _ = get(Page{Limit: 3, Token: f}, "1 2 3")
	get(Page{Token: f}, "4")
	f, _ = get(Page{Limit: 1, Head: true}, "0")
	r.put("g", "a", 5, "5")
	get(Page{Token: f}, "1 2 3 4 5")
	get(Page{From: r.now.Add(time.Second).UnixMilli(), To: r.now.Add(3 * time.Second).UnixMilli()}, "1 2")
	_, _, _, err := r.GetLogEvents(t.Context(), r.root, region, "g", "a", Page{Token: "f/12"})
	wantCode(t, "GetLogEvents with a bad token", err, "InvalidParameterException")
}

func TestLogsSurviveARestart(t *testing.T) {
	r := newRig(t, func(c *Config) { c.FileBytes = 100 })
	r.group("g", "a", "empty")
	r.put("g", "a", 0, "one", "two")
	r.put("g", "a", 2, "three <&> \u2028 \x00")
	files, err := filepath.Glob(filepath.Join(r.cfg.Dir, "*", "*.log"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files = %q, %v, want two of a and one of empty", files, err)
	}
	// The machine stopped while a line was written.
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"t":1,"i":2,"m":"hal`); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	r.restart()
	if got := r.messages("g", Filter{}); !slices.Equal(got, []string{"one", "two", "three <&> \u2028 \x00"}) {
		t.Errorf("events after a restart = %q", got)
	}
	r.put("g", "a", 3, "four")
	r.put("g", "empty", 3, "four")
	r.restart()
	if got := r.messages("g", Filter{}); len(got) != 5 {
		t.Errorf("events after another = %q, want 5", got)
	}
	streams, err := r.DescribeLogStreams(t.Context(), r.root, region, "g", "", false, false)
	if err != nil || len(streams) != 2 || streams[0].Name != "a" || streams[0].First != r.now.UnixMilli() || streams[0].Last != r.now.Add(3*time.Second).UnixMilli() || streams[0].Ingested == 0 {
		t.Errorf("streams = %+v, %v", streams, err)
	}
}

func TestRetention(t *testing.T) {
	r := newRig(t, func(c *Config) { c.FileBytes = 10 })
	r.group("g", "a", "b")
	r.put("g", "b", 0, "only")
	r.put("g", "a", 0, "first")
	wantCode(t, "PutRetentionPolicy of 2 days", r.PutRetentionPolicy(t.Context(), r.root, region, "g", 2), "InvalidParameterException")
	wantCode(t, "PutRetentionPolicy", r.PutRetentionPolicy(t.Context(), r.root, region, "g", 1), "")
	r.now = r.now.Add(25 * time.Hour)
	r.put("g", "a", 0, "second")
	if got := r.messages("g", Filter{}); !slices.Equal(got, []string{"second"}) {
		t.Errorf("events after a day = %q, want the second alone", got)
	}
	if err := r.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "DeleteRetentionPolicy", r.DeleteRetentionPolicy(t.Context(), r.root, region, "g"), "")
	if got := r.messages("g", Filter{}); !slices.Equal(got, []string{"second"}) {
		t.Errorf("events after Expire = %q, want the second alone", got)
	}
	if streams, err := r.DescribeLogStreams(t.Context(), r.root, region, "g", "", false, false); err != nil || len(streams) != 1 {
		t.Errorf("streams after Expire = %+v, %v, want that with events", streams, err)
	}
}

func TestGroupIsBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.FileBytes, c.GroupBytes = 1000, 5000 })
	r.group("g", "a", "b")
	for i := range 200 {
		r.put("g", string("ab"[i%2]), i-200, fmt.Sprintf("%03d %s", i, strings.Repeat("x", 50)))
	}
	groups, err := r.DescribeLogGroups(t.Context(), r.root, region, "", "")
	if err != nil || groups[0].StoredBytes > 6000 || groups[0].StoredBytes < 3000 {
		t.Errorf("group has %d bytes, %v, want about 5000", groups[0].StoredBytes, err)
	}
	got := r.messages("g", Filter{})
	if len(got) < 20 || got[len(got)-1][:3] != "199" || got[0][:3] < "100" {
		t.Errorf("%d events are left, from %.3s to %.3s, want the newest", len(got), got[0], got[len(got)-1])
	}
	onDisk := int64(0)
	files, _ := filepath.Glob(filepath.Join(r.cfg.Dir, "*", "*.log"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size()
	}
	if onDisk != groups[0].StoredBytes {
		t.Errorf("files have %d bytes, the group says %d", onDisk, groups[0].StoredBytes)
	}
}

func TestGroupMadeAnewIsEmpty(t *testing.T) {
	r := newRig(t)
	r.group("g", "a")
	r.put("g", "a", 0, "old")
	wantCode(t, "CreateLogGroup again", r.CreateLogGroup(t.Context(), r.root, region, "g", nil), "ResourceAlreadyExistsException")
	wantCode(t, "CreateLogStream again", r.CreateLogStream(t.Context(), r.root, region, "g", "a"), "ResourceAlreadyExistsException")
	wantCode(t, "DeleteLogGroup", r.DeleteLogGroup(t.Context(), r.root, region, "g"), "")
	wantCode(t, "DeleteLogGroup again", r.DeleteLogGroup(t.Context(), r.root, region, "g"), "ResourceNotFoundException")
	r.group("g", "a")
	if got := r.messages("g", Filter{}); len(got) != 0 {
		t.Errorf("events of a group made anew = %q", got)
	}
	wantCode(t, "DeleteLogStream", r.DeleteLogStream(t.Context(), r.root, region, "g", "a"), "")
	wantCode(t, "DeleteLogStream again", r.DeleteLogStream(t.Context(), r.root, region, "g", "a"), "ResourceNotFoundException")
	if entries, err := os.ReadDir(r.cfg.Dir); err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, %v, want the new group alone", entries, err)
	}
}

func TestGroupsOfRegions(t *testing.T) {
	r := newRig(t)
	r.group("/aws/lambda/a")
	r.group("/aws/lambda/b")
	wantCode(t, "CreateLogGroup in another region", r.CreateLogGroup(t.Context(), r.root, "us-east-1", "/aws/lambda/a", nil), "")
	groups, err := r.DescribeLogGroups(t.Context(), r.root, region, "/aws/lambda/", "")
	if err != nil || len(groups) != 2 || groups[0].Name != "/aws/lambda/a" || groups[0].ARN != "arn:aws:logs:eu-west-1:"+account+":log-group:/aws/lambda/a" {
		t.Errorf("groups = %+v, %v", groups, err)
	}
	if groups, err = r.DescribeLogGroups(t.Context(), r.root, region, "", "da/b"); err != nil || len(groups) != 1 {
		t.Errorf("groups by pattern = %+v, %v", groups, err)
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	r := newRig(t)
	r.group("g", "a")
	now := r.now.UnixMilli()
	day := int64(24 * time.Hour / time.Millisecond)
	for _, c := range []struct {
		name   string
		stream string
		events []Event
		want   string
		reject Rejected
	}{
		{"good", "a", []Event{{Time: now, Message: "m"}}, "", Rejected{-1, -1, -1}},
		{"empty", "a", nil, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"out of order", "a", []Event{{Time: now, Message: "m"}, {Time: now - 1, Message: "m"}}, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"empty message", "a", []Event{{Time: now}}, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"too large message", "a", []Event{{Time: now, Message: strings.Repeat("x", maxEvent+1)}}, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"too large together", "a", []Event{{Time: now, Message: strings.Repeat("x", maxEvent/2)}, {Time: now, Message: strings.Repeat("x", maxEvent/2)}}, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"more than a day", "a", []Event{{Time: now - day - 1, Message: "m"}, {Time: now, Message: "m"}}, "InvalidParameterException", Rejected{-1, -1, -1}},
		{"of no stream", "b", []Event{{Time: now, Message: "m"}}, "ResourceNotFoundException", Rejected{-1, -1, -1}},
		{"too new", "a", []Event{{Time: now, Message: "m"}, {Time: now + 3*3600*1000, Message: "m"}}, "", Rejected{1, -1, -1}},
		{"too old", "a", []Event{{Time: now - 14*day - 1, Message: "m"}, {Time: now - 14*day, Message: "m"}}, "", Rejected{-1, 1, -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.PutLogEvents(t.Context(), r.root, region, "g", c.stream, c.events)
			wantCode(t, "PutLogEvents", err, c.want)
			if got != c.reject {
				t.Errorf("rejected = %+v, want %+v", got, c.reject)
			}
		})
	}
	if got := r.messages("g", Filter{}); len(got) != 3 {
		t.Errorf("%d events were taken, want 3", len(got))
	}
}

// Each operation asks for its own action, on the group or the stream.
func TestActionOfEachOperation(t *testing.T) {
	ctx := context.Background()
	group := "arn:aws:logs:" + region + ":" + account + ":log-group:g"
	for _, op := range []struct {
		action, resource string
		do               func(r *rig, c iam.Caller) error
	}{
		{"CreateLogGroup", "arn:aws:logs:" + region + ":" + account + ":*", func(r *rig, c iam.Caller) error { return r.CreateLogGroup(ctx, c, region, "new", nil) }},
		{"DeleteLogGroup", group + ":*", func(r *rig, c iam.Caller) error { return r.DeleteLogGroup(ctx, c, region, "g") }},
		{"DescribeLogGroups", "*", func(r *rig, c iam.Caller) error {
			_, err := r.DescribeLogGroups(ctx, c, region, "", "")
			return err
		}},
		{"PutRetentionPolicy", group, func(r *rig, c iam.Caller) error { return r.PutRetentionPolicy(ctx, c, region, "g", 3) }},
		{"DeleteRetentionPolicy", group, func(r *rig, c iam.Caller) error { return r.DeleteRetentionPolicy(ctx, c, region, "g") }},
		{"TagResource", group, func(r *rig, c iam.Caller) error {
			return r.TagLogGroup(ctx, c, "TagResource", region, "g", map[string]string{"a": "b"})
		}},
		{"UntagLogGroup", group, func(r *rig, c iam.Caller) error {
			return r.UntagLogGroup(ctx, c, "UntagLogGroup", region, "g", []string{"a"})
		}},
		{"ListTagsLogGroup", group, func(r *rig, c iam.Caller) error {
			_, err := r.ListTags(ctx, c, "ListTagsLogGroup", region, "g")
			return err
		}},
		{"CreateLogStream", group + ":*", func(r *rig, c iam.Caller) error { return r.CreateLogStream(ctx, c, region, "g", "new") }},
		{"DeleteLogStream", group + ":log-stream:a", func(r *rig, c iam.Caller) error { return r.DeleteLogStream(ctx, c, region, "g", "a") }},
		{"DescribeLogStreams", group + ":*", func(r *rig, c iam.Caller) error {
			_, err := r.DescribeLogStreams(ctx, c, region, "g", "", false, false)
			return err
		}},
		{"PutLogEvents", group + ":*", func(r *rig, c iam.Caller) error {
			_, err := r.PutLogEvents(ctx, c, region, "g", "a", []Event{{Time: r.now.UnixMilli(), Message: "m"}})
			return err
		}},
		{"GetLogEvents", group + ":log-stream:a", func(r *rig, c iam.Caller) error {
			_, _, _, err := r.GetLogEvents(ctx, c, region, "g", "a", Page{})
			return err
		}},
		{"FilterLogEvents", group + ":*", func(r *rig, c iam.Caller) error {
			_, _, err := r.FilterLogEvents(ctx, c, region, "g", Filter{})
			return err
		}},
	} {
		t.Run(op.action, func(t *testing.T) {
			r := newRig(t)
			r.group("g", "a")
			wantCode(t, "without the right", op.do(r, r.caller("none", `{"Effect":"Allow","NotAction":"logs:`+op.action+`","Resource":"*"}`)), "AccessDenied")
			wantCode(t, "with it", op.do(r, r.caller("one", allow("logs:"+op.action, op.resource))), "")
		})
	}
}

func TestFunctionsLinesNeedTheirRolesRights(t *testing.T) {
	const group = "/aws/lambda/clean"
	r := newRig(t)
	line := func(c iam.Caller, text string) error {
		return r.Lines(t.Context(), c, region, group, "2026/11/24/[$LATEST]0123", []time.Time{r.now}, [][]byte{[]byte(text)})
	}
	wantCode(t, "Lines without rights", line(r.caller("none", ""), "x"), "AccessDenied")
	writer := r.caller("writer", allow("logs:PutLogEvents", "*")+","+allow("logs:CreateLogStream", "*"))
	wantCode(t, "Lines of one who may not make the group", line(writer, "x"), "AccessDenied")
	basic := r.caller("basic", allow("logs:*", "*"))
	wantCode(t, "Lines of one who may", line(basic, "one"), "")
	wantCode(t, "Lines into the group that is there now", line(writer, "two"), "")
	before := r.decided
	for range 100 {
		if err := line(basic, "more"); err != nil {
			t.Fatal(err)
		}
	}
	if r.decided != before {
		t.Errorf("100 lines cost %d decisions, want none in a minute", r.decided-before)
	}
	if err := r.iam.DeleteRolePolicy(t.Context(), r.root, "basic", "p"); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Minute)
	wantCode(t, "Lines a minute after the right was withdrawn", line(basic, "x"), "AccessDenied")
	wantCode(t, "DeleteLogGroup", r.DeleteLogGroup(t.Context(), r.root, region, group), "")
	again := r.caller("again", allow("logs:*", "*"))
	wantCode(t, "Lines after the group was deleted", line(again, strings.Repeat("x", maxEvent+5)+"\xff"), "")
	if got := r.messages(group, Filter{}); len(got) != 1 || len(got[0]) != maxEvent {
		t.Errorf("the line in the new group has %d bytes, want it cut to %d", len(got[0]), maxEvent)
	}
}

func TestManyStreamsWriteInTurn(t *testing.T) {
	r := newRig(t)
	r.group("g")
	for i := range 3 * maxOpen {
		if err := r.CreateLogStream(t.Context(), r.root, region, "g", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for i := range 3 * maxOpen {
			r.put("g", fmt.Sprint(i), 0, "m")
		}
	}
	_, g, err := r.find(region, "g")
	if err != nil || len(g.open) > maxOpen {
		t.Errorf("%d files are open, %v, want at most %d", len(g.open), err, maxOpen)
	}
	if got := r.messages("g", Filter{}); len(got) != 9*maxOpen {
		t.Errorf("%d events, want %d", len(got), 9*maxOpen)
	}
}

// An invocation writes three lines at once.
func BenchmarkLines(b *testing.B) {
	r := newRig(b)
	c := r.caller("basic", allow("logs:*", "*"))
	line := []byte("REPORT RequestId: 8f0c1b2e-0000-4000-8000-000000000000\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 70 MB\t")
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Lines(b.Context(), c, region, "g", "s", []time.Time{r.now, r.now, r.now}, [][]byte{line, line, line}); err != nil {
			b.Fatal(err)
		}
	}
}
