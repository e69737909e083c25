package crash

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
)

// body is an object's bytes by their number and size. Its first bytes say both, as far as there is room; the rest follows
// from the number, so that bytes which were read are either a body that was once sent, whole, or they are not.
type body struct {
	number uint64
	size   int
}

// bodies counts the bodies that were made.
var bodies atomic.Uint64

// newBody is a body that was never sent before.
func newBody(size int) body { return body{bodies.Add(1), size} }

// smallSizes are those of bodies that are sent at once: around the 64 KiB of a package of an encrypted file, and empty.
var smallSizes = []int{0, 1, 100, 5000, 64<<10 - 1, 64 << 10, 100_000, 1<<20 + 1}

func anyBody() body { return newBody(smallSizes[rand.IntN(len(smallSizes))]) }

func (b body) String() string { return fmt.Sprintf("%d/%d", b.number, b.size) }

func (b body) bytes() []byte {
	content := make([]byte, b.size)
	n := copy(content, "body "+b.String()+"\n")
	seed := [32]byte{}
	copy(seed[:], b.String())
	_, _ = rand.NewChaCha8(seed).Read(content[n:]) // it never fails
	return content
}

// bodyHeader is the metadata that goes with a body.
const bodyHeader = "X-Amz-Meta-Body"

func (b body) header() map[string]string { return map[string]string{bodyHeader: b.String()} }

// errNotWhole is of an object that is not as it was sent.
var errNotWhole = errors.New("an object is not as it was sent")

// bodyOf returns which body an answer brought, or errNotWhole.
func bodyOf(a answer) (body, error) {
	var b body
	said := a.header.Get(bodyHeader)
	_, err := fmt.Sscanf(said, "%d/%d", &b.number, &b.size)
	switch {
	case err != nil || b.number == 0 || b.number > bodies.Load():
		return b, fmt.Errorf("%w: its metadata says body %q", errNotWhole, said)
	case len(a.body) != b.size || a.header.Get("Content-Length") != fmt.Sprint(b.size):
		return b, fmt.Errorf("%w: body %v came with %d bytes and Content-Length %s", errNotWhole, b, len(a.body), a.header.Get("Content-Length"))
	case !bytes.Equal(a.body, b.bytes()):
		return b, fmt.Errorf("%w: the %d bytes are not those of body %v", errNotWhole, len(a.body), b)
	}
	return b, nil
}

// The check of bodies must bite.
func TestBodyOfNoticesWhatIsNotWhole(t *testing.T) {
	b := newBody(5000)
	other := newBody(5000)
	good := func() answer {
		return answer{header: http.Header{bodyHeader: {b.String()}, "Content-Length": {"5000"}}, body: b.bytes()}
	}
	if got, err := bodyOf(good()); err != nil || got != b {
		t.Fatalf("bodyOf = %v, %v; want %v", got, err, b)
	}
	for name, spoil := range map[string]func(*answer){
		"one bit of the last byte flipped":      func(a *answer) { a.body[4999] ^= 1 },
		"the last byte missing":                 func(a *answer) { a.body = a.body[:4999] },
		"the second half of another body":       func(a *answer) { copy(a.body[2500:], other.bytes()[2500:]) },
		"the whole of another body":             func(a *answer) { a.body = other.bytes() },
		"a body that nobody sent":               func(a *answer) { a.header.Set(bodyHeader, "999999999/5000") },
		"no metadata":                           func(a *answer) { a.header.Del(bodyHeader) },
		"zeros where the file system has holes": func(a *answer) { clear(a.body[4096:]) },
	} {
		a := good()
		spoil(&a)
		if _, err := bodyOf(a); !errors.Is(err, errNotWhole) {
			t.Errorf("%s: bodyOf = %v, want %v", name, err, errNotWhole)
		}
	}
}
