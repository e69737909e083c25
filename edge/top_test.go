package edge

import (
	"fmt"
	"testing"
)

func TestTopsKeepWhatIsFrequent(t *testing.T) {
	var counts tops
	for i := range 5000 {
		counts.add("E1", fmt.Sprint("/rare/", i), 1, "was not in the cache")
		counts.add("E1", "/often", 1, "")
	}
	all := counts.list("E1")
	if len(all) != topPaths {
		t.Errorf("%d paths are kept, want %d", len(all), topPaths)
	}
	for _, u := range all {
		switch {
		case u.Path == "/often" && (u.Requests < 5000 || u.Misses != 0):
			t.Errorf("/often = %+v, want 5000 requests and no miss", u)
		case u.Path != "/often" && u.Misses > u.Requests:
			t.Errorf("%+v has more misses than requests", u)
		}
	}
	for i := range topSites + 10 {
		counts.add(fmt.Sprint("S", i), "/a", 1, "")
	}
	if len(counts.sites) != topSites {
		t.Errorf("%d distributions are counted, want %d", len(counts.sites), topSites)
	}
	for i := range 20 {
		counts.add("E1", "/often", 1, fmt.Sprint("reason ", i))
	}
	for _, u := range counts.list("E1") {
		if u.Path == "/often" && len(u.Reasons) != 8 {
			t.Errorf("%d reasons, want 8 at most", len(u.Reasons))
		}
	}
}
