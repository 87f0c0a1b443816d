package warehouse

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// perRequest lists the metrics whose objectives put a limit on each request.
var perRequest = []string{"ttft", "tpot", "end_to_end", interToken, "output_tokens_per_second"}

// atLeast tells whether an objective's limit is a lower bound.
func atLeast(o scenarios.Objective) bool {
	return o.Metric == "output_tokens_per_second" || o.Metric == "goodput"
}

// limitsRequests tells whether the objective limits each request by itself.
func limitsRequests(o scenarios.Objective) bool {
	return slices.Contains(perRequest, o.Metric) && strings.HasPrefix(o.Stat, "p") || o.Metric != "errors" && o.Stat == "max"
}

func hasRequestLimits(s *scenarios.SLO) bool {
	return s != nil && slices.ContainsFunc(s.Objectives, limitsRequests)
}

// goodSQL is the condition, on the columns of judged, that a success keeps every limit that the objectives put on a
// request. Of its own gaps between tokens a request has to keep the objective's percentile.
func goodSQL(slo *scenarios.SLO) string {
	conditions := []string{"true"}
	if slo != nil {
		for _, o := range slo.Objectives {
			if !limitsRequests(o) {
				continue
			}
			switch {
			case o.Metric == interToken:
				conditions = append(conditions, fmt.Sprintf(
					`coalesce(list_aggregate(list_transform(range(2, len(token_delta_us) + 1), lambda i: token_delta_us[i] / 1e6 / coalesce(token_counts[i], 1)), 'quantile_cont', %v) <= %v, true)`,
					quantileOfStat(o.Stat), o.Limit))
			case o.Metric == "tpot": // an answer of one token has none
				conditions = append(conditions, fmt.Sprintf("coalesce(tpot <= %v, true)", o.Limit))
			case atLeast(o):
				conditions = append(conditions, fmt.Sprintf("%s >= %v", o.Metric, o.Limit))
			default:
				conditions = append(conditions, fmt.Sprintf("%s <= %v", o.Metric, o.Limit))
			}
		}
	}
	return "(" + strings.Join(conditions, " and ") + ")"
}

func quantileOfStat(stat string) float64 {
	if stat == "max" {
		return 1
	}
	return quantileOf[stat]
}

// verdicts holds the objectives against a scope.
//
// A percentile counts a request that failed as one that never came: its figure is infinite, so that a server does not
// look faster for the requests that it drops. Where there is an interval, it decides: wholly on the right side is met,
// wholly on the other missed, and one that holds the limit can't tell. Where there is none, for the sample is too
// small, the share of the requests that keep the limit decides by its own interval, if it is clear. What happened as a
// fact (the share of errors, a maximum, a rate of the system) is compared as it is.
func (c *court) verdicts(ctx context.Context, s *scope) ([]tables.Verdict, error) {
	if c.SLO == nil {
		return nil, nil
	}
	var out []tables.Verdict
	for _, o := range c.SLO.Objectives {
		v := tables.Verdict{Stage: s.stage, Metric: o.Metric, Stat: o.Stat, Limit: o.Limit, Unit: o.Unit}
		switch {
		case limitsRequests(o) && o.Metric != interToken:
			xs, err := c.censored(ctx, s, o)
			if err != nil {
				return nil, err
			}
			decideCensored(&v, o, xs)
		default:
			decideByFigure(&v, o, s.objectiveFigure(o))
		}
		out = append(out, v)
	}
	return out, nil
}

// censored are the figures of the requests of a scope that an objective is about, in the order in which they were due:
// infinitely bad where a request failed. Where more is better the figures are negated, so that less is always better.
func (c *court) censored(ctx context.Context, s *scope, o scenarios.Objective) ([]float64, error) {
	column := o.Metric
	if atLeast(o) {
		column = "-" + column
	}
	return c.floats(ctx, fmt.Sprintf(
		`select case when ok then %s else 'infinity'::double end as x from judged
		where error_kind is distinct from 'client_saturated' and (not ok or %s is not null) and %s order by intended_at, seq`,
		column, o.Metric, s.where()))
}

func decideCensored(v *tables.Verdict, o scenarios.Objective, xs []float64) {
	limit, sign := o.Limit, 1.0
	if atLeast(o) {
		limit, sign = -limit, -1
	}
	q := quantileOfStat(o.Stat)
	n := len(xs)
	if n == 0 {
		return
	}
	sorted := slices.Clone(xs)
	slices.Sort(sorted)
	measured := stats.Quantile(sorted, q)
	if o.Stat == "max" {
		v.Measured = finite(sign * measured)
		v.Met = tables.Some(measured <= limit)
		return
	}
	if n >= stats.Floor(q, Confidence) {
		v.Measured = finite(sign * measured)
		if i, _, ok := stats.QuantileInterval(xs, q, Confidence); ok {
			v.CILow, v.CIHigh = finite(sign*i.Low), finite(sign*i.High)
			if sign < 0 {
				v.CILow, v.CIHigh = v.CIHigh, v.CILow
			}
			v.Met = decided(i.High <= limit, i.Low > limit)
			return
		}
	}
	within := make([]float64, n)
	kept := 0.0
	for i, x := range xs {
		if x <= limit {
			within[i] = 1
			kept++
		}
	}
	worth := float64(n) / stats.AutocorrelationTime(within)
	if i, ok := stats.Wilson(kept/float64(n)*worth, worth, Confidence); ok {
		v.Met = decided(i.Low >= q, i.High < q)
	}
}

