package signedurl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/cloudfront/sign"

	"glassine/aws/awscli"
)

var now = time.Unix(1_900_000_000, 0)

// pair is a key that signs and the same as Verify wants it.
type pair struct {
	signer crypto.Signer
	key    Key
}

var newPairs = sync.OnceValue(func() map[string]pair {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	out := map[string]pair{}
	for id, s := range map[string]crypto.Signer{"KRSA": r, "KEC": e} {
		k, err := ParseKey(encodeKey(s.Public()))
		if err != nil {
			panic(err)
		}
		out[id] = pair{s, k}
	}
	return out
})

func encodeKey(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func trusted() map[string]Key {
	keys := map[string]Key{}
	for id, p := range newPairs() {
		keys[id] = p.key
	}
	return keys
}

// request is a viewer's request for rawURL.
func request(rawURL string, cookies ...*http.Cookie) Request {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	host, rest, _ := strings.Cut(rest, "/")
	path, query, _ := strings.Cut("/"+rest, "?")
	h := http.Header{}
	for _, c := range cookies {
		h.Add("Cookie", c.Name+"="+c.Value)
	}
	return Request{Scheme: scheme, Host: host, Path: path, RawQuery: query, Header: h, Viewer: netip.MustParseAddr("203.0.113.7")}
}

// want checks the outcome: kind -1 is success with the query rest.
func want(t *testing.T, name string, r Request, at time.Time, kind int, rest string) {
	t.Helper()
	got, err := Verify(r, trusted(), at)
	if kind < 0 {
		if err != nil || got != rest {
			t.Errorf("%s: Verify(%s?%s) = %q, %v, want %q", name, r.Path, r.RawQuery, got, err, rest)
		}
		return
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Kind(kind) {
		t.Errorf("%s: Verify(%s?%s) = %q, %v, want %q", name, r.Path, r.RawQuery, got, err, Kind(kind))
	}
}

const ok = -1

// What the AWS SDK for Go signs is accepted, and nothing that was changed afterwards.
func TestVerifySDK(t *testing.T) {
	t.Parallel()
	const plain = "https://d111.cloudfront.net/a%20b/c.jpg?size=1&x=%2F"
	for id, p := range newPairs() {
		signer := sign.NewURLSigner(id, p.signer)
		canned, err := signer.Sign(plain, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		want(t, id+" canned", request(canned), now, ok, "size=1&x=%2F")
		want(t, id+" canned, the last second", request(canned), now.Add(time.Hour-time.Second), ok, "size=1&x=%2F")
		want(t, id+" canned, expired", request(canned), now.Add(time.Hour), int(Expired), "")
		want(t, id+" canned, another query", request(strings.Replace(canned, "size=1", "size=2", 1)), now, int(BadSignature), "")
		want(t, id+" canned, another path", request(strings.Replace(canned, "c.jpg", "d.jpg", 1)), now, int(BadSignature), "")
		want(t, id+" canned, another scheme", request(strings.Replace(canned, "https:", "http:", 1)), now, int(BadSignature), "")
		want(t, id+" canned, a later Expires", request(strings.Replace(canned, "Expires=1", "Expires=2", 1)), now, int(BadSignature), "")
		want(t, id+" canned, another key", request(strings.Replace(canned, "Key-Pair-Id="+id, "Key-Pair-Id=KX", 1)), now, int(UnknownKey), "")

		policy := &sign.Policy{Statements: []sign.Statement{{
			Resource: "https://*.cloudfront.net/a*/*", Condition: sign.Condition{
				IPAddress: &sign.IPAddress{SourceIP: "203.0.113.0/24"}, DateLessThan: sign.NewAWSEpochTime(now.Add(time.Hour)),
				DateGreaterThan: sign.NewAWSEpochTime(now.Add(-time.Hour)),
			},
		}}}
		custom, err := signer.SignWithPolicy(plain, policy)
		if err != nil {
			t.Fatal(err)
		}
		want(t, id+" custom", request(custom), now, ok, "size=1&x=%2F")
		want(t, id+" custom, another file of the resource", request(strings.Replace(custom, "c.jpg?size=1", "d.jpg?size=7", 1)), now, ok, "size=7&x=%2F")
		want(t, id+" custom, outside the resource", request(strings.Replace(custom, "/a%20b", "/b", 1)), now, int(OtherResource), "")
		want(t, id+" custom, too early", request(custom), now.Add(-time.Hour), int(NotYet), "")
		want(t, id+" custom, too late", request(custom), now.Add(time.Hour), int(Expired), "")
		elsewhere := request(custom)
		elsewhere.Viewer = netip.MustParseAddr("198.51.100.1")
		want(t, id+" custom, another address", elsewhere, now, int(OtherAddress), "")
		elsewhere.Viewer = netip.MustParseAddr("::ffff:203.0.113.9")
		want(t, id+" custom, an IPv4 address on an IPv6 socket", elsewhere, now, ok, "size=1&x=%2F")
	}
}

func TestVerifySDKCookies(t *testing.T) {
	t.Parallel()
	signer := sign.NewCookieSigner("KRSA", newPairs()["KRSA"].signer.(*rsa.PrivateKey))
	// The SDK's cookies always have a custom policy.
	cookies, err := signer.Sign("http*://d111.cloudfront.net/a/*", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "cookies", request("https://d111.cloudfront.net/a/b?c=d", cookies...), now, ok, "c=d")
	want(t, "cookies, elsewhere", request("https://d111.cloudfront.net/b", cookies...), now, int(OtherResource), "")
	want(t, "cookies, late", request("https://d111.cloudfront.net/a/b", cookies...), now.Add(time.Hour), int(Expired), "")
	oneLine := request("https://d111.cloudfront.net/a/b")
	var all []string
	for _, c := range cookies {
		all = append(all, c.Name+"="+c.Value)
	}
	oneLine.Header.Set("Cookie", "x=y; "+strings.Join(all, "; "))
	want(t, "cookies on one line", oneLine, now, ok, "")
	want(t, "a query with a signature counts before cookies", request("https://d111.cloudfront.net/a/b?Key-Pair-Id=KRSA", cookies...), now, int(MissingSignature), "")
}

// aws-cli signs the same way as botocore's CloudFrontSigner, with which it is made.
func TestVerifyAWSCLI(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.pem")
	key := newPairs()["KRSA"].signer.(*rsa.PrivateKey)
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(more ...string) string {
		args := append([]string{
			"cloudfront", "sign", "--url", "https://d111.cloudfront.net/a.jpg?b=c", "--key-pair-id", "KRSA",
			"--private-key", "file://" + file, "--date-less-than", "1900003600",
		}, more...)
		out, err := awscli.Command(t.Context(), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("aws %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	canned := run()
	want(t, "aws-cli canned", request(canned), now, ok, "b=c")
	want(t, "aws-cli canned, late", request(canned), now.Add(time.Hour), int(Expired), "")
	custom := run("--date-greater-than", "1899990000", "--ip-address", "203.0.113.7")
	want(t, "aws-cli custom", request(custom), now, ok, "b=c")
	want(t, "aws-cli custom, early", request(custom), time.Unix(1899990000, 0), int(NotYet), "")
}

// signURL signs by hand, for what no SDK here does.
func signURL(p pair, id, rawURL, policy, hash string) string {
	var sum []byte
	h := crypto.SHA1
	if hash == "SHA256" {
		s := sha256.Sum256([]byte(policy))
		sum, h = s[:], crypto.SHA256
	} else {
		s := sha1.Sum([]byte(policy))
		sum = s[:]
	}
	signature, err := p.signer.Sign(rand.Reader, sum, h)
	if err != nil {
		panic(err)
	}
	b64 := func(b []byte) string {
		return strings.NewReplacer("+", "-", "=", "_", "/", "~").Replace(base64.StdEncoding.EncodeToString(b))
	}
	q := "?"
	if strings.Contains(rawURL, "?") {
		q = "&"
	}
	rawURL += q + "Policy=" + b64([]byte(policy)) + "&Signature=" + b64(signature) + "&Key-Pair-Id=" + id
	if hash != "" {
		rawURL += "&Hash-Algorithm=" + hash
	}
	return rawURL
}

func TestHashAlgorithm(t *testing.T) {
	t.Parallel()
	const policy = `{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1900003600}}}]}`
	for id, p := range newPairs() {
		signed := signURL(p, id, "https://a.example/b?c=d", policy, "SHA256")
		want(t, id+" SHA-256", request(signed), now, ok, "c=d")
		want(t, id+" SHA-256 read as SHA-1", request(strings.Replace(signed, "&Hash-Algorithm=SHA256", "", 1)), now, int(BadSignature), "")
		want(t, id+" a hash that is not known", request(strings.Replace(signed, "SHA256", "MD5", 1)), now, int(BadSignature), "")
		cookies := request("https://a.example/b")
		values, _ := url.ParseQuery(strings.SplitN(signed, "?", 2)[1])
		for _, name := range []string{"Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"} {
			cookies.Header.Add("Cookie", "CloudFront-"+name+"="+values.Get(name))
		}
		want(t, id+" SHA-256 in cookies", cookies, now, ok, "")
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	p := newPairs()["KEC"]
	f := func(name, query string, kind Kind) {
		t.Helper()
		want(t, name, request("https://a.example/b?"+query), now, int(kind), "")
	}
	f("nothing", "", MissingKey)
	f("Expires alone", "Expires=1900003600", MissingKey)
	f("an empty Key-Pair-Id", "Key-Pair-Id=&Signature=AA&Expires=1900003600", MissingKey)
	f("no Signature", "Key-Pair-Id=KEC&Expires=1900003600", MissingSignature)
	f("no policy", "Key-Pair-Id=KEC&Signature=AA", MissingPolicy)
	f("a Signature that is no base64", "Key-Pair-Id=KEC&Signature=!&Expires=1900003600", MalformedSignature)
	f("an Expires that is no number", "Key-Pair-Id=KEC&Signature=AA&Expires=soon", MalformedPolicy)
	f("an Expires with a sign", "Key-Pair-Id=KEC&Signature=AA&Expires=%2B1900003600", MalformedPolicy)
	f("a Policy that is no base64", "Key-Pair-Id=KEC&Signature=AA&Policy=!", MalformedPolicy)
	const date = `"DateLessThan":{"AWS:EpochTime":1900003600}`
	for name, policy := range map[string]string{
		"not JSON":                  `{`,
		"two statements":            `{"Statement":[{"Resource":"*","Condition":{` + date + `}},{"Resource":"*","Condition":{` + date + `}}]}`,
		"no statement":              `{"Statement":[]}`,
		"no Resource":               `{"Statement":[{"Condition":{` + date + `}}]}`,
		"no DateLessThan":           `{"Statement":[{"Resource":"*","Condition":{}}]}`,
		"an empty DateLessThan":     `{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{}}}]}`,
		"an empty DateGreaterThan":  `{"Statement":[{"Resource":"*","Condition":{` + date + `,"DateGreaterThan":{}}}]}`,
		"an address that is none":   `{"Statement":[{"Resource":"*","Condition":{` + date + `,"IpAddress":{"AWS:SourceIp":"here"}}}]}`,
		"a condition nobody checks": `{"Statement":[{"Resource":"*","Condition":{` + date + `,"StringEquals":{}}}]}`,
		"something after the JSON":  `{"Statement":[{"Resource":"*","Condition":{` + date + `}}]}{}`,
	} {
		want(t, name, request(signURL(p, "KEC", "https://a.example/b", policy, "")), now, int(MalformedPolicy), "")
	}
	literal := `{"Statement":[{"Resource":"https://a.example/b?c=d","Condition":{` + date + `}}]}`
	want(t, "a Resource that is the URL, with an unescaped ?", request(signURL(p, "KEC", "https://a.example/b?c=d", literal, "")), now, ok, "c=d")
}

func TestResource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, resource, url string
		want                bool
	}{
		{"anything", "*", "http://a.example/b?c", true},
		{"the same", "https://a.example/b", "https://a.example/b", true},
		{"any scheme", "http*://a.example/b", "https://a.example/b", true},
		{"another scheme", "http://a.example/b", "https://a.example/b", false},
		{"the domain in capitals", "https://A.Example/b", "https://a.example/b", true},
		{"the path in capitals", "https://a.example/B", "https://a.example/b", false},
		{"any host", "https://*.example/b", "https://a.b.example/b", true},
		{"a * in the domain does not reach the path", "https://*b", "https://a.example/b", false},
		{"a * that ends the domain takes in all", "https://a.ex*", "https://a.example/b?c", true},
		{"a domain alone is its root", "https://a.example", "https://a.example/", true},
		{"a domain alone is not more", "https://a.example", "https://a.example/b", false},
		{"a * that ends the path takes in the query", "https://a.example/b/*", "https://a.example/b/c?d", true},
		{"a * in the path crosses slashes", "https://a.example/*/d", "https://a.example/b/c/d", true},
		{"a * in the path does not reach the query", "https://a.example/*d", "https://a.example/b?d", false},
		{"a path without * takes no query", "https://a.example/b", "https://a.example/b?c", false},
		{"a ? is one character", "https://a.example/b?", "https://a.example/bc", true},
		{"a ? is not the query's", "https://a.example/b?c", "https://a.example/b?c", false},
		{"a query", `https://a.example/b\?c=*`, "https://a.example/b?c=d", true},
		{"another query", `https://a.example/b\?c=*`, "https://a.example/b?e=d", false},
		{"any path and this query", `https://a.example/*\?c=d`, "https://a.example/x/y?c=d", true},
		{"a query that must be there", `https://a.example/b\?c`, "https://a.example/b", false},
		{"no scheme", "a.example/b", "https://a.example/b", false},
		{"many stars", "https://a.example/" + strings.Repeat("*a", 30) + "b", "https://a.example/" + strings.Repeat("a", 5000), false},
	} {
		r := request(c.url)
		if got := matches(c.resource, r, r.RawQuery); got != c.want {
			t.Errorf("%s: %q matches %q = %v, want %v", c.name, c.resource, c.url, got, c.want)
		}
	}
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                  "",
		"a=b&c=%20&&d":      "a=b&c=%20&&d",
		"Expires=1&a=b":     "a=b",
		"a=b&Signature=x":   "a=b",
		"a&Policy&b":        "a&b",
		"Key-Pair-Id=K":     "",
		"expires=1":         "expires=1",
		"NotExpires=1&z":    "NotExpires=1&z",
		"Hash-Algorithm=x&": "",
	} {
		if got := Strip(in); got != want {
			t.Errorf("Strip(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string][]byte{
		"no PEM": []byte("x"), "not a key": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"1024 bits": encodeKey(small.Public()), "P-384": encodeKey(other.Public()),
	} {
		if k, err := ParseKey(encoded); err == nil {
			t.Errorf("%s: ParseKey = %v", name, k)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]string{
		MissingKey: "MissingKey: Missing Key-Pair-Id query parameter or cookie value", UnknownKey: "InvalidKey: Unknown Key",
		Expired: "AccessDenied: Access denied", BadSignature: "AccessDenied: Access denied", MalformedPolicy: "MalformedPolicy: Malformed Policy",
	} {
		e := &Error{Kind: kind}
		if got := e.Code() + ": " + e.Message(); got != want {
			t.Errorf("%v is told as %q, want %q", kind, got, want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	p := newPairs()["KEC"]
	const policy = `{"Statement":[{"Resource":"https://a.example/b*","Condition":{"DateLessThan":{"AWS:EpochTime":1900003600}}}]}`
	_, query, _ := strings.Cut(signURL(p, "KEC", "https://a.example/b", policy, "SHA256"), "?")
	f.Add(query, "", policy)
	f.Add("", "CloudFront-Policy=x; CloudFront-Key-Pair-Id=KEC", `{"Statement":[{"Resource":"*"`)
	f.Add("Key-Pair-Id=KRSA&Signature=~~__&Expires=-1", "", "")
	keys := map[string]Key{"KEC": p.key}
	f.Fuzz(func(t *testing.T, rawQuery, cookie, policy string) {
		r := Request{Scheme: "https", Host: "a.example", Path: "/c", RawQuery: rawQuery, Header: http.Header{"Cookie": {cookie}}}
		if rest, err := Verify(r, keys, now); err == nil { // nothing was signed for /c
			t.Errorf("accepted %q, %q with rest %q", rawQuery, cookie, rest)
		}
		if s := Strip(rawQuery); Strip(s) != s || len(s) > len(rawQuery) {
			t.Errorf("Strip(%q) = %q", rawQuery, s)
		}
		if p, err := parsePolicy([]byte(policy)); err == nil && p.resource == "" {
			t.Errorf("policy %q has no resource", policy)
		}
		matches(policy, r, rawQuery)
	})
}

func BenchmarkVerify(b *testing.B) {
	for id, p := range newPairs() {
		signed, err := sign.NewURLSigner(id, p.signer).Sign("https://d111.cloudfront.net/a.jpg?b=c", now.Add(time.Hour))
		if err != nil {
			b.Fatal(err)
		}
		r, keys := request(signed), trusted()
		b.Run(id, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(r, keys, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
