package iam

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key of one operator of a Condition block: all conditions of a statement must hold.
// IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or values".
type condition struct {
	key      string // in lower case
	name     string // the key as written
	operator string // as written
	test     test
	order    order // of a number or date
	negate   bool
	ifExists bool
	set      set
	values   []operand
	text     []string // the values as written
}

type test uint8

const (
	testString test = iota
	testStringFold
	testLike
	testNumber
	testDate
	testBool
	testBinary
	testIP
	testARN
	testNull
)

// order is how a number or date of the request must stand to the policy's value.
type order uint8

const (
	equalTo order = iota
	lessThan
	atMost
	greaterThan
	atLeast
)

func (o order) holds(cmp int) bool {
	switch o {
	case lessThan:
		return cmp < 0
	case atMost:
		return cmp <= 0
	case greaterThan:
		return cmp > 0
	case atLeast:
		return cmp >= 0
	}
	return cmp == 0
}

// set is the quantifier over the values of a key in the request.
type set uint8

const (
	noSet set = iota
	forAll
	forAny
)

// operand is one value of the policy, compiled for its test.
type operand struct {
	pattern pattern
	arn     arnPattern
	number  decimal
	at      time.Time
	prefix  netip.Prefix
	bytes   string
	absent  bool // of Null
}

type operatorRow struct {
	test   test
	order  order
	negate bool
}

// operators are the condition operators by name in lower case. It is never written to.
var operators = map[string]operatorRow{
	"stringequals":              {testString, equalTo, false},
	"stringnotequals":           {testString, equalTo, true},
	"stringequalsignorecase":    {testStringFold, equalTo, false},
	"stringnotequalsignorecase": {testStringFold, equalTo, true},
	"stringlike":                {testLike, equalTo, false},
	"stringnotlike":             {testLike, equalTo, true},
	"numericequals":             {testNumber, equalTo, false},
	"numericnotequals":          {testNumber, equalTo, true},
	"numericlessthan":           {testNumber, lessThan, false},
	"numericlessthanequals":     {testNumber, atMost, false},
	"numericgreaterthan":        {testNumber, greaterThan, false},
	"numericgreaterthanequals":  {testNumber, atLeast, false},
	"dateequals":                {testDate, equalTo, false},
	"datenotequals":             {testDate, equalTo, true},
	"datelessthan":              {testDate, lessThan, false},
	"datelessthanequals":        {testDate, atMost, false},
	"dategreaterthan":           {testDate, greaterThan, false},
	"dategreaterthanequals":     {testDate, atLeast, false},
	"bool":                      {testBool, equalTo, false},
	"binaryequals":              {testBinary, equalTo, false},
	"ipaddress":                 {testIP, equalTo, false},
	"notipaddress":              {testIP, equalTo, true},
	"arnequals":                 {testARN, equalTo, false},
	"arnlike":                   {testARN, equalTo, false},
	"arnnotequals":              {testARN, equalTo, true},
	"arnnotlike":                {testARN, equalTo, true},
	"null":                      {testNull, equalTo, false},
}

var errOperator = errors.New("unknown condition operator")

// compileCondition reads operator, key and values. Values that the operator cannot compare are an error.
func compileCondition(operator, key string, values []string, variables bool) (condition, error) {
	c := condition{key: strings.ToLower(key), name: key, operator: operator, text: values}
	name := strings.ToLower(operator)
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		name, c.set = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		name, c.set = rest, forAny
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	row, ok := operators[name]
	if !ok || row.test == testNull && (c.ifExists || c.set != noSet) {
		return c, fmt.Errorf("%w %q", errOperator, operator)
	}
	c.test, c.order, c.negate = row.test, row.order, row.negate
	for _, text := range values {
		v, err := compileOperand(c.test, text, variables)
		if err != nil {
			return c, fmt.Errorf("value %q of %s: %w", text, key, err)
		}
		c.values = append(c.values, v)
	}
	return c, nil
}

var errAddress = errors.New("not an IP address or CIDR block")

func compileOperand(t test, text string, variables bool) (v operand, err error) {
	var ok bool
	switch t {
	case testString, testStringFold:
		v.pattern, err = compilePattern(text, syntax{variables: variables})
		return v, err
	case testLike:
		v.pattern, err = compilePattern(text, syntax{wildcards: true, variables: variables})
		return v, err
	case testARN:
		v.arn, err = compileConditionARN(text, variables)
		return v, err
	case testBool:
		v.pattern, err = compilePattern(text, syntax{variables: variables})
		ok = v.pattern.variables || isBool(text)
	case testNumber:
		v.number, ok = parseDecimal(text)
	case testDate:
		v.at, ok = parseDate(text)
	case testBinary:
		v.bytes, ok = decodeBinary(text)
	case testIP:
		if v.prefix, ok = parseCIDR(text); !ok {
			return v, errAddress
		}
	case testNull:
		v.absent, ok = strings.EqualFold(text, "true"), isBool(text)
	}
	if err == nil && !ok {
		err = errors.New("cannot be compared by this operator")
	}
	return v, err
}

