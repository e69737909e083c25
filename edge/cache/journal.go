package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// journal keeps the purges in a file, so that what was purged does not come back from disk after a restart. A record is
// its length (4 bytes), the same with all bits inverted (4), the CRC-32C of the rest (4), generation (8), time (8), kind
// (1), softness (1) and the name; all numbers are big-endian.
//
// A record that lacks its end was not acknowledged, and is dropped. Any other damage may hide a purge that was, so that
// nothing on disk can be trusted any more.
type journal struct {
	path string
	mu   sync.Mutex // held across writes, so that records do not mix; guards what follows
	file *os.File
	kept int // records in the file
}

// purgeRecord is one purge. Of kind purgeKinds it only says which generation was reached.
type purgeRecord struct {
	generation uint64
	kind       int
	soft       bool
	at         int64 // Unix nanoseconds
	name       string
}

const (
	journalHead = 12
	journalBody = 8 + 8 + 2
	longestName = 1 << 20
)

// errJournal says that a journal is damaged.
var errJournal = errors.New("purge journal is damaged")

func (r purgeRecord) append(b []byte) []byte {
	start := len(b)
	n := uint32(journalBody + len(r.name))
	b = binary.BigEndian.AppendUint32(b, n)
	b = binary.BigEndian.AppendUint32(b, ^n)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, r.generation)
	b = binary.BigEndian.AppendUint64(b, uint64(r.at))
	soft := byte(0)
	if r.soft {
		soft = 1
	}
	b = append(append(b, byte(r.kind), soft), r.name...)
	binary.BigEndian.PutUint32(b[start+8:], crc32.Checksum(b[start+journalHead:], castagnoli))
	return b
}

// parseJournal returns the records of b and how many bytes they have; what follows is the beginning of one more. The
// error is errJournal.
func parseJournal(b []byte) (records []purgeRecord, whole int, err error) {
	for {
		rest := b[whole:]
		if len(rest) < journalHead {
			return records, whole, nil
		}
		n := int(binary.BigEndian.Uint32(rest))
		if n < journalBody || n > journalBody+longestName || ^uint32(n) != binary.BigEndian.Uint32(rest[4:]) {
			return nil, 0, errJournal
		}
		if len(rest) < journalHead+n {
			return records, whole, nil
		}
		body := rest[journalHead : journalHead+n]
		r := purgeRecord{
			generation: binary.BigEndian.Uint64(body), at: int64(binary.BigEndian.Uint64(body[8:])),
			kind: int(body[16]), soft: body[17] == 1, name: string(body[journalBody:]),
		}
		if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(rest[8:]) || r.kind > purgeKinds || body[17] > 1 {
			return nil, 0, errJournal
		}
		records = append(records, r)
		whole += journalHead + n
	}
}

// openJournal opens or makes the journal of dir and returns what it has. fresh says that there was none.
func openJournal(dir string) (j *journal, records []purgeRecord, fresh bool, err error) {
	j = &journal{path: filepath.Join(dir, "purges")}
	b, err := os.ReadFile(j.path)
	fresh = errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return nil, nil, false, err
	}
	records, whole, err := parseJournal(b)
	if err != nil {
		return nil, nil, false, err
	}
	if j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, nil, false, err
	}
	if err := j.file.Truncate(int64(whole)); err != nil {
		j.file.Close()
		return nil, nil, false, err
	}
	j.kept = len(records)
	return j, records, fresh, nil
}

// add appends r; it is with the system, not on the disk, when the call returns.
func (j *journal) add(r purgeRecord) error {
	if len(r.name) > longestName {
		return fmt.Errorf("name of %d bytes in a purge", len(r.name))
	}
	b := r.append(make([]byte, 0, journalHead+journalBody+len(r.name)))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept++
	_, err := j.file.Write(b)
	return err
}

// sync brings the journal to the disk.
func (j *journal) sync() error {
	j.mu.Lock()
	f := j.file
	j.mu.Unlock()
	err := f.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != f {
		return nil // it was rewritten, and is on the disk
	}
	return err
}

// rewrite replaces the journal by what p has now, if that is much less.
func (j *journal) rewrite(p *purges) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A purge that is not in p yet waits for j.mu with its record.
	records := p.list()
	if j.kept < 2*len(records)+sweepAt {
		return nil
	}
	var b []byte
	for _, r := range records {
		b = r.append(b)
	}
	next := j.path + ".next"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(next, j.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(j.path))
	}
	if err != nil {
		f.Close()
		return err
	}
	j.file.Close()
	j.file, j.kept = f, len(records)
	return nil
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.file.Sync(), j.file.Close())
}

// syncDir makes a renamed file's new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
