package load

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/llmscen/llmscen/scenarios"
)

// openProfile is the rate of an open shape over time, ended by Over, by its stages, or where limit arrivals were due,
// whichever comes first.
func openProfile(l scenarios.Load, limit float64) (profile, error) {
	over := l.Over
	if over <= 0 {
		if math.IsInf(limit, 1) && l.Shape != "ramping_rate" {
			return nil, errors.New("neither over nor requests says when it ends")
		}
		over = math.MaxInt64
	}
	var p profile
	var err error
	switch l.Shape {
	case "burst":
		p, err = burst(l, over, limit)
	case "ramping_rate":
		p, err = ramp(l.Stages, over)
	case "sine":
		p, err = sine(l, over, limit)
	default:
		p, err = constant(l.RatePerSecond, over, limit)
	}
	if err != nil {
		return nil, err
	}
	return p.cutAtMass(limit), nil
}

func constant(rate float64, over time.Duration, limit float64) (profile, error) {
	if !(rate > 0) {
		return nil, fmt.Errorf("a rate of %v per second asks nothing", rate)
	}
	if !math.IsInf(limit, 1) {
		over = min(over, atMost(limit/rate))
	}
	return profile{{kind: "constant", over: over, from: rate, to: rate}}, nil
}

// atMost is s seconds and a little more, never more than a Duration holds.
func atMost(s float64) time.Duration {
	return time.Duration(min((s+1)*1e9, math.MaxInt64/2))
}

// ramp goes linearly from the rate of the stage before; the first stage, and one that steps, is held at its own.
func ramp(stages []scenarios.LoadStage, over time.Duration) (profile, error) {
	var p profile
	var before float64
	for i, s := range stages {
		if s.Over <= 0 || s.RatePerSecond < 0 {
			return nil, fmt.Errorf("stage %d: over %v at %v per second is no load", i, s.Over, s.RatePerSecond)
		}
		next := piece{kind: "constant", over: s.Over, from: s.RatePerSecond, to: s.RatePerSecond}
		if i > 0 && !s.Step && before != s.RatePerSecond {
			next.kind, next.from = "ramp", before
		}
		if next.over > over {
			next = next.cut(over)
		}
		if next.over > 0 {
			p = append(p, next)
		}
		before, over = s.RatePerSecond, over-next.over
	}
	if p.total() <= 0 {
		return nil, errors.New("its stages ask nothing")
	}
	return p, nil
}

// burst has one spike in the middle of each period, so that the floor is seen before and after it.
func burst(l scenarios.Load, over time.Duration, limit float64) (profile, error) {
	if l.Every <= 0 || l.Width <= 0 || l.Width >= l.Every || l.FloorPerSecond < 0 || !(l.PeakPerSecond > 0) {
		return nil, fmt.Errorf("spikes of %v per second, %v wide, every %v, on %v per second are no load", l.PeakPerSecond, l.Width, l.Every, l.FloorPerSecond)
	}
	lead := (l.Every - l.Width) / 2
	tail := l.Every - l.Width - lead
	var p profile
	var mass float64
	add := func(kind string, rate float64, d time.Duration) {
		if d = min(d, over); d <= 0 {
			return
		}
		over -= d
		mass += rate * d.Seconds()
		// The floor after one spike and the floor before the next are one stage.
		if n := len(p); n > 0 && p[n-1].kind == kind {
			p[n-1].over += d
			return
		}
		p = append(p, piece{kind: kind, over: d, from: rate, to: rate})
	}
	for over > 0 && mass <= limit {
		add("floor", l.FloorPerSecond, lead)
		add("burst", l.PeakPerSecond, l.Width)
		add("floor", l.FloorPerSecond, tail)
	}
	if p.total() <= 0 {
		return nil, errors.New("it ends before it asks anything")
	}
	return p, nil
}

// sine begins at its mean, going up.
func sine(l scenarios.Load, over time.Duration, limit float64) (profile, error) {
	if !(l.MeanPerSecond > 0) || l.Amplitude < 0 || l.Amplitude > l.MeanPerSecond || l.Period <= 0 {
		return nil, fmt.Errorf("%v ± %v per second over %v is no load", l.MeanPerSecond, l.Amplitude, l.Period)
	}
	if !math.IsInf(limit, 1) {
		// Whole periods have the mean's mass.
		over = min(over, atMost(limit/l.MeanPerSecond+l.Period.Seconds()))
	}
	return profile{{
		kind: "sine", over: over, from: l.MeanPerSecond, to: l.MeanPerSecond,
		amplitude: l.Amplitude, period: l.Period.Seconds(),
	}}, nil
}
