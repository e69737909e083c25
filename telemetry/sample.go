package telemetry

import (
	"bufio"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Sample is a line of what Metrics exports: the value that a metric has at its labels, nil for none.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Samples reads Prometheus's text format as it comes. It is for what glassine exports: comments, times and lines that are no
// samples are passed over, and reading ends at an error of r or at a line over 1 MiB.
// (Prometheus documentation, "Exposition formats", text format 0.0.4.)
func Samples(r io.Reader) iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 64<<10), 1<<20) // limit
		for lines.Scan() {
			if s, ok := parseSample(lines.Text()); ok && !yield(s) {
				return
			}
		}
	}
}

// parseSample takes a line apart: name{label="value",...} value time.
func parseSample(line string) (s Sample, ok bool) {
	end := strings.IndexAny(line, "{ ")
	if end <= 0 || line[0] == '#' {
		return Sample{}, false
	}
	rest := line[end:]
	s.Name = line[:end]
	if rest[0] == '{' {
		if s.Labels, rest, ok = parseLabels(rest[1:]); !ok {
			return Sample{}, false
		}
	}
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	v, err := strconv.ParseFloat(text, 64)
	s.Value = v
	return s, err == nil
}

// unescape undoes what is done to the value of a label.
var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// parseLabels takes labels apart, and returns what is behind their brace.
func parseLabels(text string) (labels map[string]string, rest string, ok bool) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, ", ")
		if after, done := strings.CutPrefix(text, "}"); done {
			return labels, after, true
		}
		name, after, found := strings.Cut(text, `="`)
		if !found {
			return nil, "", false
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			return nil, "", false
		}
		labels[name], text = unescape.Replace(after[:end]), after[end+1:]
	}
}
