package cli

import (
	"testing"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestTheExitCodeIsTheWorstOfTheVerdicts(t *testing.T) {
	ok := runner.Verdict{Status: tables.StatusCompleted, Validity: tables.Valid, SLO: tables.SLOPass}
	with := func(change func(*runner.Verdict)) runner.Verdict { v := ok; change(&v); return v }
	for name, c := range map[string]struct {
		verdicts []runner.Verdict
		strict   bool
		want     int
	}{
		"all is well":                {verdicts: []runner.Verdict{ok, ok}, want: exitDone},
		"an objective was missed":    {verdicts: []runner.Verdict{ok, with(func(v *runner.Verdict) { v.SLO = tables.SLOFail })}, want: exitMissed},
		"an objective is undecided":  {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.SLO = tables.SLOIndeterminate })}, want: exitUndecided},
		"invalid wins over missed":   {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.SLO, v.Validity = tables.SLOFail, tables.Invalid })}, want: exitInvalid},
		"failed":                     {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.Status = tables.StatusFailed })}, want: exitInvalid},
		"flagged":                    {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.Validity = tables.Flagged })}, want: exitDone},
		"flagged, and strict":        {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.Validity = tables.Flagged })}, strict: true, want: exitInvalid},
		"no objectives is no miss":   {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.SLO = "" })}, want: exitDone},
		"nothing was judged at all":  {want: exitDone},
		"missed wins over undecided": {verdicts: []runner.Verdict{with(func(v *runner.Verdict) { v.SLO = tables.SLOIndeterminate }), with(func(v *runner.Verdict) { v.SLO = tables.SLOFail })}, want: exitMissed},
	} {
		if got := exitOf(c.verdicts, c.strict); got != c.want {
			t.Errorf("%s: exit %d, want %d", name, got, c.want)
		}
	}
}

func TestTheOrderOfExitCodesIsTheDocumentedOne(t *testing.T) {
	order := []int{exitWrong, exitInterrupted, exitFailed, exitInvalid, exitMissed, exitUndecided, exitDifference, exitDone}
	for i, first := range order {
		for _, second := range order[i:] {
			if got := worst(second, first); got != first {
				t.Errorf("worst(%d, %d) = %d", second, first, got)
			}
		}
	}
}
