package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// decoded returns what our decoder makes of a block.
func decoded(d *decoder, block []byte) ([]string, error) {
	r := requests.Get().(*Request)
	defer r.free()
	r.room = 1 << 20
	err := d.decode(r, block)
	var all []string
	for _, f := range r.fields {
		all = append(all, strings.Clone(f.name)+"\x00"+strings.Clone(f.value))
	}
	return all, err
}

// reference returns what x/net's makes of it.
func reference(d *hpack.Decoder, block []byte) ([]string, error) {
	fields, err := d.DecodeFull(block)
	var all []string
	for _, f := range fields {
		all = append(all, f.Name+"\x00"+f.Value)
	}
	return all, err
}

func TestStaticTableIsThatOfTheRFC(t *testing.T) {
	for i := range static {
		got, err := reference(hpack.NewDecoder(tableSize, nil), []byte{0x80 | byte(i+1)})
		if want := []string{static[i].name + "\x00" + static[i].value}; err != nil || len(got) != 1 || got[0] != want[0] {
			t.Errorf("index %d is %q (%v), here %q", i+1, got, err, want)
		}
		name := http.CanonicalHeaderKey(static[i].name)
		if n := staticName([]byte(name)); n != 0 && int(n) != i+1 && static[n-1].name != static[i].name {
			t.Errorf("staticName(%q) = %d, want %d", name, n, i+1)
		}
	}
}

func TestHuffman(t *testing.T) {
	check := func(s string) {
		t.Helper()
		got, ok := appendHuffman(nil, hpack.AppendHuffmanString(nil, s))
		if string(got) != s || !ok {
			t.Errorf("%q was read as %q, %v", s, got, ok)
		}
	}
	for c := range 256 {
		check(string([]byte{byte(c)}))
		check(strings.Repeat(string([]byte{byte(c)}), 9))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := make([]byte, random.IntN(60))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		check(string(b))
	}
	for name, code := range map[string][]byte{
		"padding of a whole octet": {0x1f, 0xff}, "padding that is not ones": {0x18}, "the end of string": {0xff, 0xff, 0xff, 0xff},
		"a code that is cut off": {0xfe}, "four octets of padding": {0x1f, 0xff, 0xff, 0xff, 0xff},
	} {
		if got, ok := appendHuffman(nil, code); ok {
			t.Errorf("%s: read as %q", name, got)
		}
	}
}

// An encoder that uses all that HPACK has says the same to both decoders, block after block.
func TestDecoderFollowsAnEncoder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var out bytes.Buffer
	enc, d, ref := hpack.NewEncoder(&out), &decoder{limit: tableSize}, hpack.NewDecoder(tableSize, nil)
	for range 3000 {
		out.Reset()
		if random.IntN(20) == 0 {
			enc.SetMaxDynamicTableSize(uint32(random.IntN(tableSize + 1)))
		}
		for range random.IntN(12) {
			f := hpack.HeaderField{Name: fmt.Sprint("name-", random.IntN(40)), Value: strings.Repeat("v", random.IntN(8)*random.IntN(90)), Sensitive: random.IntN(9) == 0}
			if random.IntN(3) == 0 {
				s := static[random.IntN(len(static))]
				f.Name = s.name
			}
			_ = enc.WriteField(f)
		}
		want, err := reference(ref, out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got, err := decoded(d, out.Bytes())
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%x: %q, %v; want %q", out.Bytes(), got, err, want)
		}
		if d.size > d.limit {
			t.Fatalf("the table has %d bytes of %d", d.size, d.limit)
		}
	}
}

