package scenarios

import (
	"time"

	"github.com/llmscen/llmscen/scenarios/diag"
)

// SLO is what a runtime promises.
type SLO struct {
	Block
	Objectives []Objective
}

// Objective is one promise: a statistic of a metric and its limit.
type Objective struct {
	Metric string     // ttft, inter_token, tpot, end_to_end, errors, output_tokens_per_second, goodput
	Stat   string     // p50, p90, p95, p99, p999, max, max_ratio, min_ratio, min_per_second
	Limit  float64    // in Unit
	Unit   string     // seconds, ratio, per_second
	Decl   diag.Range `json:"-"`
}

// Searchable tells whether more load can break the objective: it limits requests or their shares. A rate that the system
// must reach is none of those: more load brings it nearer.
func (o Objective) Searchable() bool { return o.Stat != "min_per_second" }

// Collect is a source of resource series.
type Collect struct {
	Block
	Source        string // prometheus, scrape, procfs, gpu
	URL           string
	Every         time.Duration
	Sets          []string // prometheus: named groups of series
	Keep          []string // scrape: metric names
	Series        []SeriesQuery
	Required      bool
	BearerToken   Secret
	BasicUser     string
	BasicPassword Secret
}

// SeriesQuery is one PromQL expression and the unit of its values; `${target.…}` is left for the trial to fill.
type SeriesQuery struct {
	Name  string
	Unit  string
	Query string
}
