// Package benchclient is one load worker: it takes an assignment, makes the load and hands the rows on. The same code
// runs in the process of an apply and in the pod of a Job.
package benchclient

import (
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// Assignment is what a worker does in one trial; it is JSON on its way to a pod.
type Assignment struct {
	TrialID string
	Worker  int // from 0
	Workers int // arrivals i with i mod Workers = Worker are this worker's
	Seed    int64
	// Nonce differs from apply to apply and from repetition to repetition, and is equal across cells that are compared:
	// the start of prompts that no cache has seen.
	Nonce string

	Runtime    scenarios.Runtime
	PromptSet  scenarios.PromptSet
	Load       scenarios.Load
	WarmUp     time.Duration
	CoolDown   time.Duration
	KeepBodies scenarios.KeepBodies
	Targets    []Target
	// Identity asks the identity prompts before the load.
	Identity bool `json:",omitempty"`
}

// Window is one part of a trial's load: it begins when it is made, and ends drained.
type Window struct {
	load.Window
	Load     scenarios.Load
	WarmUp   time.Duration
	CoolDown time.Duration
	Seed     int64
	// SLO is what the window's requests are held against while they come, which makes it a probe; nil: nothing.
	SLO *scenarios.SLO
	// Targets are who is asked from this window on; none: those that were.
	Targets []Target
}

// Whole is the one window of a load that needs no other.
func (a Assignment) Whole() Window {
	return Window{Load: a.Load, WarmUp: a.WarmUp, CoolDown: a.CoolDown, Seed: a.Seed}
}

// Target is an address that answers.
type Target struct {
	ID  string
	URL string
}
