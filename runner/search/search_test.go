package search

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

var ttftP95 = scenarios.Objective{Metric: "ttft", Stat: "p95", Limit: 0.2, Unit: "seconds"}

// kept is the evidence of n independent requests of which so many kept the objective.
func kept(o scenarios.Objective, k, n float64) Evidence {
	return Evidence{Requests: int64(n), Objectives: []Attainment{{Objective: o, Kept: k, Of: n, Worth: n}}}
}

var (
	fine  = kept(ttftP95, 1000, 1000)
	bad   = kept(ttftP95, 500, 1000)
	doubt = kept(ttftP95, 96, 100)
)

// probes runs a search against a server whose capacity is known.
func probes(s *Search, holds func(level float64) Evidence) (levels []float64, found []Finding) {
	for {
		level, ok := s.Next()
		if !ok {
			return levels, found
		}
		levels, found = append(levels, level), append(found, s.Observe(level, holds(level)))
	}
}

func upTo(capacity float64) func(float64) Evidence {
	return func(level float64) Evidence {
		if level <= capacity {
			return fine
		}
		return bad
	}
}

func TestASearchEndsAroundTheCapacityAsNearAsItsTolerance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := scenarios.Load{
			From: rapid.Float64Range(0.01, 50).Draw(t, "from"), Tolerance: rapid.Float64Range(0.005, 1).Draw(t, "tolerance"),
			Shape: "search", Over: time.Second,
		}
		l.To = l.From * rapid.Float64Range(1.01, 1000).Draw(t, "width")
		capacity := l.From * rapid.Float64Range(0.5, 1100).Draw(t, "capacity")
		s := New(l)
		levels, _ := probes(s, upTo(capacity))
		lowest := math.Inf(1)
		for _, level := range levels {
			if level < l.From || level > l.To || level >= lowest {
				t.Fatalf("%v: %v is outside of the range, or above what was not held", levels, level)
			}
			if level > capacity {
				lowest = level
			}
		}
		held, lost := s.Held, s.Lost
		switch {
		case capacity < l.From:
			if held != 0 || lost != l.From || len(levels) != 1 {
				t.Fatalf("held %v, not %v", held, lost)
			}
		case capacity >= l.To:
			if held != l.To || lost != 0 {
				t.Fatalf("held %v, not %v", held, lost)
			}
		case held > capacity || lost <= capacity || lost > held*(1+l.Tolerance)*(1+1e-12):
			t.Fatalf("the capacity is %v, and the search ended between %v and %v", capacity, held, lost)
		}
		if e := Estimate(l, 0, 0); time.Duration(len(levels))*(time.Second+Settle) > e.Duration {
			t.Fatalf("%d probes of a second, estimated %s", len(levels), e.Duration)
		}
	})
}

func TestASearchOfUsersEndsBetweenTwoNeighbours(t *testing.T) {
	for capacity := 1.0; capacity <= 64; capacity++ {
		s := New(scenarios.Load{From: 1, To: 64, Of: "users", Tolerance: 0.001})
		levels, _ := probes(s, upTo(capacity))
		held, lost := s.Held, s.Lost
		if held != capacity || lost != capacity+1 && capacity < 64 {
			t.Errorf("%v users are held, and the search says %v and not %v", capacity, held, lost)
		}
		for _, l := range levels {
			if l != math.Trunc(l) {
				t.Errorf("%v users were asked for", l)
			}
		}
	}
}

func TestALevelThatCantBeToldIsProbedOnceMoreAndThenItsShareDecides(t *testing.T) {
	s := New(scenarios.Load{From: 8, To: 8.5, Tolerance: 0.1})
	levels, found := probes(s, func(level float64) Evidence {
		if level == 8 {
			return doubt
		}
		return kept(ttftP95, 94, 100)
	})
	want := []Finding{
		{Decision{tables.OutcomeUndecided, "ttft p95"}, 8, true}, {Decision{tables.OutcomeLikelyHeld, "ttft p95"}, 8, false},
		{Decision{tables.OutcomeUndecided, "ttft p95"}, 8.5, true}, {Decision{tables.OutcomeLikelyMissed, "ttft p95"}, 8.5, false},
	}
	if s.Capacity != (Capacity{Held: 8, Lost: 8.5}) {
		t.Errorf("%+v: nothing is beyond doubt", s.Capacity)
	}
	if len(found) != len(want) {
		t.Fatalf("probed %v", levels)
	}
	for i := range want {
		if found[i] != want[i] {
			t.Errorf("probe %d: %+v, want %+v", i, found[i], want[i])
		}
	}
}

