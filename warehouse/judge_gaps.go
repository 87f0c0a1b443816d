package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// gapStats are the percentiles that are kept of the gaps between tokens.
var gapStats = distribution{}.percentiles()

// gaps is the whole distribution of the gaps between tokens: the different values, rising, and how many gaps are at
// most each. Gaps are whole microseconds, so it stays small however many tokens there are.
type gaps struct {
	values []float64
	upTo   []int64
	sum    float64
}

func (g *gaps) add(value float64, n int64) {
	g.sum += value * float64(n)
	if k := len(g.values); k > 0 && g.values[k-1] == value {
		g.upTo[k-1] += n
		return
	}
	g.values, g.upTo = append(g.values, value), append(g.upTo, g.n()+n)
}

func (g *gaps) n() int64 {
	if len(g.upTo) == 0 {
		return 0
	}
	return g.upTo[len(g.upTo)-1]
}

// at is the i-th smallest gap, from 0.
func (g *gaps) at(i int64) float64 {
	return g.values[sort.Search(len(g.upTo), func(k int) bool { return g.upTo[k] > i })]
}

// quantile is what quantile_cont gives over all gaps.
func (g *gaps) quantile(q float64) float64 {
	h := q * float64(g.n()-1)
	i := int64(h)
	low, high := g.at(i), g.at(min(i+1, g.n()-1))
	return low + (h-float64(i))*(high-low)
}

// readGaps reads the distribution of the whole trial and of each stage, in one pass over the tokens.
func (c *court) readGaps(ctx context.Context) error {
	c.gaps = map[tables.Null[int32]]*gaps{{}: {}}
	rows, err := c.conn.QueryContext(ctx, `select stage, inter_token, sum(n)::bigint from judged_gaps group by all order by inter_token, stage`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var stage int32
		var value float64
		var n int64
		if err := rows.Scan(&stage, &value, &n); err != nil {
			return err
		}
		c.gaps[tables.Null[int32]{}].add(value, n)
		if c.gaps[tables.Some(stage)] == nil {
			c.gaps[tables.Some(stage)] = &gaps{}
		}
		c.gaps[tables.Some(stage)].add(value, n)
	}
	return rows.Err()
}

// summarizeGaps keeps the percentiles of the gaps. Those of a request are alike, so the intervals take requests as the
// independent draws: the share of gaps at or below the quantile is a ratio of two sums over requests, and its variance,
// against that of as many independent gaps, is the design effect.
func (c *court) summarizeGaps(ctx context.Context, s *scope, unit string) error {
	g := c.gaps[s.rows]
	if g == nil || g.n() == 0 {
		return nil
	}
	limits := make([]float64, len(gapStats))
	for i, stat := range gapStats {
		limits[i] = g.quantile(quantileOf[stat])
	}
	below, err := c.clusters(ctx, s, limits)
	if err != nil {
		return err
	}
	for i, stat := range gapStats {
		q := quantileOf[stat]
		f := s.add(interToken, stat, unit, tables.Some(limits[i]), g.n(), "")
		low, high, method, ok := below.bounds(i, q, Confidence)
		var interval stats.Interval
		if ok {
			interval = stats.Interval{Low: g.quantile(low), High: g.quantile(high)}
		}
		bound(f, q, interval, method, ok)
	}
	s.add(interToken, "mean", unit, tables.Some(g.sum/float64(g.n())), g.n(), "")
	s.add(interToken, "min", unit, tables.Some(g.values[0]), g.n(), "")
	s.add(interToken, "max", unit, tables.Some(g.values[len(g.values)-1]), g.n(), "")
	return nil
}

// clustered are draws that come in clusters: how many each cluster has, and how many of them lie below each limit.
type clustered struct {
	sizes []float64
	below [][]float64
}

// clusters counts the gaps of each request, in the order in which the requests were due.
func (c *court) clusters(ctx context.Context, s *scope, limits []float64) (clustered, error) {
	columns := make([]string, len(limits))
	args := make([]any, len(limits))
	for i, limit := range limits {
		columns[i], args[i] = fmt.Sprintf("coalesce(sum(n) filter (inter_token <= $%d), 0)::double", i+1), limit
	}
	rows, err := c.conn.QueryContext(ctx, fmt.Sprintf(
		`select sum(n)::double, %s from judged_gaps where %s group by intended_at, seq order by intended_at, seq`, strings.Join(columns, ", "), s.where()), args...)
	if err != nil {
		return clustered{}, err
	}
	defer rows.Close()
	cl := clustered{below: make([][]float64, len(limits))}
	row := make([]sql.NullFloat64, 1+len(limits))
	into := make([]any, len(row))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return clustered{}, err
		}
		cl.sizes = append(cl.sizes, row[0].Float64)
		for i := range limits {
			cl.below[i] = append(cl.below[i], row[1+i].Float64)
		}
	}
	return cl, rows.Err()
}

// bounds are the shares of all draws between which the true q-th quantile, the limit i, lies.
func (cl clustered) bounds(i int, q, confidence float64) (low, high float64, method string, ok bool) {
	var total, sum float64
	for k, m := range cl.sizes {
		total += m
		sum += cl.below[i][k]
	}
	share := sum / total
	if share == 0 || share == 1 || len(cl.sizes) < 2 {
		return 0, 0, stats.TooFew, false
	}
	residuals := slices.Clone(cl.below[i])
	var squares float64
	for k := range residuals {
		residuals[k] -= share * cl.sizes[k]
		squares += residuals[k] * residuals[k]
	}
	tau := stats.AutocorrelationTime(residuals)
	if float64(len(residuals))/tau < stats.MinEffective {
		return 0, 0, stats.TooFewEffective, false
	}
	effect := squares * tau / (total * share * (1 - share))
	return stats.RankBounds(int(total), q, confidence, max(effect, 1))
}
