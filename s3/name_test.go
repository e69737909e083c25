package s3

import (
	"regexp"
	"strings"
	"testing"
)

// (Amazon S3 User Guide, "General purpose bucket naming rules" and access points' naming rules.)
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name          string
		bucket, point bool
	}{
		{"abc", true, true},
		{"my-bucket.example", true, false},
		{"ab", false, false},
		{strings.Repeat("a", 50), true, true},
		{strings.Repeat("a", 51), true, false},
		{strings.Repeat("a", 63), true, false},
		{strings.Repeat("a", 64), false, false},
		{"Upper", false, false},
		{"under_score", false, false},
		{"-edge", false, false},
		{"edge-", false, false},
		{".edge", false, false},
		{"two..dots", false, false},
		{"192.168.5.4", false, false},
		{"192.168.5", true, false},
		{"xn--punycode", false, true},
		{"sthree-x", false, true},
		{"x-s3alias", false, false},
		{"x--ol-s3", false, false},
		{"x.mrap", false, false},
		{"x--x-s3", false, true},
		{"x--table-s3", false, true},
		{"a/b", false, false},
		{"é12", false, false},
		{"", false, false},
	} {
		if got := validBucketName(c.name); got != c.bucket {
			t.Errorf("validBucketName(%q) = %t, want %t", c.name, got, c.bucket)
		}
		if got := ValidAccessPointName(c.name, 50); got != c.point {
			t.Errorf("ValidAccessPointName(%q, 50) = %t, want %t", c.name, got, c.point)
		}
	}
}

func TestMayBeBucket(t *testing.T) {
	for name, want := range map[string]bool{
		"photos": true, "Old_Bucket.1": true, "x-s3alias": true, "ab": false, "192.168.5.4": false, "2001:db8::1": false, "a@b": false, "a b": false, "a/b": false,
		strings.Repeat("a", 255): true, strings.Repeat("a", 256): false, "[ab": false, "a\x10b": false, "a^b": false,
	} {
		if got := MayBeBucket(name); got != want {
			t.Errorf("MayBeBucket(%q) = %t, want %t", name, got, want)
		}
	}
}

// (S3 User Guide, "Naming Amazon S3 objects": its own two examples are among them.)
func TestClimbs(t *testing.T) {
	for key, want := range map[string]bool{
		"a": false, "..a": false, "a..": false, "videos/2014/../../video1.wmv": false, "a/..": false, "/a//b/../..": false, ".": false, "./a": false,
		"videos/../../video1.wmv": true, "videos/../../../video2.wmv": true, "..": true, "../": true, "/..": true, "./..": true, "a/../..": true,
	} {
		if got := Climbs(key); got != want {
			t.Errorf("Climbs(%q) = %t, want %t", key, got, want)
		}
	}
}

// A name that is taken is a label of a host and a part of an ARN, and makes an alias that is no name.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"photos", "a.b", "x--ol-s3", "1.2.3.4", "A", "us-east-1"} {
		f.Add(s)
	}
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	f.Fuzz(func(t *testing.T, s string) {
		if validBucketName(s) {
			for part := range strings.SplitSeq(s, ".") {
				if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
					t.Errorf("bucket name %q has the label %q", s, part)
				}
			}
		}
		if validRegion(s) && !label.MatchString(s) {
			t.Errorf("region %q is no label", s)
		}
		if !ValidAccessPointName(s, 45) {
			return
		}
		if !label.MatchString(s) {
			t.Errorf("access point name %q is no label", s)
		}
		for suffix, size := range map[string]int{"--ol-s3": 57, "-s3alias": 63} {
			a := Alias(s, size, suffix, s)
			if len(a) > size || !label.MatchString(a) || validBucketName(a) || ValidAccessPointName(a, 63) {
				t.Errorf("Alias(%q) = %q", s, a)
			}
		}
	})
}