func TestWhatEvidenceSaysOfALevel(t *testing.T) {
	errors := func(limit float64) scenarios.Objective {
		return scenarios.Objective{Metric: "errors", Stat: "max_ratio", Limit: limit}
	}
	slowest := scenarios.Objective{Metric: "end_to_end", Stat: "max", Limit: 1}
	overloaded := fine
	overloaded.BacklogGrew = true
	lossy := kept(errors(0.001), 980, 1000)
	lossy.LostToOverload = 20
	allowed := kept(errors(0.05), 970, 1000)
	allowed.LostToOverload = 30
	clustered := kept(ttftP95, 930, 1000)
	clustered.Objectives[0].Worth = 20
	for name, c := range map[string]struct {
		e       Evidence
		outcome string
		binding string
	}{
		"every request within the limit":            {fine, tables.OutcomeHeld, "ttft p95"},
		"half of them":                              {bad, tables.OutcomeMissed, "ttft p95"},
		"a share whose interval holds the limit":    {doubt, tables.OutcomeUndecided, "ttft p95"},
		"a share of neighbours that are alike":      {clustered, tables.OutcomeUndecided, "ttft p95"},
		"few, all of them within":                   {kept(ttftP95, 10, 10), tables.OutcomeUndecided, "ttft p95"},
		"no request at all":                         {Evidence{}, tables.OutcomeUndecided, ""},
		"a backlog that grew":                       {overloaded, tables.OutcomeOverloaded, "ttft p95"},
		"refusals":                                  {lossy, tables.OutcomeOverloaded, "errors max_ratio"},
		"refusals that the objective allows":        {allowed, tables.OutcomeHeld, "errors max_ratio"},
		"errors as many as allowed":                 {kept(errors(0.01), 99, 100), tables.OutcomeHeld, "errors max_ratio"},
		"one error more, of few":                    {kept(errors(0.01), 98, 100), tables.OutcomeUndecided, "errors max_ratio"},
		"many errors":                               {kept(errors(0.01), 50, 100), tables.OutcomeMissed, "errors max_ratio"},
		"a maximum that was passed":                 {kept(slowest, 99, 100), tables.OutcomeMissed, "end_to_end max"},
		"a maximum that was not":                    {kept(slowest, 100, 100), tables.OutcomeHeld, "end_to_end max"},
		"an objective about nothing that was there": {kept(ttftP95, 0, 0).and(10), tables.OutcomeHeld, ""},
	} {
		if d := c.e.Decide(false); d.Outcome != c.outcome || d.Binding != c.binding {
			t.Errorf("%s: %+v, want %s by %q", name, d, c.outcome, c.binding)
		}
	}
}

func (e Evidence) and(requests int64) Evidence { e.Requests = requests; return e }

func TestATallyCountsWhatTheObjectivesAreAbout(t *testing.T) {
	slo := &scenarios.SLO{Objectives: []scenarios.Objective{
		{Metric: "ttft", Stat: "p95", Limit: 0.1}, {Metric: "tpot", Stat: "p50", Limit: 0.02}, {Metric: "inter_token", Stat: "p90", Limit: 0.02},
		{Metric: "end_to_end", Stat: "max", Limit: 1}, {Metric: "errors", Stat: "max_ratio", Limit: 0.1},
		{Metric: "output_tokens_per_second", Stat: "min_per_second", Limit: 100}, {Metric: "goodput", Stat: "min_ratio", Limit: 0.9},
	}}
	ms := func(n int64) tables.Instant { return tables.Instant(n * 1e6) }
	row := func(change func(*tables.Request)) *tables.Request {
		r := &tables.Request{
			Final: true, Phase: tables.PhaseMeasure, IntendedAt: ms(1000), DispatchedAt: ms(1000), FirstTokenAt: ms(1100), LastTokenAt: ms(1140), DoneAt: ms(1150),
			TokenDeltaUS: []int32{0, 10_000, 30_000}, OutputTokens: tables.Some[int32](3),
		}
		change(r)
		return r
	}
	tally := NewTally(slo)
	for _, r := range []*tables.Request{
		row(func(*tables.Request) {}), // one gap of two is too long: not within by its own 90th percentile
		row(func(r *tables.Request) { r.FirstTokenAt = ms(1101) }),
		row(func(r *tables.Request) { r.OutputTokens, r.TokenDeltaUS = tables.Some[int32](1), []int32{0} }), // one token: no gap, no tpot
		row(func(r *tables.Request) { r.TokenDeltaUS, r.TokenCounts = []int32{0, 40_000}, []int16{1, 2} }),  // two tokens in a gap
		row(func(r *tables.Request) { r.ErrorKind = tables.ErrHTTP5xx }),
		row(func(r *tables.Request) {
			r.ErrorKind, r.FirstTokenAt, r.DoneAt, r.DispatchedAt = tables.ErrNotSentCap, 0, 0, 0
		}),
		// None of these is evidence:
		row(func(r *tables.Request) { r.ErrorKind = tables.ErrCancelledByRun }),
		row(func(r *tables.Request) { r.ErrorKind = tables.ErrClientSaturated }),
		row(func(r *tables.Request) { r.Phase = tables.PhaseWarmUp }),
		row(func(r *tables.Request) { r.Final = false }),
	} {
		tally.Add(r)
	}
	e := tally.Evidence()
	if e.Requests != 6 || e.LostToOverload != 2 || len(e.Objectives) != 6 {
		t.Fatalf("%+v", e)
	}
	for i, want := range [][2]float64{{3, 6}, {3, 5}, {4, 6}, {4, 6}, {4, 6}, {2, 6}} {
		if a := e.Objectives[i]; a.Kept != want[0] || a.Of != want[1] || a.Worth <= 0 {
			t.Errorf("%s %s: %v of %v (worth %v), want %v", a.Objective.Metric, a.Objective.Stat, a.Kept, a.Of, a.Worth, want)
		}
	}
	if m := tally.MedianTotal(); m != 150*time.Millisecond {
		t.Errorf("the median request took %s", m)
	}
}