// decided is true, false, or unknown where neither holds.
func decided(met, missed bool) tables.Null[bool] {
	return tables.Null[bool]{V: met, Valid: met || missed}
}

func finite(x float64) tables.Null[float64] {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return tables.Null[float64]{}
	}
	return tables.Some(x)
}

// objectiveFigure is the summary that an objective names: the stat of an objective is that of a summary but for the
// limits that name their direction.
func (s *scope) objectiveFigure(o scenarios.Objective) *tables.Summary {
	switch o.Stat {
	case "max_ratio", "min_ratio":
		return s.figure(o.Metric, "ratio")
	case "min_per_second":
		if f := s.figure(o.Metric, "system"); f != nil {
			return f
		}
		return s.figure(o.Metric, "per_second")
	}
	return s.figure(o.Metric, o.Stat)
}

func decideByFigure(v *tables.Verdict, o scenarios.Objective, f *tables.Summary) {
	if f == nil || !f.Value.Valid {
		return
	}
	v.Measured, v.CILow, v.CIHigh = f.Value, f.CILow, f.CIHigh
	low, high := f.Value.V, f.Value.V
	if o.Metric != "errors" && f.CILow.Valid && f.CIHigh.Valid {
		low, high = f.CILow.V, f.CIHigh.V
	}
	if atLeast(o) {
		v.Met = decided(low >= o.Limit, high < o.Limit)
		return
	}
	v.Met = decided(high <= o.Limit, low > o.Limit)
}

// sloState is what the verdicts say together, and which objective binds: the one whose measure is the largest part of
// its limit.
func sloState(verdicts []tables.Verdict) (state tables.SLOState, binding string) {
	worst := math.Inf(-1)
	for _, v := range verdicts {
		switch {
		case v.Met.Valid && !v.Met.V:
			state = tables.SLOFail
		case !v.Met.Valid && state != tables.SLOFail:
			state = tables.SLOIndeterminate
		case state == "":
			state = tables.SLOPass
		}
		if strain := strain(v); strain > worst {
			worst, binding = strain, v.Metric+" "+v.Stat
		}
	}
	return state, binding
}

// strain is how much of an objective's limit is used up; more than 1 is beyond it.
func strain(v tables.Verdict) float64 {
	missed := v.Met.Valid && !v.Met.V
	lower := atLeast(scenarios.Objective{Metric: v.Metric})
	switch {
	case !v.Measured.Valid && missed:
		return math.Inf(1)
	case !v.Measured.Valid:
		return 0
	case lower && v.Measured.V <= 0, !lower && v.Limit == 0 && v.Measured.V > 0:
		return math.Inf(1)
	case lower:
		return v.Limit / v.Measured.V
	case v.Limit == 0:
		return 1
	}
	return v.Measured.V / v.Limit
}

// overloaded tells whether the server got more than it could do: it lost requests to time-outs, refusals and full
// slots, or the requests on their way grew all through the second half, by more than chance lets them.
func (c *court) overloaded(s *scope) bool {
	n := s.counts
	if n.offered() > 0 && float64(n.overloadErrors) > stats.OverloadShare*float64(n.offered()) {
		return true
	}
	if !c.OpenLoop {
		return false
	}
	return stats.BacklogGrew(float64(s.backlog.end-s.backlog.middle), float64(n.due)/2, 1)
}

// carriesOn tells whether a stage after an overloaded one still bears its backlog: it must become smaller by a tenth, or
// the server gets more than it can do in this stage too, however steady its backlog looks.
func (s *scope) carriesOn(overloaded *scope) bool {
	return overloaded != nil && float64(s.backlog.end) > 0.9*float64(overloaded.backlog.end) && s.backlog.end > 1
}

// stageOutcomes fills in what came of each stage.
func (c *court) stageOutcomes(verdicts []tables.Verdict) []tables.Stage {
	out := slices.Clone(c.Stages)
	var before *scope // the stage before, where it was overloaded
	for i := range out {
		st := &out[i]
		st.TrialID = c.Trial.TrialID
		s := c.scopeOf(*st)
		if s == nil || s.counts.due == 0 {
			continue
		}
		st.AchievedRatePerSecond = s.value("requests_per_second", "sent")
		if f := s.figure("goodput", "ratio"); f != nil {
			st.Attainment, st.CILow, st.CIHigh = f.Value, f.CILow, f.CIHigh
		}
		if st.Kind == tables.KindProbe { // the search has decided, and drained it
			continue
		}
		state, _ := sloState(ofStage(verdicts, s.stage))
		switch {
		case c.overloaded(s), c.OpenLoop && s.carriesOn(before):
			st.Outcome = tables.OutcomeOverloaded
		case state == tables.SLOFail:
			st.Outcome = tables.OutcomeMissed
		case state == tables.SLOIndeterminate:
			st.Outcome = tables.OutcomeUndecided
		default:
			st.Outcome = tables.OutcomeHeld
		}
		before = nil
		if st.Outcome == tables.OutcomeOverloaded {
			before = s
		}
	}
	return out
}
