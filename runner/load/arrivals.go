package load

import (
	"math"
	"math/rand/v2"

	"github.com/llmscen/llmscen/scenarios"
)

// arrivals is a stationary process of one arrival a unit of time; a profile stretches its time to the wanted rates.
type arrivals struct {
	gap   scenarios.Distribution // zero: even
	rng   *rand.Rand
	count int64
	at    float64
}

func newArrivals(a scenarios.Arrivals, rng *rand.Rand) *arrivals {
	switch a.Process {
	case "poisson":
		return &arrivals{rng: rng, gap: scenarios.Distribution{Kind: "gamma", Mean: 1, StdDev: 1}}
	case "gamma":
		b := a.Burstiness
		if b <= 0 {
			b = 1
		}
		return &arrivals{rng: rng, gap: scenarios.Distribution{Kind: "gamma", Mean: 1, StdDev: 1 / math.Sqrt(b)}}
	default:
		return &arrivals{}
	}
}

// next is the time of the next arrival; an even process begins at 0, a random one after its first gap.
func (a *arrivals) next() float64 {
	if a.gap.IsZero() {
		a.at = float64(a.count)
	} else {
		a.at += a.gap.Sample(a.rng)
	}
	a.count++
	return a.at
}
