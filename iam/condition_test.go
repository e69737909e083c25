package iam

import (
	"encoding/json"
	"strings"
	"testing"
)

// conditionHolds evaluates one Condition block, given as JSON, in version 2012-10-17.
func conditionHolds(t *testing.T, block string, ctx Context) bool {
	t.Helper()
	p, err := Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":`+block+`}}`), IdentityPolicy)
	if err != nil {
		t.Fatalf("condition %s: %v", block, err)
	}
	return p.doc.statements[0].conditionsHold(ctx)
}

func TestConditionOperators(t *testing.T) {
	const none = "\x00" // the key is absent
	for _, c := range []struct {
		operator, values, got string
		want                  bool
	}{
		{"StringEquals", `"a"`, "a", true},
		{"StringEquals", `"a"`, "A", false},
		{"StringEquals", `["a","b"]`, "b", true},
		{"StringEquals", `"a*"`, "ab", false},
		{"StringEquals", `"a"`, none, false},
		{"StringNotEquals", `"a"`, "b", true},
		{"StringNotEquals", `["a","b"]`, "b", false},
		{"StringNotEquals", `"a"`, none, true},
		{"StringEqualsIgnoreCase", `"straße"`, "STRAßE", true},
		{"StringEqualsIgnoreCase", `"x"`, "y", false},
		{"StringNotEqualsIgnoreCase", `"X"`, "x", false},
		{"StringNotEqualsIgnoreCase", `"X"`, none, true},
		{"StringLike", `"a*/?"`, "abc/d", true},
		{"StringLike", `"a*/?"`, "abc/", false},
		{"StringNotLike", `"a*"`, "ab", false},
		{"StringNotLike", `"a*"`, "b", true},
		{"NumericEquals", `"10"`, "10.0", true},
		{"NumericEquals", `10`, "010", true},
		{"NumericEquals", `"10"`, "ten", false},
		{"NumericNotEquals", `"10"`, "ten", true},
		{"NumericNotEquals", `"10"`, "10", false},
		{"NumericLessThan", `"10"`, "9.999", true},
		{"NumericLessThan", `"10"`, "10", false},
		{"NumericLessThan", `"-1"`, "-2", true},
		{"NumericLessThanEquals", `"1.2"`, "1.2", true},
		{"NumericGreaterThan", `"9007199254740992"`, "9007199254740993", true},
		{"NumericGreaterThan", `"1.2"`, "1.10", false},
		{"NumericGreaterThanEquals", `"-0"`, "0", true},
		{"DateEquals", `"2026-01-01T00:00:00Z"`, "1767225600", true},
		{"DateEquals", `"2026-01-01"`, "2026-01-01T01:00:00+01:00", true},
		{"DateNotEquals", `"2026"`, "2026-01-01T00:00:00Z", false},
		{"DateNotEquals", `"2026"`, "yesterday", true},
		{"DateLessThan", `"2026-01-01T00:00:00Z"`, "2025-12-31T23:59:59Z", true},
		{"DateLessThan", `"2026-01-01T00:00:00Z"`, "2026-01-01T00:00:00Z", false},
		{"DateLessThan", `"2026-01-01T00:00:00Z"`, none, false},
		{"DateLessThanEquals", `"2026-01-01T00:00Z"`, "2026-01-01T00:00:00Z", true},
		{"DateGreaterThan", `1767225600`, "2026-01-01T00:00:00.5Z", true},
		{"DateGreaterThanEquals", `"2026-01"`, "2025-12-31", false},
		{"Bool", `true`, "true", true},
		{"Bool", `"TRUE"`, "true", true},
		{"Bool", `"false"`, "true", false},
		{"Bool", `"false"`, none, false},
		{"Bool", `"false"`, "no", false},
		{"BinaryEquals", `"AQID"`, "AQID", true},
		{"BinaryEquals", `"AQID"`, "AQIE", false},
		{"BinaryEquals", `"AQID"`, "!", false},
		{"IpAddress", `"203.0.113.0/24"`, "203.0.113.9", true},
		{"IpAddress", `"203.0.113.0/24"`, "203.0.114.9", false},
		{"IpAddress", `"203.0.113.9"`, "::ffff:203.0.113.9", true},
		{"IpAddress", `"::ffff:203.0.113.0/120"`, "203.0.113.9", true},
		{"IpAddress", `"10.1.2.3/8"`, "10.9.9.9", true},
		{"IpAddress", `"2001:db8::/32"`, "2001:db8:1::1", true},
		{"IpAddress", `"fe80::1"`, "fe80::1%eth0", true},
		{"IpAddress", `"2001:db8::/32"`, "203.0.113.9", false},
		{"IpAddress", `"0.0.0.0/0"`, "not an address", false},
		{"IpAddress", `"0.0.0.0/0"`, none, false},
		{"NotIpAddress", `"203.0.113.0/24"`, "203.0.113.9", false},
		{"NotIpAddress", `"203.0.113.0/24"`, "not an address", true},
		{"NotIpAddress", `"203.0.113.0/24"`, none, true},
		{"ArnEquals", `"arn:aws:s3:::b*"`, "arn:aws:s3:::bucket", true},
		{"ArnLike", `"arn:aws:cloudfront::111122223333:distribution/*"`, "arn:aws:cloudfront::111122223333:distribution/E1", true},
		{"ArnLike", `"arn:aws:x:*:111122223333:finance/*"`, "arn:aws:x:us-east-2:999999999999:store/abc:111122223333:finance/d", false},
		{"ArnLike", `"arn:aws:s3:::b"`, "b", false},
		{"ArnNotEquals", `"arn:aws:s3:::b"`, "arn:aws:s3:::c", true},
		{"ArnNotLike", `"arn:aws:s3:::*"`, "arn:aws:s3:::c", false},
		{"ArnNotLike", `"arn:aws:s3:::*"`, none, true},
		{"Null", `"true"`, none, true},
		{"Null", `true`, "x", false},
		{"Null", `"false"`, "x", true},
		{"Null", `"false"`, "", false},
		{"StringEqualsIfExists", `"a"`, none, true},
		{"StringEqualsIfExists", `"a"`, "b", false},
		{"BoolIfExists", `"false"`, none, true},
		{"StringNotEqualsIfExists", `"a"`, "a", false},
		{"IpAddressIfExists", `"10.0.0.0/8"`, "192.0.2.1", false},
		{"ForAllValues:StringLike", `"a*"`, none, true},
		{"ForAllValues:StringLike", `"a*"`, "", true},
		{"ForAnyValue:StringEquals", `"a"`, none, false},
		{"ForAnyValue:StringNotEquals", `"a"`, none, false},
		{"ForAnyValue:StringEqualsIfExists", `"a"`, none, false},
		{"ForAllValues:StringEqualsIfExists", `"a"`, none, true},
		{"stringequals", `"a"`, "a", true},
		{"FORANYVALUE:stringlikeIFEXISTS", `"a*"`, "ab", true},
	} {
		ctx := Context{}
		if c.got != none {
			ctx["aws:key"] = []string{c.got}
		}
		got := conditionHolds(t, `{"`+c.operator+`":{"aws:Key":`+c.values+`}}`, ctx)
		if got != c.want {
			t.Errorf("%s %s with %q: %v, want %v", c.operator, c.values, strings.ReplaceAll(c.got, none, "no value"), got, c.want)
		}
	}
}

