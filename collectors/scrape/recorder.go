package scrape

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// recorder turns what targets tell into rows, and holds those of one round.
type recorder struct {
	o       Options
	known   map[string]int32 // series by target, name and labels
	dropped bool
	fresh   []tables.Series
	samples []tables.Sample
}

func newRecorder(o Options) *recorder { return &recorder{o: o, known: map[string]int32{}} }

// add takes one answer of a target.
func (r *recorder) add(t Target, at time.Time, families map[string]*dto.MetricFamily) {
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			switch {
			case m.Histogram != nil:
				count := float64(m.Histogram.GetSampleCount())
				if f := m.Histogram.GetSampleCountFloat(); f > 0 {
					count = f
				}
				r.pair(t, at, name, m, m.Histogram.GetSampleSum(), count)
			case m.Summary != nil:
				r.pair(t, at, name, m, m.Summary.GetSampleSum(), float64(m.Summary.GetSampleCount()))
			case m.Counter != nil:
				r.one(t, at, name, name, m, m.Counter.GetValue())
			case m.Gauge != nil:
				r.one(t, at, name, name, m, m.Gauge.GetValue())
			case m.Untyped != nil:
				r.one(t, at, name, name, m, m.Untyped.GetValue())
			}
		}
	}
}

func (r *recorder) pair(t Target, at time.Time, family string, m *dto.Metric, sum, count float64) {
	r.one(t, at, family, family+"_sum", m, sum)
	r.one(t, at, family, family+"_count", m, count)
}

// one takes one value; what is no number is none.
func (r *recorder) one(t Target, at time.Time, family, name string, m *dto.Metric, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) || !r.keeps(family, name) {
		return
	}
	labels := map[string]string{}
	key := t.ID + "\x00" + name
	for _, l := range m.GetLabel() { // the parser sorts them
		labels[l.GetName()] = l.GetValue()
		key += "\x00" + l.GetName() + "\x00" + l.GetValue()
	}
	id, ok := r.known[key]
	if !ok {
		if len(r.known) >= r.o.MaxSeries {
			if !r.dropped {
				r.dropped = true
				r.o.Note(fmt.Sprintf("More than %d series were scraped, and those beyond are dropped: keep names those that are wanted.", r.o.MaxSeries))
			}
			return
		}
		id = r.o.FirstSeriesID + int32(len(r.known))
		r.known[key] = id
		r.fresh = append(r.fresh, tables.Series{
			TrialID: r.o.TrialID, SeriesID: id, Collector: "scrape", Target: "runtime", TargetID: t.ID, Pod: t.Pod, Node: t.Node,
			Name: name, Unit: Unit(name), Labels: labels,
		})
	}
	r.samples = append(r.samples, tables.Sample{TrialID: r.o.TrialID, SeriesID: id, At: tables.Instant(at.UnixNano()), Value: value})
}

// keeps tells whether a series is wanted, by its own name or its family's. Counters are called with and without _total.
func (r *recorder) keeps(family, name string) bool {
	if len(r.o.Keep) == 0 {
		return true
	}
	return slices.ContainsFunc(r.o.Keep, func(pattern string) bool {
		for _, n := range []string{name, family, strings.TrimSuffix(family, "_total")} {
			if ok, _ := path.Match(pattern, n); ok || pattern == n {
				return true
			}
		}
		return false
	})
}

// Unit guesses the unit of a metric from its name, as Prometheus' own rules have it: its last word, but for _total, _sum,
// _count and _bucket. count where there is none.
func Unit(name string) string {
	if strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_bucket") {
		return "count"
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_total")
	switch {
	case strings.HasSuffix(name, "tokens_seconds"): // llama.cpp's, which are tokens in a second
		return "tokens_per_second"
	case strings.HasSuffix(name, "_seconds"), strings.HasSuffix(name, "_duration"):
		return "seconds"
	case strings.HasSuffix(name, "_bytes"):
		return "bytes"
	case strings.HasSuffix(name, "_ratio"), strings.HasSuffix(name, "_perc"), strings.HasSuffix(name, "_rate"): // vLLM's and SGLang's go from 0 to 1
		return "ratio"
	default:
		return "count"
	}
}

func (r *recorder) flush(sink Sink) error {
	if len(r.fresh) > 0 {
		if err := sink.WriteSeries(r.fresh); err != nil {
			return fmt.Errorf("writing scraped series: %w", err)
		}
		r.fresh = r.fresh[:0]
	}
	if len(r.samples) > 0 {
		if err := sink.WriteSamples(r.samples); err != nil {
			return fmt.Errorf("writing scraped samples: %w", err)
		}
		r.samples = r.samples[:0]
	}
	return nil
}
