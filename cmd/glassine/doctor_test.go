package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patient is a doctor that tells a test what it found.
func patient(t *testing.T, change func(*doctor)) (*doctor, *[]finding) {
	t.Helper()
	var found []finding
	d := &doctor{
		doctorCmd: &doctorCmd{dataFlags: dataFlags{Data: t.TempDir(), AWS: "127.0.0.1:4566", Region: "us-east-1"}, HTTPS: "127.0.0.1:1"},
		getenv:    func(string) string { return "" }, lookup: func(string) ([]string, error) { return nil, errors.New("no such host") },
		now: time.Now, out: func(f finding) { found = append(found, f) },
	}
	change(d)
	return d, &found
}

func TestDoctorReadsTheEnvironment(t *testing.T) {
	for _, row := range []struct {
		name  string
		env   map[string]string
		level string
		what  string
	}{
		{"nothing", nil, "warning", "speak to AWS"},
		{"another port", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4000"}, "warning", "the endpoint is on 127.0.0.1:4566"},
		{"an address without a proxy", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "warning", "without HTTP_PROXY"},
		{"localhost without a proxy", map[string]string{"AWS_ENDPOINT_URL": "http://localhost:4566"}, "warning", "without HTTP_PROXY"},
		{"an address with a proxy", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "HTTP_PROXY": "http://127.0.0.1:4566"}, "ok", "reach"},
		{"a name", map[string]string{"AWS_ENDPOINT_URL": "http://glassine.localhost:4566"}, "ok", "reach"},
	} {
		d, found := patient(t, func(d *doctor) { d.getenv = func(name string) string { return row.env[name] } })
		d.environment()
		if f := *found; len(f) != 1 || f[0].Level != row.level || !strings.Contains(f[0].What, row.what) || row.level != "ok" && f[0].Try == "" {
			t.Errorf("%s: %+v, want a %s with %q", row.name, f, row.level, row.what)
		}
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	for skew, wrong := range map[time.Duration]bool{0: false, 4 * time.Minute: false, -4 * time.Minute: false, 6 * time.Minute: true, -6 * time.Minute: true} {
		d, _ := patient(t, func(*doctor) {})
		d.clock(http.Header{"Date": {time.Now().Add(skew).UTC().Format(http.TimeFormat)}})
		if (len(d.wrong) > 0) != wrong {
			t.Errorf("%s apart: %v", skew, d.wrong)
		}
	}
}

func TestDoctorSaysWhatIsNotThere(t *testing.T) {
	d, found := patient(t, func(*doctor) {})
	if d.dataDirectory() || len(d.wrong) != 1 || !strings.Contains((*found)[0].What, "there is no glassine in") {
		t.Errorf("an empty directory: %+v", *found)
	}
	d, found = patient(t, func(d *doctor) { d.Data = authorityOf(t, true) })
	d.viewers()
	if len(d.wrong) != 1 || !strings.Contains((*found)[0].What, "nothing listens on 127.0.0.1:1") {
		t.Errorf("no listener: %+v", *found)
	}
	d, found = patient(t, func(d *doctor) { d.Data = authorityOf(t, true) })
	d.trusted()
	if f := *found; len(f) != 1 || f[0].Level != "warning" || f[0].Try != "glassine trust" {
		t.Errorf("an authority that nobody trusts: %+v", f)
	}
	d, found = patient(t, func(d *doctor) {
		d.Data, d.now = authorityOf(t, true), func() time.Time { return time.Now().Add(70 * 24 * time.Hour) }
	})
	d.trusted()
	if f := *found; len(f) != 1 || f[0].Level != "wrong" || !strings.Contains(f[0].What, "ends on") {
		t.Errorf("an authority that ends soon: %+v", f)
	}
}

func TestNamesLeadHere(t *testing.T) {
	d, _ := patient(t, func(d *doctor) { d.AWS = "10.1.2.3:4566" })
	for _, row := range []struct {
		addresses string
		want      bool
	}{{"10.1.2.3", true}, {"127.0.0.1", true}, {"::1", true}, {"192.0.2.1 10.1.2.3", true}, {"192.0.2.1", false}, {"", false}} {
		if got := d.leadsHere(strings.Fields(row.addresses)); got != row.want {
			t.Errorf("%q leads here: %t", row.addresses, got)
		}
	}
}
