package warehouse

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// judgeSQL makes the temporary tables that a judgement reads.
//
//go:embed judge.sql
var judgeSQL string

// Confidence is the confidence of every interval that a judgement and a comparison give, each taken alone.
const Confidence = 0.95

// Evidence is what a judge is told of a trial beside its rows.
type Evidence struct {
	Trial tables.Trial
	// SLO is what was promised; nil: nothing.
	SLO *scenarios.SLO
	// Stages are those of the load, with the times at which they were really made.
	Stages []tables.Stage
	// OpenLoop: arrivals followed a schedule, so that the rate can be compared with it.
	OpenLoop bool
	// SharedHost: the runtime runs on the machine of the client, whose busy cores then prove nothing.
	SharedHost bool
	// RuntimeDied says how a process of the runtime ended unasked; "" where none did.
	RuntimeDied string
	// WorkersLost is how many workers of the load ended before their work did.
	WorkersLost int
	// CachedRatio is the share of prompt tokens that the scenario wants served from a cache; unknown: no intent.
	CachedRatio tables.Null[float64]
}

// Judgement is what a trial's rows say.
type Judgement struct {
	Validity tables.Validity
	// Reasons are sentences: why the trial isn't valid, and what could not be told.
	Reasons []string
	// SLO is "" where nothing was promised.
	SLO tables.SLOState
	// BindingObjective is the objective that came nearest to its limit, or furthest beyond it, as in "ttft p99".
	BindingObjective string
	Verdicts         []tables.Verdict
	Summaries        []tables.Summary
	// Stages are the evidence's, with achieved rate, attainment and outcome; that of a probe is the search's own.
	Stages []tables.Stage
	// Capacity is what a search found; nil: the load was none.
	Capacity *Capacity
	// GaveWay tells what a load above the capacity did; "" where there was none.
	GaveWay string
}

// Judge computes the figures of one trial, holds them against its objectives, and says whether they may be believed.
// db has the warehouse's views; its tables requests, schedules, events, series and samples hold that trial and no other.
func Judge(ctx context.Context, db *sql.DB, e Evidence) (Judgement, error) {
	conn, err := db.Conn(ctx) // temporary tables belong to a connection
	if err != nil {
		return Judgement{}, fmt.Errorf("judging %s: %w", e.Trial.TrialID, err)
	}
	defer conn.Close()
	c := &court{conn: conn, Evidence: e}
	j, err := c.judge(ctx)
	if err != nil {
		return Judgement{}, fmt.Errorf("judging %s: %w", e.Trial.TrialID, err)
	}
	return j, nil
}

// court holds what the parts of a judgement share.
type court struct {
	Evidence
	conn   *sql.Conn
	scopes []*scope // the first is that of the trial's figures
	// everything is all that was measured, which the rules are about; in a search the trial's figures are of less.
	everything *scope
	capacity   *Capacity                    // nil: the load was no search
	gaps       map[tables.Null[int32]]*gaps // by stage; NULL: the whole trial
}

// scope is what figures are made of: the whole trial, or one of its stages.
type scope struct {
	stage       tables.Null[int32] // whose figures they are; NULL: the trial's
	rows        tables.Null[int32] // the stage whose requests they are made of; NULL: all
	from, until tables.Instant
	figures     []tables.Summary
	counts      counts
	backlog     backlog
}

// counts are the requests of a scope.
type counts struct {
	due, sent, ok, failed, notSent, saturated, overloadErrors, good int64
}

// offered is what the server was asked, or would have been had it answered in time: the denominator of its errors.
func (c counts) offered() int64 { return c.due - c.saturated }

// backlog is how many requests were on their way in the middle of a scope and at its end.
type backlog struct{ middle, end int64 }

// seconds is the length of the scope.
func (s *scope) seconds() float64 { return float64(s.until-s.from) / 1e9 }

// where limits a query on judged to the scope.
func (s *scope) where() string {
	if !s.rows.Valid {
		return "true"
	}
	return fmt.Sprintf("stage = %d", s.rows.V)
}

func (s *scope) add(metric, stat, unit string, v tables.Null[float64], n int64, method string) *tables.Summary {
	s.figures = append(s.figures, tables.Summary{
		Stage: s.stage, Metric: metric, Stat: stat, Unit: unit, Value: v, N: n, Method: method,
	})
	return &s.figures[len(s.figures)-1]
}

// figure is the summary of a statistic; nil where there is none.
func (s *scope) figure(metric, stat string) *tables.Summary {
	for i := range s.figures {
		if f := &s.figures[i]; f.Metric == metric && f.Stat == stat {
			return f
		}
	}
	return nil
}

