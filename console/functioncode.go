package console

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"glassine/console/client"
)

// What a page shows of an archive: names of that many files, and so much text of one.
const (
	maxListed = 400
	maxSource = 128 << 10
)

// archived is what an archive has in it.
type archived struct {
	Files []archivedFile
	More  int    // that are not listed
	Name  string // of the file that is shown
	Text  string
	Note  string // why it is not shown, or not all of it
}

type archivedFile struct {
	Name string
	Size int64
}

// source reads a function's archive, and the file of that name in it, or the one that one most likely looks for.
func (q *request) source(location, name string) (*archived, string) {
	raw, err := q.aws.Code(q.ctx(), location)
	if err != nil {
		return nil, problemOf(err).Why
	}
	a, err := readArchive(raw, name)
	if err != nil {
		return nil, err.Error()
	}
	return a, ""
}

// entryFiles are looked for in this order when nobody asked for one.
var entryFiles = []string{"index.mjs", "index.js", "app.js", "index.py", "app.py", "lambda_function.py", "handler.py", "bootstrap"}

// readArchive lists an archive and shows one of its files. Nothing of it is unpacked but that. The error is a sentence for people.
func readArchive(raw []byte, name string) (*archived, error) {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, errors.New("The archive cannot be read.")
	}
	var out archived
	byName := map[string]*zip.File{}
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		byName[f.Name] = f
		if len(out.Files) == maxListed {
			out.More++
			continue
		}
		out.Files = append(out.Files, archivedFile{f.Name, int64(min(f.UncompressedSize64, 1<<62))})
	}
	for _, likely := range entryFiles {
		if name == "" && byName[likely] != nil {
			name = likely
		}
	}
	if name == "" && len(out.Files) > 0 {
		name = out.Files[0].Name
	}
	f := byName[name]
	if f == nil {
		return &out, nil
	}
	out.Name = name
	in, err := f.Open()
	if err != nil {
		out.Note = "It is packed in a way that is not known here."
		return &out, nil
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxSource+1))
	switch {
	case err != nil:
		out.Note = "It is damaged."
	case bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text[:max(0, len(text)-utf8.UTFMax)]):
		out.Note = "It is no text."
	default:
		if len(text) > maxSource {
			text, out.Note = text[:maxSource], fmt.Sprintf("Only its first %d KiB are shown.", maxSource>>10)
		}
		out.Text = shownAll(strings.ToValidUTF8(string(text), ""))
	}
	return &out, nil
}

// timings are how long a function's invocations took, of those whose REPORT is among some events.
type timings struct {
	Runs, Cold           int
	Warm50, Warm95       string // without what began cold
	Cold50, Init50, Most string // "" for none
	MemoryMost, Memory   int    // MB
}

// report is the line that Lambda writes at an invocation's end. (Lambda Developer Guide, "Lambda function logs".)
var report = regexp.MustCompile(`^REPORT RequestId: \S+\s+Duration: ([\d.]+) ms\s.*?(?:Memory Size: (\d+) MB)?\s+Max Memory Used: (\d+) MB(?:.*?Init Duration: ([\d.]+) ms)?`)

func timingsOf(events []client.LogEvent) timings {
	var t timings
	var warm, cold, starts []float64
	for _, e := range events {
		m := report.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		took, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			continue
		}
		t.Runs++
		t.Memory, t.MemoryMost = number(m[2]), max(t.MemoryMost, number(m[3]))
		if started, err := strconv.ParseFloat(m[4], 64); err == nil {
			t.Cold++
			cold, starts = append(cold, took+started), append(starts, started)
			continue
		}
		warm = append(warm, took)
	}
	t.Warm50, t.Warm95 = quantileOf(warm, .5), quantileOf(warm, .95)
	t.Cold50, t.Init50, t.Most = quantileOf(cold, .5), quantileOf(starts, .5), quantileOf(append(warm, cold...), 1)
	return t
}

// quantileOf is that of times in ms, "" of none.
func quantileOf(all []float64, at float64) string {
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return formatDuration(time.Duration(all[min(len(all)-1, int(at*float64(len(all))))] * float64(time.Millisecond)))
}
