package wire

import (
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

func TestForm(t *testing.T) {
	f, err := ParseForm("Action=CreateRole&&Version=1&Empty=&Path=%2Fa+b%2F&Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=x%3Dy&" +
		"Names.member.1=one&Names.member.2=two&Map.entry.1.key=k&Map.entry.1.value=v&Outer.Inner.Deep=1&Flag=true&N=12&Bad=x&Gap.member.2=x&Zero.member.0=x")
	if err != nil {
		t.Fatal(err)
	}
	if f.Get("Action") != "CreateRole" || f.Get("Path") != "/a b/" || f.Get("nosuch") != "" || !f.Has("Empty") || f.Has("nosuch") || f.At("Outer").At("Inner").Get("Deep") != "1" {
		t.Errorf("form = %+v", f)
	}
	tags, err := f.List("Tags")
	if err != nil || len(tags) != 2 || tags[0].Get("Key") != "a" || tags[0].Get("Value") != "x=y" || tags[1].Get("Key") != "b" || tags[1].Has("Value") {
		t.Errorf("tags = %v, %v", tags, err)
	}
	if names, err := f.Strings("Names"); err != nil || !reflect.DeepEqual(names, []string{"one", "two"}) {
		t.Errorf("names = %v, %v", names, err)
	}
	if m, err := f.Map("Map"); err != nil || !reflect.DeepEqual(m, map[string]string{"k": "v"}) {
		t.Errorf("map = %v, %v", m, err)
	}
	for _, name := range []string{"Empty", "nosuch"} {
		if list, err := f.Strings(name); err != nil || len(list) != 0 {
			t.Errorf("list %s = %v, %v, want none", name, list, err)
		}
	}
	for _, name := range []string{"Gap", "Zero"} {
		if _, err := f.List(name); !fault.Is(err, "MalformedQueryString") {
			t.Errorf("list %s: %v, want MalformedQueryString", name, err)
		}
	}
	if n, err := f.Int("N", 7); n != 12 || err != nil {
		t.Errorf("N = %d, %v", n, err)
	}
	if n, err := f.Int("nosuch", 7); n != 7 || err != nil {
		t.Errorf("nosuch = %d, %v", n, err)
	}
	if _, err := f.Int("Bad", 7); !fault.Is(err, "MalformedInput") {
		t.Errorf("Bad: %v, want MalformedInput", err)
	}
	if b, err := f.Bool("Flag"); !b || err != nil {
		t.Errorf("Flag = %v, %v", b, err)
	}
	if _, err := f.Bool("Bad"); !fault.Is(err, "MalformedInput") {
		t.Errorf("Bad: %v, want MalformedInput", err)
	}
	var none *Form
	if list, err := none.List("x"); none.Get("x") != "" || len(list) != 0 || err != nil {
		t.Error("a nil form has parameters")
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a parameter twice":         "A=1&A=2",
		"a broken name":             "%zz=1",
		"a broken value":            "A=%",
		"a name too deep":           strings.Repeat("a.", maxDepth) + "a=1",
		"a name too long":           strings.Repeat("a", maxNameLength+1) + "=1",
		"more parameters than many": strings.Repeat("a&", maxParameters),
	} {
		if _, err := ParseForm(text); !fault.Is(err, "MalformedQueryString") {
			t.Errorf("%s: %v, want MalformedQueryString", name, err)
		}
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add("Action=GetUser&Version=2010-05-08&UserName=bob")
	f.Add("Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=l")
	f.Add("M.entry.1.key=k&M.entry.1.value=v&a..b=&.=&=x&%41=%42+")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := ParseForm(text)
		if err != nil {
			if !fault.Is(err, "MalformedQueryString") {
				t.Errorf("ParseForm(%q): %v", text, err)
			}
			return
		}
		for name, p := range form.parts {
			if !form.Has(name) || form.Get(name) != p.value {
				t.Errorf("ParseForm(%q) has %q and has it not", text, name)
			}
			list, err := form.List(name)
			if err == nil && len(list) > len(text) {
				t.Errorf("ParseForm(%q) makes a list of %d", text, len(list))
			}
			_, _ = form.Map(name) // must not panic
		}
	})
}

func TestWriteQuery(t *testing.T) {
	f := func(name string, result any, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		WriteQuery(w, STS, "Do", "id-1", result)
		want = Header + `<DoResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">` + want + `<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DoResponse>`
		if got := w.Body.String(); got != want || w.Code != 200 || w.Header().Get("Content-Type") != "text/xml" {
			t.Errorf("%s: %d\n%s, want\n%s", name, w.Code, got, want)
		}
	}
	f("no result", nil, "")
	f("an empty result", struct{}{}, "<DoResult></DoResult>")
	f("a result", struct{ A string }{"<&"}, "<DoResult><A>&lt;&amp;</A></DoResult>")
}

func TestQueryFault(t *testing.T) {
	skew := func(at time.Time) error {
		return fault.New("RequestTimeTooSkewed", "x").With("RequestTime", at.Format("20060102T150405Z")).With("ServerTime", now.Format("2006-01-02T15:04:05Z"))
	}
	for _, c := range []struct {
		name    string
		err     error
		code    string
		status  int
		message string
	}{
		{"unknown key", fault.New("InvalidAccessKeyId", "x"), "InvalidClientTokenId", 403, "The security token included in the request is invalid."},
		{"bad token", fault.New("InvalidToken", "x"), "InvalidClientTokenId", 403, "The security token included in the request is invalid."},
		{"expired token", fault.New("ExpiredToken", "x"), "ExpiredToken", 403, "The security token included in the request is expired"},
		{"wrong hash", fault.New("XAmzContentSHA256Mismatch", "x"), "SignatureDoesNotMatch", 403, "Check your AWS Secret Access Key"},
		{"late", skew(now.Add(-time.Hour)), "SignatureDoesNotMatch", 403, "Signature expired: 20261124T110000Z is now earlier than 20261124T114500Z (20261124T120000Z - 15 min.)"},
		{"early", skew(now.Add(time.Hour)), "SignatureDoesNotMatch", 403, "Signature not yet current: 20261124T130000Z is still later than 20261124T121500Z (20261124T120000Z + 15 min.)"},
		{"presigned and late", fault.New("AccessDenied", "Request has expired").With("ServerTime", "x"), "SignatureDoesNotMatch", 403, "Signature expired: Request has expired."},
		{"no date", fault.New("AccessDenied", "no date"), "IncompleteSignature", 400, "no date."},
		{"malformed", fault.New("AuthorizationHeaderMalformed", "malformed"), "IncompleteSignature", 400, "malformed"},
		{"anything else", fault.New("NoSuchEntity", "x"), "NoSuchEntity", 404, "x"},
	} {
		f, ok := errors.AsType[*fault.Error](QueryFault(c.err))
		if !ok || f.Code != c.code || !strings.Contains(f.Message, c.message) || Status(f) != c.status {
			t.Errorf("%s: %v %d, want %s %d %s", c.name, f, Status(f), c.code, c.status, c.message)
		}
	}
}
