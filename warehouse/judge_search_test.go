package warehouse

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// offer is a stage of a search, and what came of its requests.
type offer struct {
	kind, outcome string
	rate          float64
	seconds       int64
	// ttft of the request that is due after so many seconds, and its error.
	answer func(after float64) (ttft float64, kind tables.ErrorKind)
	// unmade is how many arrivals of the schedule come after the last request: the stage ended early.
	unmade int
}

func swift(float64) (float64, tables.ErrorKind)        { return 0.1, "" }
func behind(after float64) (float64, tables.ErrorKind) { return 0.1 + after, "" }

// searched makes a database of a search, and what its judge is told. The limit is 0.2 s for 95 of 100 first tokens.
func searched(t *testing.T, offers ...offer) (*sql.DB, Evidence) {
	t.Helper()
	db := trialDB(t)
	e := Evidence{OpenLoop: true, SLO: &scenarios.SLO{Objectives: []scenarios.Objective{{Metric: "ttft", Stat: "p95", Limit: 0.2, Unit: "seconds"}}}}
	at, seq := tables.Instant(1_000_000_000_000), int64(0)
	e.Trial = tables.Trial{TrialID: "t", LoadShape: "search", Status: tables.StatusCompleted, MeasureFrom: at}
	var requests []tables.Request
	var arrivals []tables.Arrival
	for i, o := range offers {
		s := tables.Stage{
			Stage: int32(i), Kind: o.kind, Outcome: o.outcome, FromAt: at, UntilAt: at + tables.Instant(o.seconds*1e9), TargetRatePerSecond: tables.Some(o.rate),
		}
		n := int(o.rate) * int(o.seconds)
		for k := range n + o.unmade {
			after := float64(k) / o.rate
			arrivals = append(arrivals, tables.Arrival{TrialID: "t", Stage: s.Stage, Seq: seq, IntendedAfterNS: int64(after * 1e9)})
			if k < n {
				ttft, kind := o.answer(after)
				r := tables.Request{
					TrialID: "t", Stage: s.Stage, Seq: seq, Final: true, Phase: tables.PhaseMeasure, IntendedAt: at + tables.Instant(after*1e9), ErrorKind: kind,
				}
				r.DispatchedAt, r.DoneAt = r.IntendedAt, r.IntendedAt+tables.Instant(ttft*1e9)
				if kind == "" {
					r.FirstTokenAt, r.LastTokenAt = r.DoneAt, r.DoneAt
					r.OutputTokens = tables.Some[int32](1)
				}
				requests = append(requests, r)
			}
			seq++
		}
		e.Stages = append(e.Stages, s)
		at = s.UntilAt
		if o.kind == tables.KindProbe {
			at += 5e8
		}
	}
	e.Trial.MeasureUntil = at
	insert(t, db, "a", requests...)
	insert(t, db, "a", arrivals...)
	return db, e
}

