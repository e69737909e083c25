package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"glassine/transform/metadata"
)

type inspectCmd struct {
	outputFlags `embed:""`
	Files       []string `arg:"" name:"file" help:"Pictures; folders, with all that is below them; or - alone, for standard input."`
}

// inspected is what was found in one file: text is what is printed.
type inspected struct {
	text []byte
	err  error
}

// Run shows the files in order. Files that cannot be read are named at the end, and are an error.
func (c *inspectCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if len(c.Files) == 1 && c.Files[0] == "-" {
		src, size, err := whole(os.Stdin)
		if err != nil {
			return err
		}
		defer src.Close()
		text, err := c.describe("-", src, size)
		if err == nil {
			_, err = os.Stdout.Write(text)
		}
		return err
	}
	f := newFinder()
	defer f.close()
	f.find(c.Files)
	failed, other := f.problems, 0
	var writing error
	done := inOrder(ctx, len(f.files), runtime.GOMAXPROCS(0), func(i int) inspected { return c.one(f.files[i]) }, func(i int, r inspected) {
		switch {
		case errors.Is(r.err, errNoPicture):
			other++
		case r.err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", shownName(f.files[i].shown), r.err))
		case writing == nil:
			_, writing = os.Stdout.Write(r.text)
		}
	})
	for _, err := range failed {
		fmt.Fprintf(os.Stderr, "%v\n", err)
	}
	switch {
	case writing != nil:
		return writing
	case done < len(f.files):
		return fmt.Errorf("interrupted: %d of %d files are done", done, len(f.files))
	case len(failed) > 0:
		return fmt.Errorf("%d could not be read, %d were", len(failed), done-other-(len(failed)-len(f.problems)))
	case len(f.files) == other:
		return errors.New("no pictures there")
	}
	return nil
}

func (c *inspectCmd) one(f foundFile) inspected {
	src, info, err := f.open()
	if err != nil {
		return inspected{err: err}
	}
	defer src.Close()
	text, err := c.describe(f.shown, src, info.Size())
	if err != nil {
		return inspected{err: f.notPicture(err)}
	}
	return inspected{text: text}
}

// describe returns what is printed about one picture.
func (c *inspectCmd) describe(name string, src io.ReaderAt, size int64) ([]byte, error) {
	about, err := metadata.Describe(src, size)
	if err != nil {
		return nil, err
	}
	text, err := about.JSON()
	if err != nil {
		return nil, err
	}
	if !c.forPeople() {
		file, err := json.Marshal(strings.ToValidUTF8(name, "\ufffd"))
		if err != nil {
			return nil, err
		}
		return c.form(json.RawMessage(fmt.Appendf(nil, "{\"file\":%s,%s", file, text[1:])))
	}
	// What is no picture beside all that has a name: comments, thumbnails, C2PA, trailers.
	plan, refused := metadata.Strip(src, size)
	beside := int64(0)
	if refused == nil {
		beside = size - plan.Size
	}
	return leakReport(name, about, text, beside, refused)
}

// risks are what a picture gives away, as a report calls it: by metadata.Risk, the worst first.
var risks = [...]string{metadata.RiskLocation: "Where", metadata.RiskPeople: "Who", metadata.RiskTime: "When", metadata.RiskDevice: "Device", metadata.RiskTechnical: "Other"}

// positionTags are what metadata.Position has.
var positionTags = strings.Fields("GPSLatitude GPSLatitudeRef GPSLongitude GPSLongitudeRef GPSAltitude GPSAltitudeRef")

// leakReport writes what a picture gives away, by risk. text is about as JSON; beside is how many bytes a strip takes away, and refused
// why the file cannot be stripped, nil when it can.
func leakReport(name string, about *metadata.Info, text []byte, beside int64, refused error) ([]byte, error) {
	groups, err := leakGroups(about, text)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %dx%d", shownName(name), about.Format.ContentType(), about.Width, about.Height)
	if about.Frames > 1 {
		fmt.Fprintf(&b, ", %d frames", about.Frames)
	}
	b.WriteByte('\n')
	for _, r := range risks {
		for i, line := range shownLines(groups[r]) {
			label := ""
			if i == 0 {
				label = r
			}
			fmt.Fprintf(&b, "  %-8s %s\n", label, line)
		}
	}
	for _, note := range about.Notes {
		fmt.Fprintf(&b, "  %-8s %s\n", "Note", shownText(note))
	}
	switch {
	case refused != nil:
		fmt.Fprintf(&b, "  glassine strip cannot take it: %s\n", shownText(refused.Error()))
	case beside > 0:
		fmt.Fprintf(&b, "  %d of %d bytes are no picture; glassine strip takes them away\n", beside, about.Bytes)
	case len(groups) == 0:
		b.WriteString("  It gives nothing away.\n")
	}
	return []byte(b.String()), nil
}

