package warehouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// The words of the summaries gave_way, beside the kinds of errors.
const (
	gaveWayCrash   = "crash"    // a process of the runtime ended
	gaveWayQueue   = "queue"    // answered, beyond a limit
	gaveWayTimeout = "time_out" // of any kind
)

var timeouts = []tables.ErrorKind{
	tables.ErrTTFTTimeout, tables.ErrStallTimeout, tables.ErrTotalTimeout, tables.ErrConnectTimeout, tables.ErrWriteTimeout,
}

// methodNotRecovered says why a recovery has no value.
const methodNotRecovered = "not_within_the_stages"

// stress keeps what the stage furthest above the capacity did to the server: how much it still held, what gave way, and
// how long it took to recover. The sentence tells it; "" where no stage was above the capacity.
func (c *court) stress(ctx context.Context, whole *scope) (string, error) {
	if c.capacity == nil || !c.capacity.Held.Valid {
		return "", nil
	}
	worst := -1
	for i, s := range c.Stages {
		if s.Kind != tables.KindStress || c.scopeOf(s) == nil || c.capacity.ratio(s) <= 1+sameLevel {
			continue
		}
		if worst < 0 || target(s) > target(c.Stages[worst]) {
			worst = i
		}
	}
	if worst < 0 {
		return "", nil
	}
	stage := c.Stages[worst]
	s := c.scopeOf(stage)
	ratio := c.capacity.ratio(stage)
	good := tables.Null[float64]{}
	if n := s.counts.offered(); n > 0 {
		good = tables.Some(float64(s.counts.good) / float64(n))
	}
	rate := s.value("goodput", "per_second")
	if !rate.Valid { // no objective limits a request
		rate = s.value("requests_per_second", "succeeded")
	}
	whole.add("overload_goodput", "capacity_ratio", "ratio", tables.Some(ratio), s.counts.due, "")
	whole.add("overload_goodput", "ratio", "ratio", good, s.counts.due, "")
	whole.add("overload_goodput", "per_second", "per_second", rate, s.counts.good, "")

	ways, err := c.gaveWay(ctx, s)
	if err != nil {
		return "", err
	}
	for _, w := range ways {
		whole.add("gave_way", w.what, "ratio", tables.Some(w.share), s.counts.due, "")
	}
	recovery, err := c.recovery(ctx, worst)
	if err != nil {
		return "", err
	}
	if recovery != nil {
		whole.figures = append(whole.figures, *recovery)
	}
	return stressSentence(ratio, good, ways, recovery), nil
}

// way is one way in which a server gave way, and the share of the requests that it befell.
type way struct {
	what  string
	share float64
}

// gaveWay says what became of the requests of a stage that were not good, the most frequent first. A crash comes before
// all, as everything after it is its doing.
func (c *court) gaveWay(ctx context.Context, s *scope) ([]way, error) {
	rows, err := c.conn.QueryContext(ctx, fmt.Sprintf(`
		select case when ok then '%s' when error_kind in %s then '%s' else error_kind end as what, count(*)
		from judged where %s and not good and error_kind is distinct from 'client_saturated' group by what`,
		gaveWayQueue, sqlList(timeouts), gaveWayTimeout, s.where()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ways []way
	for rows.Next() {
		var what string
		var n int64
		if err := rows.Scan(&what, &n); err != nil {
			return nil, err
		}
		ways = append(ways, way{what, float64(n) / float64(max(s.counts.offered(), 1))})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(ways, func(a, b way) int { return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.what, b.what)) })
	var deaths int64
	err = c.conn.QueryRowContext(ctx, `select count(*) from events where trial_id = ? and kind = 'runtime_died'`, c.Trial.TrialID).Scan(&deaths)
	if err != nil {
		return nil, err
	}
	if deaths > 0 {
		ways = append([]way{{gaveWayCrash, 1}}, ways...)
	}
	return ways, nil
}

// recovery is the time from the end of a stage until the server was well again; nil where nothing within the capacity
// followed.
func (c *court) recovery(ctx context.Context, overload int) (*tables.Summary, error) {
	var after []string
	for _, s := range c.Stages[overload+1:] {
		if s.FromAt == 0 || c.capacity.ratio(s) > 1+sameLevel {
			break
		}
		after = append(after, fmt.Sprint(s.Stage))
	}
	if len(after) == 0 {
		return nil, nil
	}
	rows, err := c.conn.QueryContext(ctx, fmt.Sprintf(`select intended_at, good from judged
		where stage in (%s) and error_kind is distinct from 'client_saturated' order by intended_at, seq`, strings.Join(after, ", ")))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []tables.Instant
	var good []bool
	for rows.Next() {
		var at int64
		var ok bool
		if err := rows.Scan(&at, &ok); err != nil {
			return nil, err
		}
		due, good = append(due, tables.Instant(at)), append(good, ok)
	}
	f := &tables.Summary{Metric: "recovery", Stat: "seconds", Unit: "seconds", N: int64(len(due)), Method: methodNotRecovered}
	if i, ok := wellFrom(good, neededGood(c.SLO)); ok {
		f.Value, f.Method = tables.Some(max(float64(due[i]-c.Stages[overload].UntilAt)/1e9, 0)), ""
	}
	return f, rows.Err()
}

// wellRun is how many requests in a row must be good for a server to be well again.
const wellRun = 10

// wellFrom is the first request from which on the server is well: wellRun of them in a row are good, and of all from it on
// as large a share as is needed. false: there is none.
func wellFrom(good []bool, needed float64) (i int, ok bool) {
	inRow, all := 0, 0.0
	for k := len(good) - 1; k >= 0; k-- {
		if !good[k] {
			inRow = 0
			continue
		}
		inRow++
		all++
		if inRow >= wellRun && all >= (needed-1e-9)*float64(len(good)-k) {
			i, ok = k, true
		}
	}
	return i, ok
}

// neededGood is the share of requests that must be good where every objective is just met: what each lets be lost, added
// up, since each may lose others.
func neededGood(slo *scenarios.SLO) float64 {
	lost := 0.0
	if slo != nil {
		for _, o := range slo.Objectives {
			switch {
			case limitsRequests(o):
				lost += 1 - quantileOfStat(o.Stat)
			case o.Stat == "max_ratio":
				lost += o.Limit
			}
		}
	}
	return max(1-lost, 0.5)
}

func stressSentence(ratio float64, good tables.Null[float64], ways []way, recovery *tables.Summary) string {
	var parts []string
	for _, w := range ways {
		switch w.what {
		case gaveWayCrash:
			parts = append(parts, "the runtime died")
		case gaveWayQueue:
			parts = append(parts, amount(w.share, "ratio")+" were answered beyond a limit (queue)")
		default:
			parts = append(parts, amount(w.share, "ratio")+" ended by "+w.what)
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing gave way"}
	}
	text := fmt.Sprintf("at %.3g times the capacity %s of the requests were good: %s", ratio, amount(good.V, "ratio"), strings.Join(parts, ", "))
	switch {
	case recovery == nil:
	case recovery.Value.Valid:
		text += fmt.Sprintf("; it was well again %s after", amount(recovery.Value.V, "seconds"))
	default:
		text += "; it was not well again while the stages after it went on"
	}
	return text
}
