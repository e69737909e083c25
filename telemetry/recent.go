package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// recentBytes is how much of the end of the log Recent reads.
const recentBytes = 8 << 20

// Recent returns the newest records that keep takes, at most that many, the newest first. It looks at the last 8 MiB of the
// log's newest file, and when that has been begun lately of the one before. Lines that are no records are passed over.
func (a *Audit) Recent(most int, keep func(*Record) bool) ([]Record, error) {
	var out []Record
	left := int64(recentBytes)
	for _, name := range []string{a.path, a.path + ".1"} {
		tail, err := lastBytes(name, left)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		left -= int64(len(tail))
		lines := bytes.Split(tail, []byte("\n"))
		for i := len(lines) - 1; i >= 0; i-- {
			var r Record
			if json.Unmarshal(lines[i], &r) != nil || !keep(&r) {
				continue
			}
			if out = append(out, r); len(out) >= most {
				return out, nil
			}
		}
		if left <= 0 {
			break
		}
	}
	return out, nil
}

// lastBytes is the end of a file.
func lastBytes(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-most)
	return io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
}
