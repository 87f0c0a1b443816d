package scenarios

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func moments(d Distribution, n int) (mean, stdDev float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	var sum, squares float64
	for range n {
		v := d.Sample(rng)
		sum += v
		squares += v * v
	}
	mean = sum / float64(n)
	return mean, math.Sqrt(squares/float64(n) - mean*mean)
}

func TestSamplesHaveTheMeanAndTheStandardDeviationThatWereAskedFor(t *testing.T) {
	for _, d := range []Distribution{
		{Kind: "constant", Mean: 7},
		{Kind: "uniform", Min: 2, Max: 4},
		{Kind: "normal", Mean: 10, StdDev: 3},
		{Kind: "lognormal", Mean: 0.2, StdDev: 0.1},
		{Kind: "lognormal", Mean: 200, StdDev: 50},
		{Kind: "lognormal", Mean: 5},
		{Kind: "gamma", Mean: 0.05, StdDev: 0.02},
		{Kind: "gamma", Mean: 1, StdDev: 1},
		{Kind: "gamma", Mean: 1, StdDev: 1.5}, // a shape below 1
		{Kind: "gamma", Mean: 5},
		{Kind: "empirical", Values: []float64{1, 2, 3, 4, 10}},
	} {
		t.Run(fmt.Sprintf("%s of %g and %g", d.Kind, d.Mean, d.StdDev), func(t *testing.T) {
			wantMean, wantStdDev := d.Mean, d.StdDev
			switch d.Kind {
			case "uniform":
				wantMean, wantStdDev = 3, 2/math.Sqrt(12)
			case "empirical":
				wantMean, wantStdDev = 4, math.Sqrt(10)
			}
			mean, stdDev := moments(d, 200_000)
			if math.Abs(mean-wantMean) > 0.02*wantMean {
				t.Errorf("mean %g, want %g", mean, wantMean)
			}
			if math.Abs(stdDev-wantStdDev) > 0.03*wantStdDev+1e-6*wantMean {
				t.Errorf("standard deviation %g, want %g", stdDev, wantStdDev)
			}
		})
	}
}

func anyDistribution() *rapid.Generator[Distribution] {
	return rapid.Custom(func(t *rapid.T) Distribution {
		low := rapid.Float64Range(0, 1e6).Draw(t, "min")
		return Distribution{
			Kind:   rapid.SampledFrom([]string{"constant", "uniform", "normal", "lognormal", "gamma", "empirical"}).Draw(t, "kind"),
			Mean:   rapid.Float64Range(0, 1e6).Draw(t, "mean"),
			StdDev: rapid.Float64Range(0, 1e6).Draw(t, "stddev"),
			Min:    low,
			Max:    low + rapid.Float64Range(1e-3, 1e6).Draw(t, "width"),
			Values: rapid.SliceOf(rapid.Float64Range(0, 1e6)).Draw(t, "values"),
		}
	})
}

func TestNoSampleLeavesItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDistribution().Draw(t, "d")
		if d.Kind == "empirical" && len(d.Values) == 0 {
			d.Values = []float64{d.Min}
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range 100 {
			if v := d.Sample(rng); !(v >= d.Min && v <= d.Max) {
				t.Fatalf("%g is outside %g … %g", v, d.Min, d.Max)
			}
		}
	})
}

func TestTheSameSeedGivesTheSameSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDistribution().Draw(t, "d")
		seed := rapid.Uint64().Draw(t, "seed")
		draw := func() []float64 {
			rng := rand.New(rand.NewPCG(seed, 0))
			var all []float64
			for range 20 {
				all = append(all, d.Sample(rng))
			}
			return all
		}
		if a, b := draw(), draw(); !slices.Equal(a, b) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}

func TestUnclippedLognormalAndGammaSamplesArePositive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Distribution{
			Kind:   rapid.SampledFrom([]string{"lognormal", "gamma"}).Draw(t, "kind"),
			Mean:   rapid.Float64Range(1e-3, 1e3).Draw(t, "mean"),
			StdDev: rapid.Float64Range(0, 1e3).Draw(t, "stddev"),
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range 100 {
			if v := d.Sample(rng); !(v >= 0) || math.IsInf(v, 0) {
				t.Fatalf("%g", v)
			}
		}
	})
}

func TestNoLawGivesZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range []Distribution{{}, {Kind: "empirical"}} {
		if v := d.Sample(rng); v != 0 {
			t.Errorf("%+v gave %g", d, v)
		}
	}
}