// shownLines are lines of which those with the names of settings are wrapped.
func shownLines(lines []string) (out []string) {
	for _, line := range lines {
		if head, names, ok := strings.Cut(line, ": "); ok && (strings.HasSuffix(head, " settings") || strings.HasSuffix(head, " setting")) {
			out = append(out, wrapped(strings.Split(head+": "+names, ", "))...)
			continue
		}
		out = append(out, line)
	}
	return out
}

// leakGroups returns the lines of each risk.
func leakGroups(about *metadata.Info, text []byte) (map[string][]string, error) {
	var all struct {
		EXIF      map[string]json.RawMessage
		XMP, IPTC map[string]any
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	groups := make(map[string][]string)
	var settings []string
	add := func(source string, values map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			s, risk := shownValue(values[key]), risks[metadata.RiskOf(key)]
			_, isNumber := values[key].(float64)
			switch {
			case s == "" || key == "Orientation":
			case about.GPS != nil && slices.Contains(positionTags, key):
			case risk == "Other" && (isNumber || source == "Exif" && isNumbers(values[key])):
				settings = append(settings, shownText(key))
			default:
				groups[risk] = append(groups[risk], fmt.Sprintf("%s: %s (%s)", shownText(key), s, source))
			}
		}
	}
	if p := about.GPS; p != nil {
		line := fmt.Sprintf("%.6f, %.6f", p.Latitude, p.Longitude)
		if p.Altitude != nil {
			line += fmt.Sprintf(", %.0f m above the sea", *p.Altitude)
		}
		groups["Where"] = append(groups["Where"], line+" (Exif)")
	}
	for _, group := range slices.Sorted(maps.Keys(all.EXIF)) {
		var tags map[string]any
		switch {
		case json.Unmarshal(all.EXIF[group], &tags) != nil: // bigEndian
		case group != "Thumbnail":
			add("Exif", tags)
		case tags["JPEGInterchangeFormatLength"] != nil:
			groups["Other"] = append(groups["Other"], fmt.Sprintf("a thumbnail of %v bytes (Exif)", tags["JPEGInterchangeFormatLength"]))
		}
	}
	add("XMP", all.XMP)
	add("IPTC", all.IPTC)
	if len(settings) > 0 {
		groups["Other"] = append(groups["Other"], counted(len(settings), "setting")+": "+strings.Join(settings, ", "))
	}
	return groups, nil
}

// isNumbers reports whether v is a list of numbers, or bytes that are no text.
func isNumbers(v any) bool {
	switch v := v.(type) {
	case []any:
		return true
	case map[string]any:
		return strings.HasSuffix(shownValue(v), " bytes")
	}
	return false
}

// wrapped joins words to lines of some 100 bytes.
func wrapped(words []string) (lines []string) {
	line := ""
	for i, word := range words {
		if i < len(words)-1 {
			word += ", "
		}
		if len(line)+len(word) > 100 {
			lines, line = append(lines, strings.TrimSpace(line)), ""
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}

// maxShown is how many bytes of a value a report shows.
const maxShown = 200

// shownValue is a value for people, "" for one that says nothing.
func shownValue(v any) string {
	switch v := v.(type) {
	case string:
		return shownText(strings.Trim(v, " \x00"))
	case float64:
		return strconv.FormatFloat(v, 'g', 10, 64)
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, shownValue(x))
		}
		return shownText(strings.Join(parts, ", "))
	case map[string]any:
		if data, ok := v["data"].([]any); ok && v["type"] == "Buffer" {
			return shownBuffer(data)
		}
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+" "+shownValue(v[key]))
		}
		return shownText(strings.Join(parts, ", "))
	}
	return ""
}

// shownBuffer shows bytes as text when they are, without the name of a character set that stands before (Exif 3.0 section 4.6.6.1.4).
func shownBuffer(data []any) string {
	b := make([]byte, 0, len(data))
	for _, x := range data {
		n, _ := x.(float64)
		b = append(b, byte(n))
	}
	s := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(string(b), "ASCII\x00\x00\x00"), "UNICODE\x00"), "\x00 ")
	if s == "" {
		return ""
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return shownText(s)
	}
	return fmt.Sprintf("%d bytes", len(b))
}

// shownText makes a text safe for a terminal, and not longer than a line or two.
func shownText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) > maxShown {
		cut := maxShown
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}
