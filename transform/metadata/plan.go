package metadata

import (
	"errors"
	"fmt"
	"io"
)

// maxParts bounds a plan's memory: a file that alternates more often between what stays and what goes is refused. The
// camera files at hand need 2 to 9 parts.
const maxParts = 4096

// Plan is a stripped copy that has not been written yet: which bytes of the source go out, and which new ones between
// them. It holds none of the source, may be used any number of times, and is safe for many goroutines.
type Plan struct {
	Format Format
	// Size is the exact number of bytes that Reader yields.
	Size int64
	// ContentType is the media type of the copy, by its content, such as "image/jpeg".
	ContentType string
	// Orientation is the Exif orientation that the copy carries, 1 to 8; 1 also when the source says nothing. Of AVIF, HEIF and
	// JPEG XL it is 1 always: their decoders turn the picture by themselves, and ask nobody to.
	Orientation int
	// Removed is what of the source does not go out that says something besides the picture, by kind, in the order of Kinds. Of a
	// block that stays in part, such as an Exif block of which the orientation is written anew, it counts the whole.
	Removed []Removal
	// Rewritten is how many bytes of the source do not go out because the copy says the same in other bytes, and Added how many
	// bytes of the copy are not the source's, or are there a second time. With Removed they are all that differs: the source has
	// as many bytes as the copy, without Added, with Rewritten and with those of Removed.
	Rewritten, Added int64

	parts []part
	notes []note // until account
}

// part is n bytes of the source at off, or the bytes lit.
type part struct {
	off, n int64
	lit    []byte
	// alone keeps what follows from being joined to this part, which may yet be dropped.
	alone bool
}

func (p *part) size() int64 {
	if p.lit != nil {
		return int64(len(p.lit))
	}
	return p.n
}

// Reader returns the copy as a stream that reads src, the source that was planned, as it goes. It also implements
// io.WriterTo, with a pooled buffer of 64 KiB. When src has become shorter since, the stream ends in
// io.ErrUnexpectedEOF. One goroutine may use the reader.
func (p *Plan) Reader(src io.ReaderAt) io.Reader {
	return &planReader{plan: p, src: src}
}

type planReader struct {
	plan *Plan
	src  io.ReaderAt
	// next is the part under way, and done how much of it has been read.
	next int
	done int64
}

func (r *planReader) Read(b []byte) (int, error) {
	total := 0
	for total < len(b) {
		if r.next == len(r.plan.parts) {
			if total == 0 {
				return 0, io.EOF
			}
			return total, nil
		}
		p := &r.plan.parts[r.next]
		n := int(min(int64(len(b)-total), p.size()-r.done))
		if p.lit != nil {
			copy(b[total:], p.lit[r.done:r.done+int64(n)])
		} else if got, err := r.src.ReadAt(b[total:total+n], p.off+r.done); got < n {
			return total, shortSource(p.off+r.done, err)
		}
		total += n
		if r.done += int64(n); r.done == p.size() {
			r.next, r.done = r.next+1, 0
		}
	}
	return total, nil
}

func shortSource(offset int64, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read source at %d: %w", offset, err)
}

// WriteTo writes what is left of the copy to w.
func (r *planReader) WriteTo(w io.Writer) (int64, error) {
	buf := windows.Get().(*[windowSize]byte)
	defer windows.Put(buf)
	var total int64
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			m, werr := w.Write(buf[:n])
			total += int64(m)
			if werr != nil {
				return total, werr
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// keep adds n bytes of the source at off, joined to the part before when they follow it.
func (p *Plan) keep(off, n int64) {
	if n == 0 {
		return
	}
	if k := len(p.parts) - 1; k >= 0 {
		last := &p.parts[k]
		if last.lit == nil && !last.alone && last.off+last.n == off {
			last.n += n
			return
		}
	}
	p.parts = append(p.parts, part{off: off, n: n})
}

// put adds new bytes, which the plan keeps.
func (p *Plan) put(b []byte) {
	if k := len(p.parts) - 1; k >= 0 && p.parts[k].lit != nil {
		p.parts[k].lit = append(p.parts[k].lit, b...)
		return
	}
	p.parts = append(p.parts, part{lit: b})
}

// finish sums up the size.
func (p *Plan) finish() *Plan {
	p.Size = 0
	for i := range p.parts {
		p.Size += p.parts[i].size()
	}
	return p
}
