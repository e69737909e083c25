package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

const footer = `
/s is requests, of a list keys, a second; by versitygw: that by versitygw's. CPU is the time, user and system, of the server's
process for a request, of a list for 1000 keys; by versitygw: versitygw's by that, so that more is better there too. Where cores
are shared with the load, or with others, it says more than the rate.

glassine's PUT is on the disk when it is answered: the file is flushed, then its directory, then the index's pages, then the
index's root; concurrent PUTs share the last two. versitygw flushes nothing: its PUT is answered from memory, and a power
failure loses it. "flush after" is how long a flush of the whole file system took when the PUTs had been answered: what was
not yet on the disk.
`

func report(results map[cell][]sample, sides []side) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\noperation\tobject\tconnections\tserver\t/s\tmin\tmax\tby versitygw\tp50\tp99\tCPU\tby versitygw\tflush after\t")
	rows := func(operation string, size, conns int) {
		peer := results[cell{operation, size, conns, sides[len(sides)-1].name}]
		for _, s := range sides {
			samples := results[cell{operation, size, conns, s.name}]
			if len(samples) == 0 {
				continue
			}
			rates := values(samples, rate)
			object, flush := sizeName(size), ""
			switch operation {
			case list:
				object = "keys"
			case "PUT":
				flush = duration(median(samples, func(s sample) float64 { return float64(s.flush) }))
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.0f\t%.0f\t%.0f\t%.2f\t%s\t%s\t%v\t%.2f\t%s\t\n", operation, object, conns, s.name,
				median(samples, rate), rates[0], rates[len(rates)-1], median(samples, rate)/median(peer, rate),
				duration(median(samples, func(s sample) float64 { return float64(s.middle) })),
				duration(median(samples, func(s sample) float64 { return float64(s.high) })),
				time.Duration(median(samples, cpu)).Round(time.Microsecond), median(peer, cpu)/median(samples, cpu), flush)
		}
	}
	for _, operation := range []string{"GET", "PUT"} {
		for _, size := range sizes {
			for _, conns := range connections {
				rows(operation, size, conns)
			}
		}
	}
	rows(list, 0, 1)
	_ = w.Flush()
	fmt.Print(footer)
}

func rate(s sample) float64 { return s.rate }

func cpu(s sample) float64 { return float64(s.cpu) }

func values(samples []sample, f func(sample) float64) []float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, f(s))
	}
	slices.Sort(all)
	return all
}

func median(samples []sample, f func(sample) float64) float64 {
	all := values(samples, f)
	if len(all) == 0 {
		return 0
	}
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func duration(d float64) string { return time.Duration(d).Round(10 * time.Microsecond).String() }
