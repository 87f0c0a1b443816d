package runner

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/scenarios"
)

// Plan is what an apply will do: every trial in its order, and what they need.
type Plan struct {
	ScenarioName   string
	ScenarioSHA256 string
	Description    string `json:",omitempty"`
	Warehouse      string // absolute, or an object store's URL
	Deployments    []Deployment
	Trials         []Trial
	// EnvRead names the environment variables that the scenario read.
	EnvRead []string `json:",omitempty"`
	// EstimatedDuration holds the load, its drain and rests, not the start of runtimes; of a search it is the most that it
	// can take.
	EstimatedDuration time.Duration
	EstimatedRequests int64
	// NotExecutable says, a sentence each, what this plan has that cannot be applied.
	NotExecutable []string `json:",omitempty"`
}

// Trial is one repetition of one cell.
type Trial struct {
	// ID is unique within an apply, as in `capacity[model="8b",replicas=2]#3`.
	ID         string
	Run        string
	Repetition int // from 1
	// Seed is the same for every cell of a run's repetition, so that what is compared meets the same load.
	Seed       int64
	Deployment string // its name
	// Identity: the run has more than one runtime, so that each is asked whether it is the same model.
	Identity bool `json:",omitempty"`
	Cell     scenarios.Cell

	EstimatedDuration time.Duration
	EstimatedRequests int64
}

// NewPlan lays out the trials of a scenario; only limits the runs to those named, none means all. warehouse is where
// results go.
func NewPlan(s *scenarios.Scenario, warehouse string, only ...string) (*Plan, error) {
	p := &Plan{
		ScenarioName: s.Name, ScenarioSHA256: s.SHA256, Description: s.Description,
		Warehouse: warehouse, EnvRead: s.EnvRead,
	}
	for _, name := range only {
		if !slices.ContainsFunc(s.Runs, func(r scenarios.Run) bool { return r.Name == name }) {
			return nil, fmt.Errorf("there is no run %q in scenario %s: it has %s", name, s.Name, runNames(s.Runs))
		}
	}
	deployments := map[string]bool{}
	for _, run := range s.Runs {
		if len(only) > 0 && !slices.Contains(only, run.Name) {
			continue
		}
		trials := layOut(s.Name, run)
		for i := range trials {
			t := &trials[i]
			d := deploymentOf(t.Cell)
			t.Deployment = d.Name
			if !deployments[d.Name] {
				deployments[d.Name] = true
				p.Deployments = append(p.Deployments, d)
			}
			shape := estimate(t.Cell)
			t.EstimatedDuration, t.EstimatedRequests = shape.Duration, shape.Requests
			p.EstimatedDuration += shape.Duration + t.Cell.Rest
			p.EstimatedRequests += shape.Requests
		}
		p.Trials = append(p.Trials, trials...)
	}
	p.NotExecutable = notExecutable(p)
	return p, nil
}

func estimate(c scenarios.Cell) load.Estimated {
	if c.Load.Shape == "search" {
		return search.Estimate(c.Load, c.WarmUp, c.CoolDown)
	}
	return load.Estimate(c.Load, c.WarmUp, c.CoolDown)
}

func runNames(runs []scenarios.Run) string {
	names := make([]string, len(runs))
	for i, r := range runs {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

// layOut gives the trials of a run in the order in which they are made.
func layOut(scenario string, run scenarios.Run) []Trial {
	several := slices.ContainsFunc(run.Cells, func(c scenarios.Cell) bool { return c.Runtime.Addr != run.Cells[0].Runtime.Addr })
	trial := func(cell, repetition int) Trial {
		c := run.Cells[cell]
		return Trial{
			ID:         TrialID(run.Name, c, repetition),
			Run:        run.Name,
			Repetition: repetition,
			Seed:       subSeed(run.Seed, scenario, run.Name, strconv.Itoa(repetition)),
			Identity:   several,
			Cell:       c,
		}
	}
	repetitions := max(run.Trials, 1)
	trials := make([]Trial, 0, len(run.Cells)*repetitions)
	switch run.Order {
	case scenarios.OrderListed:
		for c := range run.Cells {
			for r := 1; r <= repetitions; r++ {
				trials = append(trials, trial(c, r))
			}
		}
	case scenarios.OrderShuffled:
		trials = shuffled(scenario, run, repetitions, trial)
	default: // interleaved
		for r := 1; r <= repetitions; r++ {
			for c := range run.Cells {
				trials = append(trials, trial(c, r))
			}
		}
	}
	return trials
}

// shuffled shuffles the trials within each deployment, so that a large model is not loaded anew for each of them.
func shuffled(scenario string, run scenarios.Run, repetitions int, trial func(cell, repetition int) Trial) []Trial {
	var names []string
	groups := map[string][]Trial{}
	for c := range run.Cells {
		name := deploymentOf(run.Cells[c]).Name
		if groups[name] == nil {
			names = append(names, name)
		}
		for r := 1; r <= repetitions; r++ {
			groups[name] = append(groups[name], trial(c, r))
		}
	}
	rng := load.NewRand(run.Seed, scenario, run.Name, "order")
	var trials []Trial
	for _, name := range names {
		g := groups[name]
		rng.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
		trials = append(trials, g...)
	}
	return trials
}

// TrialID names a trial by its run, its matrix values in the order of their keys, and its repetition.
func TrialID(run string, c scenarios.Cell, repetition int) string {
	if len(c.Values) == 0 {
		return fmt.Sprintf("%s#%d", run, repetition)
	}
	parts := make([]string, 0, len(c.Values))
	for _, k := range slices.Sorted(maps.Keys(c.Values)) {
		if _, number := c.Numbers[k]; number {
			parts = append(parts, k+"="+c.Values[k])
		} else {
			parts = append(parts, k+"="+strconv.Quote(c.Values[k]))
		}
	}
	return fmt.Sprintf("%s[%s]#%d", run, strings.Join(parts, ","), repetition)
}

// deploymentOf is what a cell needs to be up: cells that need the same get the same name.
func deploymentOf(c scenarios.Cell) Deployment {
	d := Deployment{Runtime: c.Runtime, NodePool: c.NodePool, Replicas: max(c.Replicas, 1), ResetsCache: c.Reset == scenarios.ResetCache}
	text, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("a deployment is plain values, but: %v", err))
	}
	sum := sha256.Sum256(text)
	d.Name = slug(strings.TrimPrefix(c.Runtime.Addr, "runtime.")) + "-" + hex.EncodeToString(sum[:4])
	return d
}

// slug keeps lower-case letters, digits and dashes, at most 40 of them: what Kubernetes allows in a name.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String()[:min(b.Len(), 40)], "-")
}

// subSeed derives a seed for one stream from a root seed, so that adding a stream does not reshuffle the others.
func subSeed(root int64, stream ...string) int64 {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, root) // a hash never fails
	for _, s := range stream {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	// Positive, so that every engine takes it.
	return int64(binary.LittleEndian.Uint64(h.Sum(nil)) >> 1)
}
