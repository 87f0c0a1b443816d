package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// line is one figure of the table.
type line struct {
	what  string
	value float64
	unit  string
	limit limit
}

// limit is what a figure should keep; the zero limit is none.
type limit struct {
	least, most float64 // 0: not this one
}

func (l limit) String() string {
	switch {
	case l.least > 0:
		return "at least " + number(l.least)
	case l.most > 0:
		return "at most " + number(l.most)
	}
	return "–"
}

// judge tells whether a figure keeps the limit.
func (l limit) judge(v float64) string {
	switch {
	case l == limit{}:
		return ""
	case l.least > 0 && v < l.least:
		return "under"
	case l.most > 0 && v > l.most:
		return "over"
	}
	return "ok"
}

// table is all figures, in the order of measurement.
type table []line

func (t *table) add(what string, value float64, unit string, l limit) {
	*t = append(*t, line{what, value, unit, l})
}

func (t table) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tunit\tlimit\t")
	for _, l := range t {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.what, number(l.value), l.unit, l.limit, l.limit.judge(l.value))
	}
	return w.Flush()
}

// number is a figure with three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the value that a share q of the values does not pass; values is sorted by it, and not empty.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}
