// Package search finds the capacity of a server: the highest rate, or number of users, that meets an SLO. It says what to
// try next and what the answers mean; it asks nobody itself.
package search

import (
	"math"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Search is one search: Next gives a level to probe, Observe takes what came of it, until Next has none.
//
// It doubles from the lowest level until one is not held, and then takes the geometric middle of the highest that was held
// and the lowest that was not, until the two are as near as the tolerance wants. So it never probes above a level that
// overloaded the server. A level whose evidence can't tell is probed once more; then what is likely decides, on the
// evidence of both, and the level is left out of the interval.
type Search struct {
	from, to, tolerance float64
	whole               bool

	Capacity
	before *probed // what the level that is probed again has shown
}

// Capacity is what is known of a capacity; 0: no level is.
type Capacity struct {
	// Held is the highest level that was held, Lost the lowest that was not.
	Held, Lost float64
	// Low and High are those of them of which that is beyond doubt: the interval of the capacity.
	Low, High float64
}

// probed is a level with the evidence of its first probe.
type probed struct {
	level    float64
	evidence Evidence
}

// New begins the search of a load.
func New(l scenarios.Load) *Search {
	return &Search{from: l.From, to: l.To, tolerance: l.Tolerance, whole: l.Of == "users"}
}

// Next is the level to probe: arrivals a second, or users. false: the search is over.
func (s *Search) Next() (level float64, ok bool) {
	switch {
	case s.before != nil:
		return s.before.level, true
	case s.Held == 0:
		return s.from, s.Lost == 0
	case s.Lost == 0:
		return min(2*s.Held, s.to), s.Held < s.to
	case s.Lost <= s.Held*(1+s.tolerance) || s.whole && s.Lost <= s.Held+1:
		return 0, false
	}
	level = math.Sqrt(s.Held * s.Lost)
	if s.whole {
		level = min(max(math.Round(level), s.Held+1), s.Lost-1)
	}
	return level, true
}

// Finding is what a probe says of its level.
type Finding struct {
	Decision
	Level float64
	// Again: the level is probed once more.
	Again bool
}

// Observe takes the evidence of the probe that Next asked for.
func (s *Search) Observe(level float64, e Evidence) Finding {
	again := s.before != nil
	if again {
		e = e.plus(s.before.evidence)
		s.before = nil
	}
	f := Finding{Level: level, Decision: e.Decide(again)}
	switch f.Outcome {
	case tables.OutcomeUndecided:
		s.before, f.Again = &probed{level, e}, true
	case tables.OutcomeHeld:
		s.Held, s.Low = level, level
	case tables.OutcomeLikelyHeld:
		s.Held = level
	case tables.OutcomeLikelyMissed:
		s.Lost = level
	default:
		s.Lost, s.High = level, level
	}
	return f
}
