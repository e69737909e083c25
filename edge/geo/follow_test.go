package geo

import (
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollowedTakesUpAnotherFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := cities(t)
		var failures atomic.Int32
		f, err := Follow([]string{file}, func(error) { failures.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		address := netip.MustParseAddr("203.0.113.7")
		country := func(want string, wantFailures int32) {
			t.Helper()
			time.Sleep(2 * followEvery)
			synctest.Wait()
			if got := f.Place(address).Country; got != want || failures.Load() != wantFailures {
				t.Errorf("country = %q after %d failures, want %q after %d", got, failures.Load(), want, wantFailures)
			}
		}
		replace := func(content []byte) {
			t.Helper()
			if err := os.WriteFile(file+".new", content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		}
		country("US", 0)
		replace(databaseBytes("GeoLite2-City", network{"203.0.113.0/24", map[string]any{"country": named("DE", "Germany")}}))
		country("DE", 0)
		replace([]byte("no database"))
		country("DE", 1)
		country("DE", 1)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		country("DE", 2)
		replace(databaseBytes("GeoLite2-City", network{"203.0.113.0/24", seattle}))
		country("US", 2)
	})
}
