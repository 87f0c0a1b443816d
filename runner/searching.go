package runner

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// searching is a trial that looks for a capacity: probe after probe, and then the stages at multiples of it.
type searching struct {
	*measuring
	maker      Maker
	assignment benchclient.Assignment
	search     *search.Search
	outcomes   map[int32]string // by stage
	next       load.Window      // where the next window begins
	windows    int
}

// run makes the windows. An interruption is no error; that the runtime died ends the search, and is a finding.
func (s *searching) run(ctx context.Context) error {
	s.outcomes = map[int32]string{}
	binding := ""
	for {
		level, ok := s.search.Next()
		if !ok {
			break
		}
		probe := benchclient.Window{Load: search.Probe(s.assignment.Load, level), SLO: s.trial.Cell.SLO}
		stage := s.next.Stage
		probe.Kind, probe.Name = tables.KindProbe, fmt.Sprintf("probe %d at %s", stage, s.amount(level))
		made, err := s.make(ctx, probe)
		if err != nil || made.Interrupted {
			return err
		}
		if s.applying.died() {
			s.outcomes[stage] = tables.OutcomeOverloaded
			s.say("probe", probe.Name+": the runtime died")
			s.say("stress_skipped", "what follows the search is not made: the runtime died")
			return nil
		}
		f := s.search.Observe(level, made.Evidence)
		s.outcomes[stage] = f.Outcome
		if level == s.search.Lost {
			binding = f.Binding
		}
		s.say("probe", probe.Name+": "+verdictOn(f, made))
	}
	return s.conclude(ctx, binding)
}

// conclude tells the capacity, and makes what follows the search.
func (s *searching) conclude(ctx context.Context, binding string) error {
	c := s.search.Capacity
	s.say("capacity", s.found(c, binding))
	switch {
	case len(s.assignment.Load.Then) == 0:
		return nil
	case c.Held == 0:
		s.say("stress_skipped", "what follows the search is not made: there is no capacity to take multiples of")
		return nil
	}
	stress := benchclient.Window{Load: search.Stress(s.assignment.Load, c.Held)}
	stress.Kind, stress.Name = tables.KindStress, "under stress"
	_, err := s.make(ctx, stress)
	return err
}

// found is what the search found, in words.
func (s *searching) found(c search.Capacity, binding string) string {
	switch {
	case c.Held == 0:
		return fmt.Sprintf("no capacity: %s, the lowest that was tried, was not held (%s)", s.amount(c.Lost), binding)
	case c.Lost == 0:
		return fmt.Sprintf("the capacity is at least %s, the highest that was tried", s.amount(c.Held))
	}
	text := fmt.Sprintf("the capacity is %s, and %s is too much (%s)", s.amount(c.Held), s.amount(c.Lost), binding)
	var doubt []string
	if c.Low > 0 && c.Low < c.Held {
		doubt = append(doubt, "at least "+s.amount(c.Low))
	}
	if c.High > c.Lost {
		doubt = append(doubt, "less than "+s.amount(c.High))
	}
	if len(doubt) > 0 {
		text += "; beyond doubt it is " + strings.Join(doubt, " and ")
	}
	return text
}

// make makes a window after those before, and lets the server settle.
func (s *searching) make(ctx context.Context, w benchclient.Window) (benchclient.Made, error) {
	w.Stage, w.Seq = s.next.Stage, s.next.Seq
	w.WarmUp, w.CoolDown = s.assignment.WarmUp, s.assignment.CoolDown
	seed := s.assignment.Seed
	if own := w.Load.Seed; own != 0 {
		seed, w.Load.Seed = own, 0
	}
	w.Seed = subSeed(seed, "window", strconv.Itoa(s.windows))
	made, err := s.maker.Make(ctx, w)
	s.windows++
	s.next.Stage += int32(len(made.Stages))
	s.next.Seq = made.NextSeq
	if err == nil && !made.Interrupted {
		pause(ctx, search.Settle)
	}
	return made, err
}

// report is the worker's, with what came of the probes.
func (s *searching) report() benchclient.Report {
	r := s.maker.Report()
	for i := range r.Stages {
		r.Stages[i].Outcome = s.outcomes[r.Stages[i].Stage]
	}
	return r
}

// amount is a level as a person reads it.
func (s *searching) amount(level float64) string {
	text := strconv.FormatFloat(level, 'g', 4, 64)
	if s.assignment.Load.Of == "users" {
		return text + " users"
	}
	return text + "/s"
}

// verdictOn is what a probe says of its level, in words.
func verdictOn(f search.Finding, made benchclient.Made) string {
	text := strings.ReplaceAll(f.Outcome, "_", " ")
	if f.Binding != "" && f.Outcome != tables.OutcomeHeld {
		text += " (" + f.Binding + ")"
	}
	switch {
	case f.Again:
		text += ", once more"
	case made.Stopped:
		text += ", ended early"
	}
	return text
}
