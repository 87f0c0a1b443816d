package warehouse

import (
	"math"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Capacity is what a search found: the highest rate, or number of users, that met every objective.
type Capacity struct {
	// Held is the highest level that was held, Lost the lowest that was not, both as far as can be told; NULL: there is none.
	Held, Lost tables.Null[float64]
	// Low and High are the interval: the highest that was held beyond doubt, the lowest that was not.
	Low, High tables.Null[float64]
	// Users: the levels are numbers of users, and else arrivals a second.
	Users bool
	// held and lost are their stages.
	held, lost tables.Stage
}

// target is what a stage asked.
func target(s tables.Stage) float64 {
	if s.TargetUsers.Valid {
		return s.TargetUsers.V
	}
	return s.TargetRatePerSecond.V
}

// capacityOf reads the outcomes of a search's probes; nil where the stages are of no search.
func capacityOf(stages []tables.Stage) *Capacity {
	var c *Capacity
	for _, s := range stages {
		if s.Kind != tables.KindProbe {
			continue
		}
		if c == nil {
			c = &Capacity{Users: s.TargetUsers.Valid}
		}
		level := target(s)
		above := func(n tables.Null[float64]) bool { return !n.Valid || level >= n.V }
		below := func(n tables.Null[float64]) bool { return !n.Valid || level <= n.V }
		switch s.Outcome {
		case tables.OutcomeHeld, tables.OutcomeLikelyHeld:
			if above(c.Held) {
				c.Held, c.held = tables.Some(level), s
			}
			if s.Outcome == tables.OutcomeHeld && above(c.Low) {
				c.Low = tables.Some(level)
			}
		case tables.OutcomeMissed, tables.OutcomeLikelyMissed, tables.OutcomeOverloaded:
			if below(c.Lost) {
				c.Lost, c.lost = tables.Some(level), s
			}
			if s.Outcome != tables.OutcomeLikelyMissed && below(c.High) {
				c.High = tables.Some(level)
			}
		}
	}
	return c
}

// ratio is how many times the capacity a stage asked.
func (c *Capacity) ratio(s tables.Stage) float64 { return target(s) / c.Held.V }

// sameLevel allows for the rounding of a ratio.
const sameLevel = 1e-9

// atCapacity is the stage whose requests the figures of the trial are made of, since those of all probes together would
// mean nothing: the stage that was made at the capacity once it was known, else the probe that showed it, else the last
// probe that was made. false: none was.
func (c *Capacity) atCapacity(stages []tables.Stage) (tables.Stage, bool) {
	made := func(s tables.Stage) bool { return s.FromAt != 0 && s.UntilAt > s.FromAt }
	if c.Held.Valid {
		for _, s := range stages {
			if s.Kind == tables.KindStress && made(s) && math.Abs(c.ratio(s)-1) < sameLevel {
				return s, true
			}
		}
		return c.held, made(c.held)
	}
	for i := len(stages) - 1; i >= 0; i-- {
		if made(stages[i]) {
			return stages[i], true
		}
	}
	return tables.Stage{}, false
}

// slo is what a search says of the promise: it is kept up to the capacity, where there is one beyond doubt.
func (c *Capacity) slo() tables.SLOState {
	switch {
	case c.Low.Valid:
		return tables.SLOPass
	case c.High.Valid && !c.Held.Valid:
		return tables.SLOFail
	}
	return tables.SLOIndeterminate
}

// binding is the objective that binds: of the lowest level that was not held.
func (c *Capacity) binding(verdicts []tables.Verdict) string {
	if !c.Lost.Valid {
		return ""
	}
	_, binding := sloState(ofStage(verdicts, tables.Some(c.lost.Stage)))
	return binding
}

// methodSearch is how a capacity and its interval are found.
const methodSearch = "search"

// addCapacity keeps the capacity among the figures of the trial.
func (c *court) addCapacity(s *scope) {
	stat, unit := "per_second", "per_second"
	if c.capacity.Users {
		stat, unit = "users", "count"
	}
	f := s.add("capacity", stat, unit, c.capacity.Held, s.counts.due, methodSearch)
	f.CILow, f.CIHigh = c.capacity.Low, c.capacity.High
}

func ofStage(verdicts []tables.Verdict, stage tables.Null[int32]) []tables.Verdict {
	var own []tables.Verdict
	for _, v := range verdicts {
		if v.Stage == stage {
			own = append(own, v)
		}
	}
	return own
}