func TestRequestsThatResembleTheirNeighboursAreWorthLessUnlessTheyAreFarFromTheLimit(t *testing.T) {
	for _, c := range []struct{ level, least, most float64 }{{0.1, 1, 100}, {0.02, 1000, 1000}} {
		tally := NewTally(&scenarios.SLO{Objectives: []scenarios.Objective{{Metric: "goodput", Stat: "min_ratio", Limit: 0.9}, ttftP95}})
		for k := range 1000 {
			at := tables.Instant((k*7%1000)*1e6 + 1) // in another order than they were due
			wait := c.level * (1 + 0.5*math.Sin(float64(at)/1e6/50))
			tally.Add(&tables.Request{Final: true, Phase: tables.PhaseMeasure, IntendedAt: at, FirstTokenAt: at + tables.Instant(wait*1e9), DoneAt: at + 1e9})
		}
		for _, a := range tally.Evidence().Objectives {
			if a.Kept != 1000 || a.Worth < c.least || a.Worth > c.most {
				t.Errorf("%s of %v s: %v of %v, worth %v", a.Objective.Metric, c.level, a.Kept, a.Of, a.Worth)
			}
		}
	}
}

func TestABacklogOfAServerThatFallsBehindIsToldFromLongAnswersThatAreStillToCome(t *testing.T) {
	for name, c := range map[string]struct {
		perSecond, capacity float64
		takes               time.Duration
		grew                bool
	}{
		"half of the capacity":           {50, 100, 100 * time.Millisecond, false},
		"the capacity":                   {100, 100, 100 * time.Millisecond, false},
		"a fifth more than the capacity": {120, 100, 100 * time.Millisecond, true},
		"twice the capacity":             {200, 100, 100 * time.Millisecond, true},
		"answers of most of the probe":   {50, 1e9, 25 * time.Second, false},
	} {
		var b Backlog
		const over = 30 * time.Second
		for at := time.Duration(0); at <= over; at += 100 * time.Millisecond {
			due := c.perSecond * at.Seconds()
			done := min(max((at-c.takes).Seconds(), 0)*c.capacity, max(due-c.perSecond*c.takes.Seconds(), 0))
			b.Look(at, int64(due), int64(due-done))
		}
		if got := b.Grew(func() time.Duration { return c.takes }); got != c.grew {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheStagesAfterASearchAreMultiplesOfItsCapacity(t *testing.T) {
	l := scenarios.Load{
		Shape: "search", From: 1, To: 64, Requests: 10, Timeout: time.Second,
		Then: []scenarios.SearchStage{{Over: time.Second, CapacityRatio: 0.5}, {Over: 2 * time.Second, CapacityRatio: 2}},
	}
	for of, kind := range map[string]string{"rate": "constant", "users": "users"} {
		l.Of = of
		p, err := load.NewPlan(Stress(l, 11), 0, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if p.Until != 3*time.Second || len(p.Stages) != 2 || p.Stages[0].Kind != kind {
			t.Fatalf("%s: %+v", of, p)
		}
		low, high := p.Stages[0].RatePerSecond.V+p.Stages[0].Users.V, p.Stages[1].RatePerSecond.V+p.Stages[1].Users.V
		if of == "rate" && low != 5.5 || of == "users" && low != 6 || high != 22 {
			t.Errorf("%s: %v and %v", of, low, high)
		}
		if probe := Probe(l, 7); probe.Timeout != time.Second || probe.Requests != 10 || max(probe.RatePerSecond, float64(probe.Users)) != 7 {
			t.Errorf("%+v", probe)
		}
	}
}
