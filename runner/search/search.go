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
// overloaded the server. A level whose evidence can't tell is probed once more; then its best estimate decides, on the
// evidence of both.
type Search struct {
	from, to, tolerance float64
	whole               bool

	held, lost float64 // the highest level that was held, the lowest that was not; 0: none yet
	before     *probed // what the level that is probed again has shown
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
	case s.held == 0:
		return s.from, s.lost == 0
	case s.lost == 0:
		return min(2*s.held, s.to), s.held < s.to
	case s.lost <= s.held*(1+s.tolerance) || s.whole && s.lost <= s.held+1:
		return 0, false
	}
	level = math.Sqrt(s.held * s.lost)
	if s.whole {
		level = min(max(math.Round(level), s.held+1), s.lost-1)
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
		s.held = level
	default:
		s.lost = level
	}
	return f
}

// Capacity is what is known of the capacity: at least Held, and below Lost. 0: no level was held, or none was not.
func (s *Search) Capacity() (held, lost float64) { return s.held, s.lost }