// value is a figure's value; unknown where there is none.
func (s *scope) value(metric, stat string) tables.Null[float64] {
	if f := s.figure(metric, stat); f != nil {
		return f.Value
	}
	return tables.Null[float64]{}
}

func (c *court) judge(ctx context.Context) (Judgement, error) {
	if _, err := c.conn.ExecContext(ctx, strings.Replace(judgeSQL, "{{good}}", goodSQL(c.SLO), 1)); err != nil {
		return Judgement{}, fmt.Errorf("choosing the requests that count: %w", err)
	}
	if err := c.chooseScopes(ctx); err != nil {
		return Judgement{}, fmt.Errorf("finding the measured window: %w", err)
	}
	if err := c.readGaps(ctx); err != nil {
		return Judgement{}, fmt.Errorf("counting gaps between tokens: %w", err)
	}
	for _, s := range c.scopes {
		if err := c.summarize(ctx, s); err != nil {
			return Judgement{}, err
		}
	}
	if c.everything != c.scopes[0] {
		if err := c.summarize(ctx, c.everything); err != nil {
			return Judgement{}, err
		}
	}
	j := Judgement{Capacity: c.capacity}
	if c.capacity != nil {
		c.addCapacity(c.scopes[0])
		var err error
		if j.GaveWay, err = c.stress(ctx, c.scopes[0]); err != nil {
			return Judgement{}, fmt.Errorf("telling what gave way: %w", err)
		}
	}
	for i, s := range c.scopes {
		verdicts, err := c.verdicts(ctx, s)
		if err != nil {
			return Judgement{}, fmt.Errorf("holding the objectives against the rows: %w", err)
		}
		if i == 0 {
			j.SLO, j.BindingObjective = sloState(verdicts)
		}
		j.Verdicts = append(j.Verdicts, verdicts...)
		j.Summaries = append(j.Summaries, s.figures...)
	}
	if c.capacity != nil {
		j.SLO, j.BindingObjective = c.capacity.slo(), c.capacity.binding(j.Verdicts)
	}
	j.Stages = c.stageOutcomes(j.Verdicts)
	facts, err := c.facts(ctx)
	if err != nil {
		return Judgement{}, fmt.Errorf("gathering what the rules ask: %w", err)
	}
	j.Validity, j.Reasons = facts.apply()
	for i := range j.Verdicts {
		j.Verdicts[i].TrialID = c.Trial.TrialID
	}
	for i := range j.Summaries {
		j.Summaries[i].TrialID = c.Trial.TrialID
	}
	return j, nil
}

// chooseScopes takes the whole trial and, where it has several, its stages.
func (c *court) chooseScopes(ctx context.Context) error {
	whole := &scope{from: c.Trial.MeasureFrom, until: c.Trial.MeasureUntil}
	if whole.from == 0 || whole.until <= whole.from {
		// The trial ended before its window was known: the rows tell what there is of it.
		var from, until sql.NullInt64
		err := c.conn.QueryRowContext(ctx, `select min(intended_at), max(greatest(intended_at, coalesce(done_at, 0))) from judged`).Scan(&from, &until)
		if err != nil {
			return err
		}
		whole.from, whole.until = tables.Instant(from.Int64), tables.Instant(until.Int64)
	}
	c.scopes, c.everything = []*scope{whole}, whole
	if c.capacity = capacityOf(c.Stages); c.capacity != nil {
		if st, ok := c.capacity.atCapacity(c.Stages); ok {
			c.scopes[0] = &scope{rows: tables.Some(st.Stage), from: st.FromAt, until: st.UntilAt}
		}
	}
	if c.single() {
		return nil
	}
	for _, st := range c.Stages {
		if st.FromAt != 0 && st.UntilAt > st.FromAt {
			stage := tables.Some(st.Stage)
			c.scopes = append(c.scopes, &scope{stage: stage, rows: stage, from: st.FromAt, until: st.UntilAt})
		}
	}
	return nil
}

// single tells whether the trial is its only stage; the probes of a search are stages however few they are.
func (c *court) single() bool { return len(c.Stages) < 2 && c.capacity == nil }

// scopeOf is the scope of a stage: its own, or the whole trial where the stage is the only one. nil where the stage
// was never made.
func (c *court) scopeOf(st tables.Stage) *scope {
	if c.single() {
		return c.scopes[0]
	}
	for _, s := range c.scopes[1:] {
		if s.stage.V == st.Stage {
			return s
		}
	}
	return nil
}
