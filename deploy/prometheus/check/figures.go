package main

import (
	"fmt"
	"math"
	"strings"
)

// figure is one number, or one for each phase, as Prometheus and the warehouse tell it.
type figure struct {
	name string
	// promQL has the label key in its answer, or else the label phase; sql selects the same as key and value from the
	// rows of the run.
	promQL, sql string
	// ratio is how far the two may be apart: a histogram knows a quantile only to its bucket. 0: they are equal, but for
	// the rounding of floating-point sums.
	ratio float64
}

// The rows that were counted when the run's trial was sealed, by phase.
const (
	run  = `{run="counted"}`
	rows = ` from requests where trial_id = 'counted#1'`
)

func perPhase(name, metric, value string) figure {
	return figure{name: name, promQL: "sum by (phase) (" + metric + run + ")", sql: "select phase as key, " + value + " as value" + rows + " group by phase"}
}

// counters are the figures that need no histogram.
func counters() []figure {
	return []figure{
		{
			name:   "requests",
			promQL: `label_join(sum by (phase, result) (llmscen_requests_total` + run + `), "key", "/", "phase", "result")`,
			sql:    "select phase || '/' || coalesce(error_kind, 'success') as key, count(*) as value" + rows + " and final group by all",
		},
		{
			name:   "trials",
			promQL: `label_join(llmscen_trials_total, "key", "/", "status", "validity", "slo")`,
			sql:    "select status || '/' || validity || '/' || coalesce(slo, '') as key, 1 as value from trials where trial_id = 'counted#1'",
		},
		perPhase("retries", "llmscen_retries_total", "count(*) filter (not final)"),
		perPhase("output tokens", "llmscen_output_tokens_total", "coalesce(sum(output_tokens), 0)"),
		perPhase("prompt tokens", "llmscen_prompt_tokens_total", "coalesce(sum(prompt_tokens), 0)"),
		perPhase("request bytes", "llmscen_request_bytes_total", "sum(request_bytes)"),
		perPhase("response bytes", "llmscen_response_bytes_total", "sum(response_bytes)"),
	}
}

// latency is a latency of the exporter: which rows it counts, and the seconds of each.
type latency struct{ name, seconds, where string }

const ok = " and final and error_kind is null"

var latencies = []latency{
	{"ttft", "(first_token_at - intended_at) / 1e9", ok},
	{"ttft_sent", "(first_token_at - dispatched_at) / 1e9", ok},
	{"end_to_end", "(done_at - intended_at) / 1e9", ok},
	{"tpot", "(last_token_at - first_token_at) / 1e9 / (output_tokens - 1)", ok + " and output_tokens > 1"},
	{"inter_token", "unnest(token_delta_us[2:]) / 1e6", ok},
	{"schedule_lag", "(dispatched_at - intended_at) / 1e9", " and final"},
}

// figures are those of a latency as a native or as a classic histogram.
func (l latency) figures(native bool) []figure {
	all := " from (select phase, " + l.seconds + " as s" + rows + l.where + ") where s is not null"
	count := figure{sql: "select phase as key, count(s) as value" + all + " group by phase"}
	sum := figure{sql: "select phase as key, sum(s) as value" + all + " group by phase"}
	median := figure{sql: "select phase as key, quantile_disc(s, 0.5) as value" + all + " and phase = 'measure' group by phase"}
	if native {
		h := "sum by (phase) (llmscen_" + l.name + "_seconds" + run + ")"
		count.promQL, sum.promQL = "histogram_count("+h+")", "histogram_sum("+h+")"
		median.promQL = `histogram_quantile(0.5, sum by (phase) (llmscen_` + l.name + `_seconds{run="counted",phase="measure"}))`
		median.ratio = 1.1 * 1.1 // a bucket, and one to its side where the median is its bound
	} else {
		h := "llmscen_" + l.name + "_classic_seconds"
		count.promQL = `sum by (phase) (` + h + `_bucket{run="counted",le="+Inf"})`
		sum.promQL = "sum by (phase) (" + h + "_sum" + run + ")"
		median.promQL = `histogram_quantile(0.5, sum by (phase, le) (` + h + `_bucket{run="counted",phase="measure"}))`
		median.ratio = 2 * 2
	}
	count.name, sum.name, median.name = l.name+" count", l.name+" sum", l.name+" median"
	return []figure{count, sum, median}
}

// figuresOf are all that a server must know as the warehouse does. One that keeps native histograms has the classic ones
// too.
func figuresOf(native bool) []figure {
	all := counters()
	for _, l := range latencies {
		all = append(all, l.figures(false)...)
		if native {
			for _, f := range l.figures(true) {
				f.name = "native " + f.name
				all = append(all, f)
			}
		}
	}
	return all
}

// statement asks the warehouse for all figures at once.
func statement(figures []figure) string {
	var parts []string
	for i, f := range figures {
		parts = append(parts, fmt.Sprintf("select %d as figure, key, cast(value as double) as value from (%s)", i, f.sql))
	}
	return strings.Join(parts, " union all ")
}

// compare tells how what Prometheus has differs from what the warehouse has; "" where it does not.
func (f figure) compare(prometheus, warehouse map[string]float64) string {
	if len(warehouse) == 0 {
		return "the warehouse has none"
	}
	for key, want := range warehouse {
		got, there := prometheus[key]
		switch {
		case !there:
			return fmt.Sprintf("%s: Prometheus has none, the warehouse %g", key, want)
		case f.ratio == 0 && math.Abs(got-want) > 1e-9*math.Abs(want),
			f.ratio > 0 && (got > want*f.ratio || got < want/f.ratio):
			return fmt.Sprintf("%s: Prometheus has %g, the warehouse %g", key, got, want)
		}
	}
	for key, got := range prometheus {
		if _, there := warehouse[key]; !there && got != 0 {
			return fmt.Sprintf("%s: Prometheus has %g, the warehouse none", key, got)
		}
	}
	return ""
}
