package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"glassine/aws/fault"
)

// seed is a verified signature in front of a chunked body.
func seed(t testing.TB, form, signature string) *Signature {
	t.Helper()
	when := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	s := &Signature{AccessKeyID: creds.AccessKeyID, Region: "us-east-1", Service: "s3", Time: when, PayloadHash: form, date: "20130524"}
	s.key = s.scope().key(creds.SecretAccessKey)
	var err error
	if s.signature, err = hex.DecodeString(signature); err != nil {
		t.Fatal(err)
	}
	return s
}

// The bodies and signatures of the S3 API Reference's two examples: 65,536 and 1,024 bytes of the letter a.
const (
	exampleSeed        = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	exampleTrailerSeed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
)

func example() string {
	return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
}

func trailerExample() string {
	return "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\n\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
}

func unsignedExample(chunks ...int) string {
	var b strings.Builder
	for _, n := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, strings.Repeat("a", n))
	}
	return b.String() + "0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"
}

func TestChunkedBodies(t *testing.T) {
	const trailer = "x-amz-checksum-crc32c"
	for _, c := range []struct {
		name, form, seed, body string
		length                 int64
		code                   string
	}{
		{"AWS's example of signed chunks", StreamingSigned, exampleSeed, example(), 66560, ""},
		{"AWS's example with a trailer", StreamingSignedTrailer, exampleTrailerSeed, trailerExample(), 66560, ""},
		{"unsigned chunks with a trailer", StreamingUnsignedTrailer, exampleSeed, unsignedExample(65536, 1024), 66560, ""},
		{"the last empty line left out", StreamingUnsignedTrailer, exampleSeed, strings.TrimSuffix(unsignedExample(65536, 1024), "\r\n"), 66560, "IncompleteBody"},
		{"one byte of the data changed", StreamingSigned, exampleSeed, strings.Replace(example(), "aaaa", "aaba", 1), 66560, "SignatureDoesNotMatch"},
		{"one digit of a signature changed", StreamingSigned, exampleSeed, strings.Replace(example(), "0055627c", "1055627c", 1), 66560, "SignatureDoesNotMatch"},
		{"another request's signature before it", StreamingSigned, exampleTrailerSeed, example(), 66560, "SignatureDoesNotMatch"},
		{"chunks left out", StreamingSigned, exampleSeed, example()[65536+90:], 66560, "SignatureDoesNotMatch"},
		{"the end cut off", StreamingSigned, exampleSeed, example()[:66000], 66560, "IncompleteBody"},
		{"no last chunk", StreamingSigned, exampleSeed, example()[:len(example())-90], 66560, "IncompleteBody"},
		{"shorter than announced", StreamingSigned, exampleSeed, example(), 66561, "IncompleteBody"},
		{"longer than announced", StreamingSigned, exampleSeed, example(), 66559, "IncompleteBody"},
		{"the trailer changed", StreamingSignedTrailer, exampleTrailerSeed, strings.Replace(trailerExample(), "sOO8", "sOO9", 1), 66560, "SignatureDoesNotMatch"},
		{"the trailer's signature missing", StreamingSignedTrailer, exampleTrailerSeed, trailerExample()[:strings.Index(trailerExample(), "x-amz-trailer")] + "\r\n", 66560, "IncompleteBody"},
		{"a trailer that was not announced", StreamingUnsignedTrailer, exampleSeed, strings.Replace(unsignedExample(65536, 1024), "crc32c", "sha256", 1), 66560, "MalformedTrailerError"},
		{"the trailer missing", StreamingUnsignedTrailer, exampleSeed, strings.Replace(unsignedExample(65536, 1024), "x-amz-checksum-crc32c:sOO8/Q==\r\n", "", 1), 66560, "MalformedTrailerError"},
		{"a small chunk in the middle", StreamingUnsignedTrailer, exampleSeed, unsignedExample(10, 1024), 1034, "InvalidChunkSizeError"},
		{"a size that is no number", StreamingUnsignedTrailer, exampleSeed, "xyz\r\n", 10, "IncompleteBody"},
		{"a size of 9 digits", StreamingUnsignedTrailer, exampleSeed, "000000001\r\na\r\n", 1, "IncompleteBody"},
		{"a head that ends in LF alone", StreamingUnsignedTrailer, exampleSeed, strings.Replace(unsignedExample(20), "14\r\n", "14\n", 1), 20, "IncompleteBody"},
		{"a short signature", StreamingSigned, exampleSeed, strings.Replace(example(), "ad80", "", 1), 66560, "IncompleteBody"},
		{"another line in place of the trailer's signature", StreamingSignedTrailer, exampleTrailerSeed, strings.Replace(trailerExample(), "x-amz-trailer-", "x-amz-other-", 1), 66560, "IncompleteBody"},
		{"more behind the trailer's signature", StreamingSignedTrailer, exampleTrailerSeed, strings.TrimSuffix(trailerExample(), "\r\n") + "pp", 66560, "IncompleteBody"},
		{"a signature where none belongs", StreamingUnsignedTrailer, exampleSeed, example(), 66560, "IncompleteBody"},
		{"data longer than its head says", StreamingUnsignedTrailer, exampleSeed, "1\r\naa\r\n", 2, "IncompleteBody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
				r := NewChunked(wrap(strings.NewReader(c.body)), seed(t, c.form, c.seed), c.length, []string{trailer})
				got, err := io.ReadAll(r)
				if fault.Code(err) != c.code || err != nil && fault.Code(err) == "" {
					t.Fatalf("read = %v, want code %q", err, c.code)
				}
				if strings.Trim(string(got), "a") != "" {
					t.Errorf("decoded bytes hold something else than the letter a")
				}
				if c.code == "" && int64(len(got)) != c.length {
					t.Errorf("decoded %d bytes, want %d", len(got), c.length)
				}
				if c.code == "" && c.form != StreamingSigned && r.Trailer("X-Amz-Checksum-Crc32c") != "sOO8/Q==" {
					t.Errorf("trailer = %q", r.Trailer(trailer))
				}
				if _, again := r.Read(make([]byte, 1)); err != nil && !errors.Is(again, err) {
					t.Errorf("a read after the error = %v, want the error again", again)
				}
			}
		})
	}
}

func FuzzChunked(f *testing.F) {
	f.Add(unsignedExample(20), uint16(20), uint8(0))
	f.Add("1;chunk-signature=00\r\na\r\n", uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, body string, length uint16, form uint8) {
		forms := []string{StreamingUnsignedTrailer, StreamingSigned, StreamingSignedTrailer}
		r := NewChunked(strings.NewReader(body), seed(t, forms[int(form)%3], exampleSeed), int64(length), []string{"x-amz-checksum-crc32c"})
		got, err := io.ReadAll(r)
		if err == nil && len(got) != int(length) {
			t.Errorf("%q: %d bytes to a clean end, %d were announced", body, len(got), length)
		}
		if form%3 != 0 && len(got) > 0 {
			t.Errorf("%q: data handed on that nobody signed", body)
		}
	})
}
