package iam

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

func TestEveryChangedByteOfATokenIsRefused(t *testing.T) {
	s, _, _ := newService(t)
	c, _ := assume(t, s, makeRole(t, s, "worker", ""))
	raw, err := base64.RawURLEncoding.DecodeString(c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name, id, token string) {
		t.Helper()
		secret, who, err := s.Lookup(t.Context(), id, token)
		if !fault.Is(err, "InvalidToken") || secret != "" || who.Principal.Kind != Anonymous {
			t.Errorf("%s: Lookup gave %v for %v, want InvalidToken", name, err, who.Principal)
		}
	}
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			f(fmt.Sprintf("bit %d of byte %d", bit, i), c.AccessKeyID, base64.RawURLEncoding.EncodeToString(bad))
		}
	}
	for i := range c.SessionToken {
		bad := []byte(c.SessionToken)
		if bad[i]++; bad[i] == '[' || bad[i] == '{' || bad[i] == ':' {
			bad[i] = 'A'
		}
		f(fmt.Sprintf("character %d", i), c.AccessKeyID, string(bad))
		if i > 0 {
			f(fmt.Sprintf("cut after %d", i), c.AccessKeyID, c.SessionToken[:i])
		}
	}
	for i := range c.AccessKeyID {
		bad := []byte(c.AccessKeyID)
		if bad[i]++; bad[i] > 'Z' {
			bad[i] = 'A'
		}
		f(fmt.Sprintf("access key id's character %d", i), string(bad), c.SessionToken)
	}
	f("line break inside", c.AccessKeyID, c.SessionToken[:9]+"\n"+c.SessionToken[9:])
	f("padding", c.AccessKeyID, c.SessionToken+"=")
	f("something after", c.AccessKeyID, c.SessionToken+"AAAA")
	f("too long", c.AccessKeyID, strings.Repeat("A", 1<<20))
}

// The empty token is no token: a temporary key without one is a key that nobody knows.
func TestTemporaryKeyNeedsItsToken(t *testing.T) {
	s, _, _ := newService(t)
	c, _ := assume(t, s, makeRole(t, s, "worker", ""))
	_, _, err := s.Lookup(t.Context(), c.AccessKeyID, "")
	wantCode(t, err, "InvalidAccessKeyId")
	k, _ := makeUser(t, s, "bob", "")
	_, _, err = s.Lookup(t.Context(), k.AccessKeyID, c.SessionToken)
	wantCode(t, err, "InvalidToken")
}

func TestMasterKeysRotate(t *testing.T) {
	s, m, clk := newService(t)
	r := makeRole(t, s, "worker", "")
	issue := func() Credentials {
		t.Helper()
		c, err := s.AssumeForService(t.Context(), r.ARN, []string{"lambda.amazonaws.com"}, "fn", 12*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	keys := func() int {
		list, err := m.List(t.Context(), ringTable, "")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	issue()
	clk.add(masterKeyAge - time.Second)
	late := issue()
	if keys() != 1 {
		t.Fatalf("%d master keys in the first day, want 1", keys())
	}
	clk.add(time.Second)
	next := issue()
	if keys() != 2 {
		t.Fatalf("%d master keys after a day, want 2", keys())
	}
	for _, at := range []*Service{s, openService(t, m, clk)} {
		for _, c := range []Credentials{late, next} {
			if _, _, err := at.Lookup(t.Context(), c.AccessKeyID, c.SessionToken); err != nil {
				t.Errorf("a token of an older key that is still kept: %v", err)
			}
		}
	}
	clk.add(longestSession + time.Second)
	issue()
	if keys() != 2 {
		t.Errorf("%d master keys once the first is out of use, want 2", keys())
	}
}

func FuzzClaims(f *testing.F) {
	for _, c := range []claims{
		{kind: RoleSession, id: "AROAABCDEFGHIJKLMNOPQ", session: "fn", Session: Session{Issued: testStart, Expires: testStart.Add(time.Hour)}},
		{kind: User, id: "AIDAABCDEFGHIJKLMNOPQ", Session: Session{Parent: "AKIAABCDEFGHIJKLMNOP", Expires: testStart, Via: []string{"a", "b"}, Bound: &Bound{Actions: []string{"s3:GetObject"}}}},
		{kind: RoleSession, id: "AROAABCDEFGHIJKLMNOPQ", session: "fn", Session: Session{
			Expires: testStart, Policy: allowIdentity, PolicyARNs: []string{"arn:aws:iam::aws:policy/X"},
			Tags: []Tag{{"team", "a"}}, Transitive: []string{"team"}, SourceIdentity: "bob",
		}},
	} {
		f.Add(c.encode())
	}
	f.Add([]byte{3, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeClaims(b)
		if err != nil {
			return
		}
		again, err := decodeClaims(c.encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("decoded %+v, then %+v (%v)", c, again, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	s, _, _ := newService(f)
	c, _ := assume(f, s, makeRole(f, s, "worker", ""))
	f.Add(c.AccessKeyID, c.SessionToken)
	f.Add("ASIA", "")
	f.Fuzz(func(t *testing.T, id, token string) {
		_, who, err := s.Lookup(context.Background(), id, token)
		if err == nil && (id != c.AccessKeyID || token != c.SessionToken) {
			t.Errorf("Lookup(%q, %q) found %v", id, token, who.Principal)
		}
	})
}

func TestCredentialsDoNotPrintSecrets(t *testing.T) {
	c := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "verysecret", SessionToken: "verytoken"}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("made", "key", c)
	fmt.Fprintf(&b, "%v %+v %s %#v %v", c, c, c, c, &c)
	if got := b.String(); strings.Contains(got, "very") || !strings.Contains(got, "AKIA...MPLE") {
		t.Errorf("printed %s", got)
	}
}

func TestIdentifiersHaveAWSsForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID("AROA", 17)
		if len(id) != 21 || strings.Trim(id, idAlphabet) != "" || seen[id] {
			t.Fatalf("unique id %q", id)
		}
		seen[id] = true
		if s := newSecret(); len(s) != 40 || seen[s] {
			t.Fatalf("secret of %d characters, or one made twice", len(s))
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s, _, _ := newService(b)
	c, _ := assume(b, s, makeRole(b, s, "worker", ""))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Lookup(b.Context(), c.AccessKeyID, c.SessionToken); err != nil {
			b.Fatal(err)
		}
	}
}
