package geo

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func named(code, name string) map[string]any {
	m := map[string]any{"names": map[string]any{"de": "nicht dies", "en": name}}
	if code != "" {
		m["iso_code"] = code
	}
	return m
}

var seattle = map[string]any{
	"country": named("US", "United States"), "city": named("", "Seattle"),
	"subdivisions": []any{named("WA", "Washington"), named("033", "King")},
	"postal":       map[string]any{"code": "98101"},
	"location": map[string]any{
		"latitude": 47.6062, "longitude": -122.3321, "metro_code": uint16(819), "time_zone": "America/Los_Angeles", "accuracy_radius": uint16(20),
	},
}

func cities(t testing.TB) string {
	return database(t, "GeoLite2-City",
		network{"203.0.113.0/24", seattle},
		network{"198.51.100.0/25", map[string]any{"country": named("FR", "France")}},
		network{"2001:db8::/32", map[string]any{"country": named("JP", "Japan"), "location": map[string]any{"latitude": 0.0, "longitude": 0.0}}},
	)
}

func systems(t testing.TB) string {
	return database(t, "GeoLite2-ASN", network{"203.0.113.0/25", map[string]any{"autonomous_system_number": uint32(64496), "autonomous_system_organization": "Example"}})
}

func TestPlace(t *testing.T) {
	t.Parallel()
	d, err := Open(cities(t), systems(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	all := Place{
		Country: "US", CountryName: "United States", Region: "WA", RegionName: "Washington", City: "Seattle", PostalCode: "98101", Metro: "819",
		TimeZone: "America/Los_Angeles", Latitude: "47.60620", Longitude: "-122.33210", AutonomousSystem: "64496",
	}
	noSystem := all
	noSystem.AutonomousSystem = ""
	for _, c := range []struct {
		name, address string
		want          Place
	}{
		{"all that both know", "203.0.113.7", all},
		{"IPv4 in IPv6", "::ffff:203.0.113.7", all},
		{"what one knows", "203.0.113.200", noSystem},
		{"a country alone", "198.51.100.1", Place{Country: "FR", CountryName: "France"}},
		{"beside a network", "198.51.100.129", Place{}},
		{"IPv6, at 0 degrees", "2001:db8::1", Place{Country: "JP", CountryName: "Japan", Latitude: "0.00000", Longitude: "0.00000"}},
		{"IPv6 with a zone", "2001:db8::1%eth0", Place{Country: "JP", CountryName: "Japan", Latitude: "0.00000", Longitude: "0.00000"}},
		{"unknown", "192.0.2.1", Place{}},
		{"loopback", "127.0.0.1", Place{}},
	} {
		if diff := cmp.Diff(c.want, d.Place(netip.MustParseAddr(c.address))); diff != "" {
			t.Errorf("%s: Place(%s): -want +got\n%s", c.name, c.address, diff)
		}
	}
	if p := d.Place(netip.Addr{}); p != (Place{}) {
		t.Errorf("no address is at %+v", p)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "bad.mmdb")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := string(databaseBytes("GeoLite2-City", network{"203.0.113.0/24", seattle}))
	for _, c := range []struct{ name, file, want string }{
		{"no file", filepath.Join(t.TempDir(), "none.mmdb"), "no such file"},
		{"an empty file", write(""), "empty"},
		{"another file", write("country,city\n"), "invalid MaxMind DB"},
		{"the end is missing", write(good[:len(good)/2]), "invalid MaxMind DB"},
		{"the beginning is missing", write(good[len(good)-150:]), ""},
		{"another layout", database(t, "ipinfo country", network{"203.0.113.0/24", map[string]any{"country": "US"}}), `type "ipinfo country"`},
		{"another subject", database(t, "GeoIP2-Domain", network{"203.0.113.0/24", map[string]any{"domain": "a.example"}}), "says of no address"},
		{"no networks", database(t, "GeoLite2-City"), "says of no address"},
	} {
		d, err := Open(cities(t), c.file)
		if err == nil {
			t.Errorf("%s: opened as %v", c.name, d)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: %v, want the file's name and %q", c.name, err, c.want)
		}
	}
	if _, err := Open(); err == nil {
		t.Error("nothing is opened")
	}
}

// A file that somebody overwrites in place must not take the process with it.
func TestFileCutShortWhileOpen(t *testing.T) {
	t.Parallel()
	file := cities(t)
	d, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	a := netip.MustParseAddr("203.0.113.7")
	if d.Place(a).City != "Seattle" {
		t.Fatal("the database does not work in the first place")
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if p := d.Place(a); p != (Place{}) {
		t.Errorf("a file without content says %+v", p)
	}
}

func FuzzDatabase(f *testing.F) {
	f.Add(databaseBytes("GeoLite2-City", network{"203.0.113.0/24", seattle}))
	f.Add([]byte("\xab\xcd\xefMaxMind.com\xe0"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "x.mmdb")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := Open(file)
		if err != nil {
			return
		}
		for _, a := range []string{"203.0.113.7", "2001:db8::1"} {
			d.Place(netip.MustParseAddr(a))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkPlace(b *testing.B) {
	d, err := Open(cities(b), systems(b))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	a := netip.MustParseAddr("203.0.113.7")
	b.ReportAllocs()
	for b.Loop() {
		if d.Place(a).City == "" {
			b.Fatal("not found")
		}
	}
}
