package scenarios

import (
	"math"
	"math/rand/v2"
)

// Sample draws one value. The same generator state gives the same value, on every machine.
//
// Mean and StdDev are those of the values before they are clipped:
//   - lognormal: σ² = ln(1 + s²/m²) and µ = ln m − σ²/2, for a mean m and a standard deviation s;
//   - gamma: shape (m/s)² and scale s²/m, by Marsaglia and Tsang, "A simple method for generating gamma variables",
//     ACM TOMS 26 (2000).
//
// Where StdDev is 0, and for lognormal and gamma where Mean is not above 0, the value is Mean. The zero Distribution,
// and an empirical law without values, gives 0.
func (d Distribution) Sample(rng *rand.Rand) float64 {
	switch d.Kind {
	case "uniform":
		return d.Min + (d.Max-d.Min)*rng.Float64()
	case "empirical":
		if len(d.Values) == 0 {
			return 0
		}
		return d.clip(d.Values[rng.IntN(len(d.Values))])
	case "normal":
		return d.clip(d.Mean + d.StdDev*rng.NormFloat64())
	case "lognormal":
		if d.Mean <= 0 {
			return d.clip(d.Mean)
		}
		// ln(1+r²) as 2·ln √(1+r²), which no r overflows.
		variance := 2 * math.Log(math.Hypot(1, min(d.StdDev/d.Mean, math.MaxFloat64)))
		return d.clip(d.Mean * math.Exp(math.Sqrt(variance)*rng.NormFloat64()-variance/2))
	case "gamma":
		if d.Mean <= 0 || d.StdDev <= 0 {
			return d.clip(d.Mean)
		}
		shape := max(d.Mean/d.StdDev*(d.Mean/d.StdDev), 1e-10) // below it all but one value in 10⁷ are 0 anyway
		if shape > 1e10 {
			// Normal but for a skewness of 2e-5, and the rejection below would lose its digits.
			return d.clip(d.Mean + d.StdDev*rng.NormFloat64())
		}
		return d.clip(d.Mean * standardGamma(rng, shape) / shape)
	default: // constant
		return d.clip(d.Mean)
	}
}

func (d Distribution) clip(v float64) float64 {
	if d.Max > d.Min {
		return min(max(v, d.Min), d.Max)
	}
	return v
}

// standardGamma draws from the gamma law of scale 1.
func standardGamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		// Γ(a) = Γ(a+1)·U^(1/a); 1−U, because U may be 0.
		return standardGamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	third := shape - 1.0/3
	c := 1 / math.Sqrt(9*third)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < x*x/2+third-third*v+third*math.Log(v) {
			return third * v
		}
	}
}
