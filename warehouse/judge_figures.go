package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// distribution is a figure of each request (or each token), of which a summary keeps percentiles. The metric is the
// column of judged that holds it.
type distribution struct {
	metric, unit string
	// moreIsBetter: the tail that matters is the low one.
	moreIsBetter bool
	// sum: the sum over the requests means something.
	sum bool
	// steady: it is told whether the figure settled.
	steady bool
}

// interToken is the one distribution whose rows are tokens: judged_gaps holds them.
const interToken = "inter_token"

var distributions = []distribution{
	{metric: "ttft", unit: "seconds", steady: true},
	{metric: "ttft_sent", unit: "seconds"},
	// The phases of cold starts, and all of them; other loads have none.
	{metric: "cold_start_start", unit: "seconds"},
	{metric: "cold_start_load", unit: "seconds"},
	{metric: "cold_start_first_token", unit: "seconds"},
	{metric: "cold_start_total", unit: "seconds"},
	{metric: "end_to_end", unit: "seconds"},
	{metric: "tpot", unit: "seconds", steady: true},
	{metric: interToken, unit: "seconds"},
	{metric: "output_tokens_per_second", unit: "tokens_per_second", moreIsBetter: true},
	{metric: "schedule_lag", unit: "seconds"},
	{metric: "server_queue", unit: "seconds"},
	{metric: "server_prefill", unit: "seconds"},
	{metric: "server_decode", unit: "seconds"},
	{metric: "prompt_tokens", unit: "tokens", sum: true},
	{metric: "output_tokens", unit: "tokens", sum: true},
	// How far prompts are from the length that was wanted, as a share of it.
	{metric: "prompt_length_error", unit: "ratio"},
}

// quantileOf gives the quantile behind a percentile's name.
var quantileOf = map[string]float64{
	"p001": 0.001, "p01": 0.01, "p05": 0.05, "p10": 0.10, "p50": 0.50,
	"p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999,
}

// percentiles are those that are kept of a distribution: the median and the tail that hurts.
func (d distribution) percentiles() []string {
	if d.moreIsBetter {
		return []string{"p50", "p10", "p05", "p01", "p001"}
	}
	return []string{"p50", "p90", "p95", "p99", "p999"}
}

// Methods of figures that have no interval by package stats.
const (
	methodBelowFloor = "below_sample_floor" // the value is NULL: too few observations for that percentile
	methodWilson     = "wilson"
)

// summarize makes the figures of a scope.
func (c *court) summarize(ctx context.Context, s *scope) error {
	if err := c.countRequests(ctx, s); err != nil {
		return fmt.Errorf("counting requests: %w", err)
	}
	for _, d := range distributions {
		var err error
		if d.metric == interToken {
			err = c.summarizeGaps(ctx, s, d.unit)
		} else {
			err = c.summarizeRequests(ctx, s, d)
		}
		if err != nil {
			return fmt.Errorf("summarizing %s: %w", d.metric, err)
		}
	}
	if err := c.summarizeRates(ctx, s); err != nil {
		return fmt.Errorf("summarizing rates: %w", err)
	}
	if err := c.summarizeResources(ctx, s); err != nil {
		return fmt.Errorf("summarizing resources: %w", err)
	}
	return nil
}

// summarizeRequests keeps the percentiles of a figure that each request has once: the values by quantile_cont, the
// intervals by the figures in the order in which they were due.
func (c *court) summarizeRequests(ctx context.Context, s *scope, d distribution) error {
	values, n, err := c.quantiles(ctx, s, d)
	if err != nil || n == 0 {
		return err
	}
	xs, err := c.floats(ctx, fmt.Sprintf(`select %s from judged where %s and %[1]s is not null order by intended_at, seq`, d.metric, s.where()))
	if err != nil {
		return err
	}
	qs := make([]float64, len(d.percentiles()))
	for i, stat := range d.percentiles() {
		qs[i] = quantileOf[stat]
	}
	for i, b := range stats.QuantileBounds(xs, qs, Confidence) {
		f := s.add(d.metric, d.percentiles()[i], d.unit, values.percentiles[i], n, "")
		bound(f, qs[i], b.Interval, b.Method, b.OK)
	}
	mean := s.add(d.metric, "mean", d.unit, tables.Some(values.mean), n, "")
	interval, method, ok := stats.MeanInterval(xs, Confidence)
	setInterval(mean, interval, method, ok)
	s.addExtremes(d, values, n)
	if d.steady {
		s.addSteadiness(d, xs)
	}
	return nil
}