func TestASearchIsJudgedByItsProbesAndItsFiguresAreThoseAtTheCapacity(t *testing.T) {
	recovering := func(after float64) (float64, tables.ErrorKind) { return max(3-after, 0.1), "" } // within the limit from 2.8 s on
	drowning := func(after float64) (float64, tables.ErrorKind) {
		switch {
		case after < 2:
			return 0.1, ""
		case after < 8:
			return 3, ""
		}
		return 0.01, tables.ErrHTTP429
	}
	db, e := searched(t,
		offer{tables.KindProbe, tables.OutcomeUndecided, 10, 10, swift, 0}, offer{tables.KindProbe, tables.OutcomeHeld, 10, 20, swift, 0},
		offer{tables.KindProbe, tables.OutcomeLikelyHeld, 20, 20, swift, 0}, offer{tables.KindProbe, tables.OutcomeOverloaded, 40, 5, behind, 600},
		offer{tables.KindProbe, tables.OutcomeUndecided, 30, 5, behind, 0}, offer{tables.KindProbe, tables.OutcomeLikelyMissed, 30, 5, behind, 0},
		offer{tables.KindStress, "", 10, 10, swift, 0}, offer{tables.KindStress, "", 20, 15, swift, 0},
		offer{tables.KindStress, "", 40, 10, drowning, 0}, offer{tables.KindStress, "", 10, 10, recovering, 0},
	)
	j, err := Judge(t.Context(), db, e)
	if err != nil {
		t.Fatal(err)
	}
	if j.SLO != tables.SLOPass || j.BindingObjective != "ttft p95" || j.Capacity.Held != tables.Some(20.0) || j.Capacity.Lost != tables.Some(30.0) {
		t.Errorf("%s by %q, %+v", j.SLO, j.BindingObjective, j.Capacity)
	}
	if c := j.summary(t, "capacity", "per_second"); c.Value.V != 20 || c.CILow.V != 10 || c.CIHigh.V != 40 || c.Method != methodSearch {
		t.Errorf("%+v", c)
	}
	if n := j.summary(t, "requests", "due").Value.V; n != 300 {
		t.Errorf("the figures are of %v requests, at the capacity there were 300", n)
	}
	wantNear(t, "goodput at twice the capacity", j.summary(t, "overload_goodput", "ratio").Value, 0.2, 1e-9)
	wantNear(t, "goodput at twice the capacity", j.summary(t, "overload_goodput", "per_second").Value, 8, 0.5)
	wantNear(t, "what was twice the capacity", j.summary(t, "overload_goodput", "capacity_ratio").Value, 2, 1e-9)
	wantNear(t, "queue", j.summary(t, "gave_way", "queue").Value, 0.6, 1e-9)
	wantNear(t, "refusals", j.summary(t, "gave_way", "http_429").Value, 0.2, 1e-9)
	wantNear(t, "recovery", j.summary(t, "recovery", "seconds").Value, 2.8, 1e-9)
	if want := "at 2 times the capacity 20 % of the requests were good: 60 % were answered beyond a limit (queue), 20 % ended by http_429; it was well again 2.8s after"; j.GaveWay != want {
		t.Errorf("it says %q,\nwant    %q", j.GaveWay, want)
	}
	for i, want := range []string{"undecided", "held", "likely_held", "overloaded", "undecided", "likely_missed", "held", "held", "overloaded", "missed"} {
		if j.Stages[i].Outcome != want && !(i == 9 && j.Stages[i].Outcome == "overloaded") {
			t.Errorf("stage %d is %s, want %s", i, j.Stages[i].Outcome, want)
		}
		if !j.Stages[i].Attainment.Valid {
			t.Errorf("stage %d has no attainment", i)
		}
	}
	if slices.ContainsFunc(j.Reasons, func(r string) bool { return strings.HasPrefix(r, "rows_missing") || strings.HasPrefix(r, "achieved") }) {
		t.Errorf("%q", j.Reasons)
	}
	again, err := Judge(t.Context(), db, Evidence{Trial: e.Trial, SLO: e.SLO, Stages: j.Stages, OpenLoop: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := differences(j.Summaries, again.Summaries); len(d) > 0 {
		t.Errorf("judged again it has other figures: %q", d)
	}
}

func TestARowThatIsMissingWithinAProbeIsSeen(t *testing.T) {
	db, e := searched(t, offer{tables.KindProbe, tables.OutcomeHeld, 10, 20, swift, 50})
	if _, err := db.Exec("delete from requests where seq = 100"); err != nil {
		t.Fatal(err)
	}
	j, err := Judge(t.Context(), db, e)
	if err != nil {
		t.Fatal(err)
	}
	if j.Validity != tables.Invalid || !strings.HasPrefix(fmt.Sprint(j.Reasons), "[rows_missing: the number of arrivals of the schedule without a row is 1,") {
		t.Errorf("%s %q", j.Validity, j.Reasons)
	}
}

func TestASearchWithoutACapacityFailsItsSLOAndOneThatNeverBeganIsUnsure(t *testing.T) {
	for _, c := range []struct {
		outcome string
		slo     tables.SLOState
		binding string
	}{
		{tables.OutcomeMissed, tables.SLOFail, "ttft p95"},
		{tables.OutcomeLikelyMissed, tables.SLOIndeterminate, "ttft p95"},
		{"", tables.SLOIndeterminate, ""},
	} {
		db, e := searched(t, offer{tables.KindProbe, c.outcome, 40, 10, behind, 0})
		j, err := Judge(t.Context(), db, e)
		if err != nil {
			t.Fatal(err)
		}
		if j.SLO != c.slo || j.BindingObjective != c.binding || j.summary(t, "capacity", "per_second").Value.Valid {
			t.Errorf("%s by %q", j.SLO, j.BindingObjective)
		}
		if n := j.summary(t, "requests", "due").Value.V; n != 400 {
			t.Errorf("the figures are of %v requests, want those of the probe", n)
		}
	}
}

func TestACrashIsWhatGaveWayAndAServerThatStaysDownDoesNotRecover(t *testing.T) {
	down := func(after float64) (float64, tables.ErrorKind) {
		if after < 1 {
			return 0.1, ""
		}
		return 0, tables.ErrRefused
	}
	db, e := searched(t, offer{tables.KindProbe, tables.OutcomeHeld, 20, 20, swift, 0},
		offer{tables.KindStress, "", 60, 10, down, 0}, offer{tables.KindStress, "", 10, 10, func(float64) (float64, tables.ErrorKind) { return 0, tables.ErrRefused }, 0})
	insert(t, db, "a", tables.Event{At: 1, TrialID: "t", Kind: "runtime_died", Message: "killed"})
	j, err := Judge(t.Context(), db, e)
	if err != nil {
		t.Fatal(err)
	}
	if r := j.summary(t, "recovery", "seconds"); r.Value.Valid || r.Method != methodNotRecovered || r.N != 100 {
		t.Errorf("%+v", r)
	}
	if want := "at 3 times the capacity 10 % of the requests were good: the runtime died, 90 % ended by refused; it was not well again while the stages after it went on"; j.GaveWay != want {
		t.Errorf("it says %q", j.GaveWay)
	}
	wantNear(t, "crash", j.summary(t, "gave_way", "crash").Value, 1, 0)
}

func TestAServerIsWellFromWhereItStaysWell(t *testing.T) {
	series := func(text string) []bool {
		var out []bool
		for _, c := range strings.ReplaceAll(text, " ", "") {
			out = append(out, c == '+')
		}
		return out
	}
	for name, c := range map[string]struct {
		good   string
		needed float64
		from   int // -1: never
	}{
		"well all the time":               {"++++++++++ +++++", 0.95, 0},
		"well after a while":              {"--+-- +++++ +++++ ++", 0.95, 5},
		"well, but for one of twenty":     {"---+ +++++ +++++ ++++- +++++", 0.95, 3},
		"not well with one of ten":        {"+++++ ++++- +++++ ++++-", 0.95, -1},
		"well, where one of ten may fail": {"+++++ +++++ ++++- +++++ +++++", 0.90, 0},
		"ill again at the end":            {"+++++ +++++ +++++ ----- -----", 0.95, -1},
		"too few to tell":                 {"-----+++++", 0.95, -1},
		"none":                            {"", 0.95, -1},
	} {
		i, ok := wellFrom(series(c.good), c.needed)
		if !ok {
			i = -1
		}
		if i != c.from {
			t.Errorf("%s: from %d on, want %d", name, i, c.from)
		}
	}
}

func TestTheShareThatMustBeGoodIsWhatTheObjectivesLeaveTogether(t *testing.T) {
	for want, objectives := range map[float64][]scenarios.Objective{
		1:    nil,
		0.94: {{Metric: "ttft", Stat: "p95"}, {Metric: "end_to_end", Stat: "max"}, {Metric: "errors", Stat: "max_ratio", Limit: 0.01}},
		0.5:  {{Metric: "ttft", Stat: "p50"}, {Metric: "tpot", Stat: "p50"}},
	} {
		if got := neededGood(&scenarios.SLO{Objectives: objectives}); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
