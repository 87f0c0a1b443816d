package search

import (
	"math"
	"slices"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// confidence of the intervals that decide a probe. A search decides some five levels near the capacity, and its interval
// holds the truth only where none of them is decided wrongly: each at 99 % makes 95 % of all.
const confidence = 0.99

// Evidence is what the measured requests of a probe say. That of several probes, or of several workers, adds up.
type Evidence struct {
	// Requests counts those that are evidence: all that were due but for those that the client cancelled or could not make.
	Requests int64 `json:"requests"`
	// LostToOverload are those of them that ended as those of a server end that gets more than it can do.
	LostToOverload int64 `json:"lost_to_overload"`
	// BacklogGrew: requests on their way became more and more all through the probe.
	BacklogGrew bool `json:"backlog_grew"`
	// Objectives are those of the SLO that more load can break, in its order.
	Objectives []Attainment `json:"objectives"`
}

// Attainment is how many requests kept one objective.
type Attainment struct {
	Objective scenarios.Objective `json:"objective"`
	Kept      float64             `json:"kept"`
	Of        float64             `json:"of"`
	// Worth is how many independent requests tell as much as these, which resemble their neighbours.
	Worth float64 `json:"worth"`
}

// Needed is the share of requests that must keep the objective: a p99 within its limit is 99 of 100 requests within it.
func (a Attainment) Needed() float64 {
	switch a.Objective.Stat {
	case "max":
		return 1
	case "max_ratio":
		return 1 - a.Objective.Limit
	case "min_ratio":
		return a.Objective.Limit
	}
	return quantiles[a.Objective.Stat]
}

var quantiles = map[string]float64{"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}

// Share is the share that kept the objective.
func (a Attainment) Share() float64 { return a.Kept / a.Of }

// Interval bounds the share by Wilson's interval.
func (a Attainment) Interval() stats.Interval {
	i, _ := stats.Wilson(a.Share()*a.Worth, a.Worth, confidence)
	return i
}

// almost is what rounding may take from a share that is exactly as large as it must be.
const almost = 1e-9

// state decides one objective; estimate by the share itself where the interval can't tell. What was promised of errors and
// of maxima is a fact of the requests that were made, as in the verdicts; errors are only missed beyond doubt where the
// interval says so too.
func (a Attainment) state(estimate bool) string {
	kept := a.Share() >= a.Needed()-almost
	fact := a.Objective.Stat == "max_ratio" || a.Objective.Stat == "max"
	i := a.Interval()
	switch {
	case kept && (fact || i.Low >= a.Needed()):
		return tables.OutcomeHeld
	case !kept && (a.Objective.Stat == "max" || i.High < a.Needed()):
		return tables.OutcomeMissed
	case !estimate:
		return tables.OutcomeUndecided
	case kept:
		return tables.OutcomeLikelyHeld
	}
	return tables.OutcomeLikelyMissed
}

// worse orders the outcomes of objectives: the last of them is that of all together.
var worse = []string{
	tables.OutcomeHeld, tables.OutcomeLikelyHeld, tables.OutcomeUndecided, tables.OutcomeLikelyMissed, tables.OutcomeMissed,
}

// strain is how much of what the objective allows to be lost was lost; more than 1 is beyond it.
func (a Attainment) strain() float64 {
	lost, allowed := 1-a.Share(), 1-a.Needed()
	switch {
	case lost <= 0:
		return 0
	case allowed <= 0:
		return math.Inf(1)
	}
	return lost / allowed
}

// Decision is what evidence says of the level that it was gathered at.
type Decision struct {
	Outcome string // as of a stage
	// Binding is the objective that came nearest to its limit, or furthest beyond it, as in "ttft p99"; "": none was tried.
	Binding string
}

// Decide says whether the objectives were held. estimate tells what is likely where the intervals can't tell.
func (e Evidence) Decide(estimate bool) Decision {
	d := Decision{Outcome: tables.OutcomeHeld}
	worst, lossAllowed := -1.0, stats.OverloadShare
	for _, a := range e.Objectives {
		lossAllowed = max(lossAllowed, allowedLoss(a.Objective))
		if a.Of == 0 { // as the time per output token of answers of one token
			continue
		}
		if s := a.strain(); s > worst {
			worst, d.Binding = s, a.Objective.Metric+" "+a.Objective.Stat
		}
		if state := a.state(estimate); slices.Index(worse, state) > slices.Index(worse, d.Outcome) {
			d.Outcome = state
		}
	}
	switch {
	case e.Requests == 0 && estimate:
		d.Outcome = tables.OutcomeLikelyMissed
	case e.Requests == 0:
		d.Outcome = tables.OutcomeUndecided
	case e.BacklogGrew, float64(e.LostToOverload) > lossAllowed*float64(e.Requests):
		d.Outcome = tables.OutcomeOverloaded
	}
	return d
}

// allowedLoss is the share of requests that an objective lets the server lose.
func allowedLoss(o scenarios.Objective) float64 {
	if o.Metric != "errors" {
		return 0
	}
	return o.Limit
}

func (e Evidence) plus(o Evidence) Evidence {
	sum := Evidence{
		Requests: e.Requests + o.Requests, LostToOverload: e.LostToOverload + o.LostToOverload,
		BacklogGrew: e.BacklogGrew || o.BacklogGrew, Objectives: make([]Attainment, len(e.Objectives)),
	}
	for i, a := range e.Objectives {
		b := o.Objectives[i]
		sum.Objectives[i] = Attainment{Objective: a.Objective, Kept: a.Kept + b.Kept, Of: a.Of + b.Of, Worth: a.Worth + b.Worth}
	}
	return sum
}