func TestConditionOfSeveralValues(t *testing.T) {
	for _, c := range []struct {
		name, block string
		values      []string
		want        bool
	}{
		{"all values are in the list", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, []string{"a", "b"}, true},
		{"one value is not in the list", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, []string{"a", "c"}, false},
		{"no value is in the forbidden list", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, []string{"c", "d"}, true},
		{"one value is in the forbidden list", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, []string{"c", "a"}, false},
		{"some value is in the list", `{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"}}`, []string{"b", "a"}, true},
		{"some value is outside the list", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, []string{"a", "c"}, true},
		{"no value is outside the list", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","b"]}}`, []string{"a", "b"}, false},
		{"without a set operator one value is enough", `{"StringEquals":{"aws:TagKeys":"a"}}`, []string{"b", "a"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := conditionHolds(t, c.block, Context{"aws:tagkeys": c.values}); got != c.want {
				t.Errorf("%s with %q: %v, want %v", c.block, c.values, got, c.want)
			}
		})
	}
}

func TestConditionsAreAllNeeded(t *testing.T) {
	const block = `{"StringEquals":{"a:x":"1","a:y":"2"},"Bool":{"a:z":"true"}}`
	for _, c := range []struct {
		ctx  Context
		want bool
	}{
		{Context{"a:x": {"1"}, "a:y": {"2"}, "a:z": {"true"}}, true},
		{Context{"a:x": {"1"}, "a:y": {"3"}, "a:z": {"true"}}, false},
		{Context{"a:x": {"1"}, "a:y": {"2"}, "a:z": {"false"}}, false},
		{Context{"a:x": {"1"}, "a:y": {"2"}}, false},
		{nil, false},
	} {
		if got := conditionHolds(t, block, c.ctx); got != c.want {
			t.Errorf("with %v: %v, want %v", c.ctx, got, c.want)
		}
	}
}

func TestConditionVariables(t *testing.T) {
	ctx := Context{
		"aws:username": {"bob"}, "s3:prefix": {"home/bob/x"}, "aws:principalarn": {"arn:aws:iam::111122223333:role/r"},
		"aws:sourcearn": {"arn:aws:iam::111122223333:role/r"}, "aws:flag": {"TRUE"}, "aws:same": {"Bob"},
	}
	for _, c := range []struct {
		block string
		want  bool
	}{
		{`{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}`, true},
		{`{"StringLike":{"s3:prefix":"home/${aws:userid}/*"}}`, false},
		{`{"StringNotLike":{"s3:prefix":"home/${aws:userid}/*"}}`, true},
		{`{"StringLike":{"s3:prefix":"home/${aws:userid, 'bob'}/*"}}`, true},
		{`{"StringEqualsIgnoreCase":{"aws:same":"${aws:username}"}}`, true},
		{`{"StringEqualsIgnoreCase":{"aws:same":"x${aws:username}"}}`, false},
		{`{"ArnEquals":{"aws:SourceArn":"${aws:PrincipalArn}"}}`, true},
		{`{"ArnEquals":{"aws:SourceArn":"arn:aws:iam::111122223333:role/${aws:username}"}}`, false},
		{`{"Bool":{"aws:flag":"${aws:flag}"}}`, true},
		{`{"Bool":{"aws:flag":"${aws:username}"}}`, false},
	} {
		if got := conditionHolds(t, c.block, ctx); got != c.want {
			t.Errorf("%s: %v, want %v", c.block, got, c.want)
		}
	}
}

func TestConditionsThatCannotBeComparedAreRefused(t *testing.T) {
	for _, block := range []string{
		`{"NumericEquals":{"a:b":"x"}}`, `{"NumericEquals":{"a:b":"1e3"}}`, `{"NumericEquals":{"a:b":""}}`, `{"NumericEquals":{"a:b":"${a:c}"}}`,
		`{"DateEquals":{"a:b":"soon"}}`, `{"Bool":{"a:b":"yes"}}`, `{"BinaryEquals":{"a:b":"?"}}`, `{"IpAddress":{"a:b":"10.0.0.0/33"}}`,
		`{"IpAddress":{"a:b":"x"}}`, `{"Null":{"a:b":"x"}}`, `{"NullIfExists":{"a:b":"true"}}`, `{"ForAnyValue:Null":{"a:b":"true"}}`,
		`{"ArnLike":{"a:b":"*"}}`, `{"StringSame":{"a:b":"x"}}`, `{"":{"a:b":"x"}}`, `{"ForSomeValues:StringEquals":{"a:b":"x"}}`,
		`{"StringEquals":{"a:b":[]}}`, `{"StringEquals":{"a:b":null}}`, `{"StringEquals":{"a:b":{}}}`, `{"StringEquals":{"a:b":[["x"]]}}`,
		`{"StringEquals":{"ab":"x"}}`, `{"StringEquals":"x"}`, `[]`, `"x"`, `{"StringLike":{"a:b":"${"}}`,
	} {
		doc := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":` + block + `}}`
		if !json.Valid([]byte(doc)) {
			t.Fatalf("test is wrong: %s", doc)
		}
		if _, err := Parse([]byte(doc), IdentityPolicy); err == nil {
			t.Errorf("condition %s is accepted", block)
		}
	}
}
