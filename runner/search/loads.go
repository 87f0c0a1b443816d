package search

import (
	"math"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// Settle is the pause between a probe and the next: the server has answered all, and gets the time to clear up.
const Settle = 500 * time.Millisecond

// Probe is the load that tries a level.
func Probe(l scenarios.Load, level float64) scenarios.Load {
	p := l
	p.From, p.To, p.Then = 0, 0, nil
	if l.Of == "users" {
		p.Shape, p.Users = "closed_loop", users(level)
		return p
	}
	p.Shape, p.RatePerSecond = "constant_rate", level
	return p
}

// Stress is the load of the stages that follow a search, at multiples of the capacity that it found.
func Stress(l scenarios.Load, capacity float64) scenarios.Load {
	p := Probe(l, 0)
	p.Over, p.Requests, p.RatePerSecond, p.Users = 0, 0, 0, 0
	for _, s := range l.Then {
		stage := scenarios.LoadStage{Over: s.Over, Step: true}
		if l.Of == "users" {
			stage.Users = users(s.CapacityRatio * capacity)
		} else {
			stage.RatePerSecond = s.CapacityRatio * capacity
		}
		p.Stages = append(p.Stages, stage)
	}
	if l.Of != "users" {
		p.Shape = "ramping_rate"
	}
	return p
}

// Estimate is what a search takes at most: every level is probed twice, the capacity is the highest level, and it takes as
// many halvings as there can be.
func Estimate(l scenarios.Load, warmUp, coolDown time.Duration) load.Estimated {
	var most load.Estimated
	unknown := load.Estimated{}
	add := func(p scenarios.Load, times int) bool {
		e := load.Estimate(p, warmUp, coolDown)
		most.Duration += time.Duration(times) * (e.Duration + Settle)
		most.Requests += int64(times) * e.Requests
		return e.Duration > 0
	}
	known := true
	for level := l.From; ; level = min(2*level, l.To) {
		known = add(Probe(l, level), 2) && known
		if level >= l.To {
			break
		}
	}
	halvings := math.Ceil(math.Log2(math.Log(2) / math.Log1p(max(l.Tolerance, 1e-6))))
	if l.Of == "users" {
		halvings = min(halvings, math.Ceil(math.Log2(max(l.To/2, 1))))
	}
	known = add(Probe(l, l.To), 2*int(max(halvings, 0))) && known
	if len(l.Then) > 0 {
		known = add(Stress(l, l.To), 1) && known
	}
	if !known {
		return unknown
	}
	return most
}

// users rounds a number of users: there is at least one.
func users(level float64) int { return int(max(math.Round(level), 1)) }