// steadyBatches is how many medians a trend is sought in, and steadyLeast the least number of requests for it.
const (
	steadyBatches = 20
	steadyLeast   = 100
)

// addSteadiness keeps how steady a figure was: the share of the requests after which it had settled (MSER-5; near one
// half it never did), and whether it went on rising or falling (Mann–Kendall over medians of batches). These are
// figures, not rules: a load that changes, or that is too much, has a trend by its nature.
func (s *scope) addSteadiness(d distribution, xs []float64) {
	n := int64(len(xs))
	if n < steadyLeast {
		return
	}
	tau, p := stats.MannKendall(stats.BatchMedians(xs, steadyBatches))
	s.add(d.metric, "warm_up_cut", "ratio", tables.Some(float64(stats.MSER5(xs))/float64(n)), n, "mser5")
	s.add(d.metric, "trend_tau", "ratio", tables.Some(tau), n, "mann_kendall")
	s.add(d.metric, "trend_p", "ratio", tables.Some(p), n, "mann_kendall")
}

func (s *scope) addExtremes(d distribution, v figures, n int64) {
	s.add(d.metric, "min", d.unit, tables.Some(v.min), n, "")
	s.add(d.metric, "max", d.unit, tables.Some(v.max), n, "")
	if d.sum {
		s.add(d.metric, "sum", d.unit, tables.Some(v.mean*float64(n)), n, "")
	}
}

// bound gives a percentile its interval, or blanks it where the sample is below its floor.
func bound(f *tables.Summary, q float64, i stats.Interval, method string, ok bool) {
	if f.N < int64(stats.Floor(q, Confidence)) {
		f.Value, f.Method = tables.Null[float64]{}, methodBelowFloor
		return
	}
	setInterval(f, i, method, ok)
}

func setInterval(f *tables.Summary, i stats.Interval, method string, ok bool) {
	f.Method = method
	if ok {
		f.CILow, f.CIHigh = tables.Some(i.Low), tables.Some(i.High)
	}
}

// figures are the plain statistics of a distribution.
type figures struct {
	percentiles    []tables.Null[float64]
	mean, min, max float64
}

// quantiles asks for the plain statistics of a column within a scope.
func (c *court) quantiles(ctx context.Context, s *scope, d distribution) (figures, int64, error) {
	var columns strings.Builder
	for _, stat := range d.percentiles() {
		fmt.Fprintf(&columns, ", quantile_cont(%s, %v)", d.metric, quantileOf[stat])
	}
	query := fmt.Sprintf(`select count(%[1]s), avg(%[1]s), min(%[1]s), max(%[1]s)%s from judged where %s`, d.metric, columns.String(), s.where())
	var n int64
	plain := make([]sql.NullFloat64, 3+len(d.percentiles()))
	into := []any{&n}
	for i := range plain {
		into = append(into, &plain[i])
	}
	if err := c.conn.QueryRowContext(ctx, query).Scan(into...); err != nil {
		return figures{}, 0, err
	}
	f := figures{mean: plain[0].Float64, min: plain[1].Float64, max: plain[2].Float64}
	for _, p := range plain[3:] {
		f.percentiles = append(f.percentiles, tables.Null[float64]{V: p.Float64, Valid: p.Valid})
	}
	return f, n, nil
}

// floats reads a query of one column.
func (c *court) floats(ctx context.Context, query string, args ...any) ([]float64, error) {
	rows, err := c.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var xs []float64
	for rows.Next() {
		var x float64
		if err := rows.Scan(&x); err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return xs, rows.Err()
}
