package load

import (
	"math"
	"time"
)

// piece is a stretch of a profile: after t seconds its rate is from + (to−from)·t/over + amplitude·sin(2πt/period).
type piece struct {
	kind      string
	over      time.Duration
	from, to  float64 // per second
	amplitude float64 // per second
	period    float64 // seconds
}

func (p piece) rate(t float64) float64 {
	r := p.from + (p.to-p.from)*t/p.over.Seconds()
	if p.amplitude != 0 {
		r += p.amplitude * math.Sin(2*math.Pi*t/p.period)
	}
	return r
}

// mass is how many arrivals are due in the first t seconds: the integral of the rate.
func (p piece) mass(t float64) float64 {
	m := p.from*t + (p.to-p.from)*t*t/(2*p.over.Seconds())
	if p.amplitude != 0 {
		m += p.amplitude * p.period / (2 * math.Pi) * (1 - math.Cos(2*math.Pi*t/p.period))
	}
	return m
}

func (p piece) total() float64 { return p.mass(p.over.Seconds()) }

// when is the inverse of mass: the second in which arrival number m is due.
func (p piece) when(m float64) float64 {
	if p.amplitude == 0 {
		// The root of slope/2·t² + from·t = m in the form that does not cancel when the slope is small.
		slope := (p.to - p.from) / p.over.Seconds()
		return 2 * m / (p.from + math.Sqrt(max(p.from*p.from+2*slope*m, 0)))
	}
	low, high := 0.0, p.over.Seconds()
	for range 200 {
		mid := low + (high-low)/2
		if mid == low || mid == high {
			break
		}
		if p.mass(mid) < m {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// cut ends the piece after t.
func (p piece) cut(t time.Duration) piece {
	p.to = p.from + (p.to-p.from)*t.Seconds()/p.over.Seconds()
	p.over = t
	return p
}

// profile is the rate of a shape over time: pieces one after the other, which are the stages.
type profile []piece

func (p profile) over() time.Duration {
	var sum time.Duration
	for _, piece := range p {
		sum += piece.over
	}
	return sum
}

func (p profile) total() float64 {
	var sum float64
	for _, piece := range p {
		sum += piece.total()
	}
	return sum
}

// cutAtMass ends the profile where m arrivals were due.
func (p profile) cutAtMass(m float64) profile {
	for i, piece := range p {
		if t := piece.total(); t < m {
			m -= t
			continue
		}
		return append(p[:i:i], piece.cut(seconds(piece.when(m))))
	}
	return p
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// slack is how much of an arrival rounding may add or take at the seam of two pieces: 0.1 per second over 30 s is three
// arrivals, though the product is 3.0000000000000004.
const slack = 1e-9

// walk finds the time of each arrival of a growing sequence in a profile.
type walk struct {
	profile profile
	piece   int
	start   time.Duration // of the piece
	before  float64       // mass of the pieces before
}

// at is when arrival m is due and in which piece; false: after the profile's end.
func (w *walk) at(m float64) (after time.Duration, piece int, ok bool) {
	for w.piece < len(w.profile) {
		p := w.profile[w.piece]
		total := p.total()
		if m < w.before+total-slack {
			within := min(seconds(p.when(max(m-w.before, 0))), p.over)
			return w.start + within, w.piece, true
		}
		w.before += total
		w.start += p.over
		w.piece++
	}
	return 0, 0, false
}
