package load

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// ErrNotExecutable says that a load is planned but can't be made.
var ErrNotExecutable = errors.New("this version plans this load but does not make it")

// Plan is what a load will ask and when, known before it starts; instants are offsets from the start of the load.
//
// A Plan is made of rates, not of arrivals: planning a day costs no more than planning a second.
type Plan struct {
	Stages []Stage
	// MeasureFrom is the end of the warm-up, MeasureUntil the begin of the cool-down, Until the end of the load. The last
	// two are 0 where only the answers tell: a closed loop that counts requests.
	MeasureFrom, MeasureUntil, Until time.Duration
	// Requests is how many are expected over all phases; 0: not known.
	Requests int64

	load     scenarios.Load
	seed     int64
	coolDown time.Duration
	phases   []phase
	levels   []level // of the warm-up and the stages
	window   Window
}

// Stage is one offered load of a plan.
type Stage struct {
	Kind        string // constant, ramp, burst, floor, sine, users, replay, probe, cold_start
	From, Until time.Duration
	// RatePerSecond is the mean over the stage; NULL in a closed loop.
	RatePerSecond tables.Null[float64]
	// Users is the mean over the stage; NULL in an open loop.
	Users tables.Null[float64]
}

// phase is one part of an open loop: a profile with arrivals of its own, so that a longer warm-up doesn't reshuffle
// what is measured.
type phase struct {
	name    tables.Phase
	from    time.Duration
	stage   int32 // of the profile's first piece
	profile profile
	limit   int64 // arrivals at most; 0: the profile decides
}

// NewPlan plans a load with its warm-up before and its cool-down after, at its first and last rate or users. Load.Seed
// takes the place of seed where it is set.
//
// An error says what the load lacks; loads that the language let through have none.
func NewPlan(l scenarios.Load, warmUp, coolDown time.Duration, seed int64) (*Plan, error) {
	if l.Seed != 0 {
		seed = l.Seed
	}
	p := &Plan{load: l, seed: seed, MeasureFrom: warmUp, coolDown: coolDown}
	var err error
	switch l.Shape {
	case "constant_rate", "soak", "ramping_rate", "burst", "sine":
		err = p.planOpen()
	case "closed_loop":
		err = p.planClosed()
	case "cold_start":
		p.planCold()
	case "replay", "search":
		p.planKnown()
	default:
		err = fmt.Errorf("there is no load shape %q", l.Shape)
	}
	if err != nil {
		return nil, fmt.Errorf("planning %s: %w", name(l), err)
	}
	return p, nil
}

func name(l scenarios.Load) string {
	if l.Addr != "" {
		return l.Addr
	}
	return "a load"
}

// Executable is nil where the load can be made, and else wraps ErrNotExecutable.
func (p *Plan) Executable() error {
	switch p.load.Shape {
	case "replay", "search":
		return fmt.Errorf("%s is of shape %s: %w", name(p.load), p.load.Shape, ErrNotExecutable)
	}
	return nil
}

// Estimated is what a load will take.
type Estimated struct {
	Duration time.Duration // without the drain; 0: not known
	Requests int64         // 0: not known
}

// Estimate tells what a load will take, zero where it can't be known.
func Estimate(l scenarios.Load, warmUp, coolDown time.Duration) Estimated {
	p, err := NewPlan(l, warmUp, coolDown, l.Seed)
	if err != nil {
		return Estimated{}
	}
	return Estimated{Duration: p.Until, Requests: p.Requests}
}

func (p *Plan) planOpen() error {
	warmUp, coolDown := p.MeasureFrom, p.coolDown
	// How much mass the wanted number of requests takes: where the arrival after the last one would be.
	limit := math.Inf(1)
	if n := p.load.Requests; n > 0 {
		limit = float64(n)
		if process := p.arrivals(tables.PhaseMeasure); !process.gap.IsZero() {
			for range n + 1 {
				limit = process.next()
			}
		}
	}
	shape, err := openProfile(p.load, limit)
	if err != nil {
		return err
	}
	first, last := shape[0], shape[len(shape)-1]
	p.MeasureUntil = warmUp + shape.over()
	p.Until = p.MeasureUntil + coolDown
	p.phases = []phase{
		{name: tables.PhaseWarmUp, profile: hold(warmUp, first.from)},
		{name: tables.PhaseMeasure, from: warmUp, profile: shape, limit: int64(p.load.Requests)},
		{name: tables.PhaseCoolDown, from: p.MeasureUntil, profile: hold(coolDown, last.rate(last.over.Seconds())), stage: int32(len(shape) - 1)},
	}
	at := warmUp
	for _, piece := range shape {
		s := Stage{Kind: piece.kind, From: at, Until: at + piece.over}
		if piece.over > 0 {
			s.RatePerSecond = tables.Some(piece.total() / piece.over.Seconds())
		}
		p.Stages = append(p.Stages, s)
		at = s.Until
	}
	for _, ph := range p.phases {
		n := int64(math.Ceil(ph.profile.total() - slack))
		if ph.limit > 0 {
			n = min(n, ph.limit)
		}
		p.Requests += n
	}
	return nil
}

func hold(over time.Duration, rate float64) profile {
	if over <= 0 {
		return nil
	}
	return profile{{over: over, from: rate, to: rate}}
}

func (p *Plan) arrivals(name tables.Phase) *arrivals {
	return newArrivals(p.load.Arrivals, NewRand(p.seed, "arrivals", string(name)))
}

// planKnown fills in what is known of a load that is not made.
func (p *Plan) planKnown() {
	kind := map[string]string{"replay": "replay", "search": "probe"}[p.load.Shape]
	s := Stage{Kind: kind, From: p.MeasureFrom}
	if p.load.Over > 0 {
		s.Until = s.From + p.load.Over
		p.MeasureUntil, p.Until = s.Until, s.Until+p.coolDown
	}
	p.Stages = []Stage{s}
	p.Requests = int64(p.load.Requests)
}