// compileConditionARN reads the value of an Arn operator: an ARN of six parts, or one variable that holds a whole ARN.
func compileConditionARN(text string, variables bool) (arnPattern, error) {
	x := syntax{wildcards: true, variables: variables}
	if p, err := compilePattern(text, x); err == nil && variables && len(p.chunks) == 1 && len(p.chunks[0]) == 1 &&
		p.chunks[0][0].kind == variable {
		return arnPattern{whole: &p}, nil
	}
	return compileARN(text, x)
}

// holds reports whether the condition is met by the request's keys.
func (c *condition) holds(ctx Context) bool {
	got := ctx[c.key]
	if c.test == testNull {
		absent := empty(got)
		return slices.ContainsFunc(c.values, func(v operand) bool { return v.absent == absent })
	}
	switch c.set {
	case forAll:
		if empty(got) {
			return true
		}
		for _, s := range got {
			if !c.accepts(s, ctx) {
				return false
			}
		}
		return true
	case forAny:
		// IfExists does not help here: without a value there is no value that fits.
	default:
		if len(got) == 0 {
			return c.negate || c.ifExists
		}
		// Several values without a set operator count as ForAnyValue: docs/aws-differences.md.
	}
	for _, s := range got {
		if c.accepts(s, ctx) {
			return true
		}
	}
	return false
}

// empty reports whether a key has no value, or nothing but empty text.
func empty(values []string) bool {
	for _, s := range values {
		if s != "" {
			return false
		}
	}
	return true
}

// accepts reports whether one value of the request satisfies the operator against the policy's values: one of them fits,
// or none for a negated operator.
func (c *condition) accepts(s string, ctx Context) bool {
	for i := range c.values {
		if c.fits(&c.values[i], s, ctx) {
			return !c.negate
		}
	}
	return c.negate
}

// fits compares one value of the request with one of the policy. What cannot be read does not fit.
func (c *condition) fits(v *operand, s string, ctx Context) bool {
	switch c.test {
	case testString, testLike:
		return v.pattern.match(s, ctx, false)
	case testStringFold:
		want, ok := v.pattern.substitute(ctx)
		return ok && strings.EqualFold(want, s)
	case testBool:
		want, ok := v.pattern.substitute(ctx)
		return ok && isBool(want) && strings.EqualFold(want, s)
	case testARN:
		return v.arn.match(s, ctx)
	case testNumber:
		n, ok := parseDecimal(s)
		return ok && c.order.holds(n.compare(v.number))
	case testDate:
		at, ok := parseDate(s)
		return ok && c.order.holds(at.Compare(v.at))
	case testBinary:
		got, ok := decodeBinary(s)
		return ok && got == v.bytes
	case testIP:
		addr, err := netip.ParseAddr(s)
		return err == nil && v.prefix.Contains(addr.Unmap().WithZone(""))
	}
	return false
}

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func decodeBinary(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err == nil
}

// parseCIDR reads a block or a single address. An IPv4 block in IPv6 form is the IPv4 block.
func parseCIDR(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), err == nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// dateForms are the forms of W3C's "Date and Time Formats", a profile of ISO 8601. Fractions of a second are read too.
var dateForms = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

// parseDate reads a date or seconds since 1970. Four digits are a year.
func parseDate(s string) (time.Time, bool) {
	if len(s) != 4 && strings.Trim(s, "0123456789") == "" {
		sec, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(sec, 0), err == nil && sec < 1<<40
	}
	for _, form := range dateForms {
		if len(form) > len("2006-01-02") == (len(s) > len("2006-01-02")) {
			if at, err := time.Parse(form, s); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// decimal is an integer or decimal number, compared exactly whatever its length. Both parts are digits; whole has no
// leading and fraction no trailing zeros.
type decimal struct {
	negative        bool
	whole, fraction string
}

func parseDecimal(s string) (d decimal, ok bool) {
	if s == "" {
		return d, false
	}
	if s[0] == '-' || s[0] == '+' {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	d.whole, d.fraction, _ = strings.Cut(s, ".")
	if d.whole == "" && d.fraction == "" || strings.Trim(d.whole, "0123456789") != "" || strings.Trim(d.fraction, "0123456789") != "" {
		return decimal{}, false
	}
	d.whole, d.fraction = strings.TrimLeft(d.whole, "0"), strings.TrimRight(d.fraction, "0")
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := len(d.whole) - len(e.whole)
	if c == 0 {
		c = strings.Compare(d.whole, e.whole)
	}
	if c == 0 {
		c = strings.Compare(d.fraction, e.fraction)
	}
	if d.negative {
		return -c
	}
	return c
}