func TestDecoderRefuses(t *testing.T) {
	for name, block := range map[string][]byte{
		"index 0":                             {0x80},
		"an index beyond the tables":          {0x80 | 62},
		"a literal's index beyond the tables": {0x7f, 0x10, 1, 'a'},
		"an integer without end":              {0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"an integer that is cut off":          {0xff},
		"a string that is cut off":            {0x40, 5, 'a'},
		"a size above what we said":           {0x3f, 0xe2, 0x1f},
		"a size behind a field":               {0x82, 0x20},
		"a literal without a value":           {0x00, 1, 'a'},
	} {
		if got, err := decoded(&decoder{limit: tableSize}, block); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What is beyond the limit of a request's header is not kept, and the table stays right.
func TestDecoderKeepsItsTableBeyondTheLimit(t *testing.T) {
	var out bytes.Buffer
	enc := hpack.NewEncoder(&out)
	for i := range 20 {
		_ = enc.WriteField(hpack.HeaderField{Name: "n" + fmt.Sprint(i), Value: "value"})
	}
	d, r := &decoder{limit: tableSize}, new(Request)
	r.room = 100
	if err := d.decode(r, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	if len(r.fields) != 2 || r.room >= 0 {
		t.Errorf("%d fields, room %d; want 2 and none", len(r.fields), r.room)
	}
	out.Reset()
	_ = enc.WriteField(hpack.HeaderField{Name: "n19", Value: "value"})
	got, err := decoded(d, out.Bytes())
	if err != nil || len(got) != 1 || got[0] != "n19\x00value" || out.Len() != 1 {
		t.Errorf("%q, %v of %x; want n19 of one octet", got, err, out.Bytes())
	}
}

// FuzzDecode: what our decoder takes, x/net's takes, and reads alike; in two blocks, so that the table counts.
func FuzzDecode(f *testing.F) {
	var out bytes.Buffer
	enc := hpack.NewEncoder(&out)
	for _, fields := range [][]string{get("GET", "/a"), get("GET", "/a", "cookie", "a=b", "x", strings.Repeat("y", 200)), {}} {
		out.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		f.Add(bytes.Clone(out.Bytes()), []byte{0x82, 0x86, 0xbe})
	}
	f.Add([]byte{0x20, 0x3f, 0xe1, 0x1f, 0x40, 1, 'a', 0x81, 0x1f}, []byte{0xbe, 0x0f, 0x2f, 0x01, 'x'})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d, ref := &decoder{limit: tableSize}, hpack.NewDecoder(tableSize, nil)
		for _, block := range [][]byte{first, second} {
			got, err := decoded(d, block)
			if err != nil {
				return
			}
			want, err := reference(ref, block)
			if err != nil && sizes(block) > 1 {
				return // x/net takes one at most; RFC 7541, section 4.2, lets an encoder say two
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%x: %q; x/net says %q, %v", block, got, want, err)
			}
		}
	})
}

func TestAnswersHeadIsEncoded(t *testing.T) {
	for _, test := range []struct{ head, want string }{
		{"HTTP/1.1 200 OK\r\n", ":status=200"},
		{"HTTP/1.1 404 Not Found\r\nAge: 0\r\n", ":status=404 age=0"},
		{"HTTP/1.1 418 I'm a teapot\r\nX-Amz-Cf-Id: a:b\r\nEtag: \"x\"\r\nEmpty: \r\n", `:status=418 x-amz-cf-id=a:b etag="x" empty=`},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n", ":status=200 set-cookie=a set-cookie=b"},
		{"HTTP/1.1 200 OK\r\nLong: " + strings.Repeat("x", 20000) + "\r\n" + strings.Repeat("N", 300) + ": 1\r\n", ":status=200 long=" + strings.Repeat("x", 20000) + " " + strings.Repeat("n", 300) + "=1"},
	} {
		fields, err := hpack.NewDecoder(tableSize, nil).DecodeFull(appendHead(nil, []byte(test.head)))
		var all []string
		for _, f := range fields {
			all = append(all, f.Name+"="+f.Value)
		}
		if got := strings.Join(all, " "); got != test.want || err != nil {
			t.Errorf("%.80q: %.200q, %v; want %.200q", test.head, got, err, test.want)
		}
	}
}

// sizes is how many table sizes a block begins with.
func sizes(block []byte) (n int) {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		_, rest, ok := readInt(block, 5)
		if !ok {
			return n
		}
		n, block = n+1, rest
	}
	return n
}
