package iam

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestPattern(t *testing.T) {
	ctx := Context{"aws:username": {"*"}, "aws:principaltag/team": {"red"}, "two": {"a", "b"}, "s3:prefix": {"a?b"}}
	all := syntax{wildcards: true, variables: true}
	for _, c := range []struct {
		name    string
		pattern string
		x       syntax
		text    string
		want    bool
	}{
		{"plain text is itself", "a/b", all, "a/b", true},
		{"plain text is case-sensitive", "a/b", all, "a/B", false},
		{"empty pattern is empty text", "", all, "", true},
		{"empty pattern is no other text", "", all, "a", false},
		{"star is anything", "*", all, "a/b:c", true},
		{"star is nothing too", "a*", all, "a", true},
		{"two stars are one", "a**b", all, "axb", true},
		{"star crosses slashes", "a/*/d", all, "a/b/c/d", true},
		{"star takes back a wrong first end", "*ab", all, "aab", true},
		{"middle parts stand in order", "*a*b*", all, "ba", false},
		{"prefix and suffix may not overlap", "aba*aba", all, "aba", false},
		{"question mark is one character", "a?c", all, "abc", true},
		{"question mark is not no character", "a?c", all, "ac", false},
		{"question mark is a whole character of several bytes", "a?c", all, "a€c", true},
		{"without wildcards a star is a star", "a*", syntax{}, "ab", false},
		{"variable is its value", "x/${aws:PrincipalTag/team}/y", all, "x/red/y", true},
		{"variable's value is no wildcard", "home/${aws:username}/f", all, "home/bob/f", false},
		{"variable's value is literal text", "home/${aws:username}/f", all, "home/*/f", true},
		{"question mark in a value is literal", "${s3:prefix}", all, "axb", false},
		{"variable without a value matches nothing", "home/${aws:userid}*", all, "home/", false},
		{"variable of two values matches nothing", "${two}", all, "a", false},
		{"default stands in for a missing value", "${aws:userid, 'nobody'}/x", all, "nobody/x", true},
		{"default does not replace a value", "${aws:PrincipalTag/team, 'blue'}", all, "red", true},
		{"empty default is a value", "a${x:y, ''}b", all, "ab", true},
		{"default may hold a brace", "${x:y, 'a}b'}", all, "a}b", true},
		{"escaped star is a star", "a${*}", all, "a*", true},
		{"escaped star is no wildcard", "a${*}", all, "ab", false},
		{"escaped question mark and dollar", "${?}${$}", all, "?$", true},
		{"dollar without a brace is a dollar", "a$b", all, "a$b", true},
		{"without variables ${...} is text", "${aws:username}", syntax{wildcards: true}, "${aws:username}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := compilePattern(c.pattern, c.x)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.match(c.text, ctx, false); got != c.want {
				t.Errorf("match(%q, %q) = %v, want %v", c.pattern, c.text, got, c.want)
			}
		})
	}
}

func TestBrokenVariablesAreRefused(t *testing.T) {
	for _, text := range []string{"${", "${}", "${a", "${a,'b'}", "${a, b}", "${a, 'b}", "${a, 'b'", "${a${b}}", "${'a'}"} {
		if p, err := compilePattern(text, syntax{wildcards: true, variables: true}); err == nil {
			t.Errorf("compilePattern(%q) = %+v, want an error", text, p)
		}
	}
}

func TestActionsAreCompared(t *testing.T) {
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{
		{"s3:getobject", "s3:GetObject", true},
		{"s3:get*", "S3:GETOBJECT", true},
		{"s3:*acl", "s3:PutObjectAcl", true},
		{"s3:*get*acl", "s3:PutGetAclX", false},
		{"s3:get?bject", "s3:GetObject", true},
		{"s3:get*", "s3-object-lambda:GetObject", false},
	} {
		p, err := compilePattern(c.pattern, syntax{wildcards: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(c.action, nil, true); got != c.want {
			t.Errorf("%q covers %q: %v, want %v", c.pattern, c.action, got, c.want)
		}
	}
}

func TestARNPattern(t *testing.T) {
	for _, c := range []struct {
		name, pattern, text string
		want                bool
	}{
		{"key below a bucket", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", true},
		{"bucket itself is not below it", "arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
		{"dots in a key are not followed", "arn:aws:s3:::b/a/*", "arn:aws:s3:::b/../b/a/x", false},
		{"star in the region", "arn:aws:logs:*:111122223333:*", "arn:aws:logs:us-east-1:111122223333:log-group:/x:*", true},
		{"star in a part swallows no colon", "arn:aws:x:*:111122223333:finance/*", "arn:aws:x:us-east-2:999999999999:store/abc:111122223333:finance/d", false},
		{"question mark in the account", "arn:aws:s3:r:11112222333?:accesspoint/a", "arn:aws:s3:r:111122223333:accesspoint/a", true},
		{"too few parts never fit", "arn:*:*:*:*:*", "arn:aws:s3", false},
		{"a star is no ARN", "arn:*:*:*:*:*", "*", false},
		{"resource is case-sensitive", "arn:aws:s3:::b/A", "arn:aws:s3:::b/a", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := compileARN(c.pattern, syntax{wildcards: true, variables: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := a.match(c.text, nil); got != c.want {
				t.Errorf("match(%q, %q) = %v, want %v", c.pattern, c.text, got, c.want)
			}
		})
	}
	for _, text := range []string{"", "*:", "arn:aws:s3::b", "x:aws:s3:::b", "arn:aws:iam::${aws:PrincipalAccount}:role/x"} {
		if _, err := compileARN(text, syntax{wildcards: true, variables: true}); err == nil {
			t.Errorf("compileARN(%q) gave no error", text)
		}
	}
}

// translate writes a glob as a regular expression: the independent reading of what * and ? mean.
func translate(glob string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, r := range glob {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func FuzzGlobAgainstRegexp(f *testing.F) {
	for _, s := range [][2]string{
		{"a*b?c*", "axxbyc"}, {"*ab*ab", "ababab"}, {"?*?", "€"}, {"**a**", "ba"}, {"a*a*a", "aa"}, {"*.jpg", "x/é.jpg"}, {"*?b", "\xffab"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, glob, text string) {
		if !utf8.ValidString(glob) || len(glob) > 64 {
			t.Skip()
		}
		p, err := compilePattern(glob, syntax{wildcards: true})
		if err != nil {
			t.Fatalf("compilePattern(%q): %v", glob, err)
		}
		if got, want := p.match(text, nil, false), translate(glob).MatchString(text); got != want {
			t.Errorf("match(%q, %q) = %v, regexp says %v", glob, text, got, want)
		}
	})
}

func TestHardPatternsEndSoon(t *testing.T) {
	p, err := compilePattern(strings.Repeat("a*", 200)+"b", syntax{wildcards: true})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if p.match(strings.Repeat("a", 10000), nil, false) {
		t.Error("a...a matches a*...a*b")
	}
	// A matcher that tries again from every star would not end in this universe's time.
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
