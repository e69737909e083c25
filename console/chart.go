package console

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Size of a chart's picture, in its own units.
const (
	chartWidth  = 560.0
	chartHeight = 130.0
)

// chart is a drawing of lines over time, and the numbers behind it.
type chart struct {
	Id, Title, What string
	Unit            string
	Now             string // the last value of the first line
	Top             string // what the upper edge means
	Lines           []line
	Ticks           []tick
	Rows            []chartRow // the newest first
	Empty           bool
	From, To        time.Time
	Gap             string // why there is nothing
}

// line is one line: a path in SVG, and its name.
type line struct {
	Name, Path string
	points     []float64
}

type tick struct {
	X    float64
	Text string
}

// chartRow is a reading in numbers.
type chartRow struct {
	At     time.Time
	Values []string
}

// plot says how a chart comes about.
type plot struct {
	id, title, what, unit string
	format                func(float64) string
	needs                 string // a metric; without it there is no chart
	lines                 []plotLine
}

type plotLine struct {
	name string
	of   func(a, b sample) float64
}

func rated(name, key string) plotLine {
	return plotLine{name, func(a, b sample) float64 { return rate(a, b, key) }}
}

func gauged(name, key string) plotLine {
	return plotLine{name, func(_, b sample) float64 {
		if v, ok := b.values[key]; ok {
			return v
		}
		return math.NaN()
	}}
}

func quantiled(name, key string, q float64) plotLine {
	return plotLine{name, func(a, b sample) float64 { return quantile(a, b, key, q) }}
}

func decimals(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

func sized(v float64) string { return formatBytes(int64(v)) }

func timed(v float64) string { return formatDuration(time.Duration(v * float64(time.Second))) }

// plots are the charts of the metrics page, in order.
var plots = []plot{
	{"edge", "Requests at the edge", "Requests of viewers each second, by how they were answered.", "/s", decimals, "glassine_edge_requests_total", []plotLine{
		rated("hit", "glassine_edge_requests_total{result=Hit}"), rated("miss", "glassine_edge_requests_total{result=Miss}"), rated("error", "glassine_edge_requests_total{result=Error}"),
	}},
	{"olap", "Object Lambda requests", "Requests on Object Lambda access points each second: what the edge did not have.", "/s", decimals, "glassine_object_lambda_requests_total", []plotLine{
		rated("all", "glassine_object_lambda_requests_total"), rated("errors", "glassine_object_lambda_errors_total"),
	}},
	{"first", "Time to the first byte", "Of Object Lambda's answers, from the request on.", "", timed, "glassine_object_lambda_first_byte_seconds_count", []plotLine{
		quantiled("p50", "glassine_object_lambda_first_byte_seconds", .5), quantiled("p95", "glassine_object_lambda_first_byte_seconds", .95),
	}},
	{"function", "Time in the function", "From the invocation to its answer.", "", timed, "glassine_object_lambda_function_duration_seconds_count", []plotLine{
		quantiled("p50", "glassine_object_lambda_function_duration_seconds", .5), quantiled("p95", "glassine_object_lambda_function_duration_seconds", .95),
	}},
	{"sent", "Bytes sent", "Bodies that callers of Object Lambda access points got, each second.", "/s", sized, "glassine_object_lambda_sent_bytes_total", []plotLine{rated("sent", "glassine_object_lambda_sent_bytes_total")}},
	{"pictures", "Pictures made anew", "Jobs of the workers that decode and encode, each second.", "/s", decimals, "glassine_picture_jobs_total", []plotLine{rated("all", "glassine_picture_jobs_total")}},
	{"cpu", "CPU", "Of this process, in cores.", " cores", decimals, "process_cpu_seconds_total", []plotLine{rated("cores", "process_cpu_seconds_total")}},
	{"memory", "Memory", "That this process has resident.", "", sized, "process_resident_memory_bytes", []plotLine{gauged("resident", "process_resident_memory_bytes")}},
}

// draw makes a chart of readings.
func (p plot) draw(all []sample) chart {
	c := chart{Id: p.id, Title: p.title, What: p.what, Unit: p.unit, Empty: true}
	if len(all) < 2 {
		c.Gap = "The first two readings are being taken; look again in ten seconds."
		return c
	}
	if _, ok := all[len(all)-1].values[p.needs]; !ok {
		c.Gap = "No reading since the start: nothing of this has happened, or this program does not count it."
		return c
	}
	c.From, c.To = all[0].at, all[len(all)-1].at
	top := 0.0
	for _, l := range p.lines {
		points := make([]float64, len(all)-1)
		for i := range points {
			points[i] = l.of(all[i], all[i+1])
			if !math.IsNaN(points[i]) {
				c.Empty = false
				top = max(top, points[i])
			}
		}
		c.Lines = append(c.Lines, line{Name: l.name, points: points})
	}
	if c.Empty {
		c.Gap = "Nothing of this has happened in the last half hour."
		return c
	}
	top = roundUp(top)
	c.Top = p.format(top) + p.unit
	for i := range c.Lines {
		c.Lines[i].Path = drawn(c.Lines[i].points, top)
		if i == 0 {
			c.Now = "–"
			if v := c.Lines[0].points[len(all)-2]; !math.IsNaN(v) {
				c.Now = p.format(v) + p.unit
			}
		}
	}
	for i := 0; i <= 4; i++ {
		at := c.From.Add(c.To.Sub(c.From) * time.Duration(i) / 4)
		c.Ticks = append(c.Ticks, tick{chartWidth * float64(i) / 4, at.UTC().Format("15:04:05")})
	}
	for i := len(all) - 2; i >= 0 && len(c.Rows) < 60; i-- {
		row := chartRow{At: all[i+1].at}
		for _, l := range c.Lines {
			text := "–"
			if v := l.points[i]; !math.IsNaN(v) {
				text = p.format(v) + p.unit
			}
			row.Values = append(row.Values, text)
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// roundUp is the next of 1, 2 and 5 times a power of ten.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5, 10} {
		if v <= step*unit {
			return step * unit
		}
	}
	return v
}

// drawn draws points from left to right; a point that is not there lifts the pen.
func drawn(points []float64, top float64) string {
	var b strings.Builder
	pen := false
	for i, v := range points {
		if math.IsNaN(v) {
			pen = false
			continue
		}
		x, y := chartWidth*float64(i)/float64(max(1, len(points)-1)), chartHeight*(1-v/top)
		command := "L"
		if !pen {
			command, pen = "M", true
			if i+1 == len(points) || math.IsNaN(points[i+1]) { // a single point is a short line
				fmt.Fprintf(&b, "M%.1f %.1f", max(0, x-2), y)
				command = "L"
			}
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x, y)
	}
	return b.String()
}

func chartsPage(q *request) error {
	all := q.c.series.samples()
	var out []chart
	for _, p := range plots {
		out = append(out, p.draw(all))
	}
	return q.show("charts", "metrics", "Metrics", out)
}
