package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Bootstrap says how to resample.
type Bootstrap struct {
	// Block is the length of the blocks that are drawn, in observations; 0 means five autocorrelation times.
	Block int
	// Resamples is how many samples are drawn; 0 means 1000.
	Resamples int
	// Seed makes the draw repeatable.
	Seed uint64
}

// Interval bounds a statistic of a series by its percentiles over moving-block resamples: blocks of consecutive
// observations, drawn with replacement, keep the autocorrelation within them (H. R. Künsch, Annals of Statistics 17,
// 1989). ok is false where the series is shorter than two blocks.
func (b Bootstrap) Interval(xs []float64, confidence float64, statistic func([]float64) float64) (i Interval, ok bool) {
	block := b.Block
	if block == 0 {
		block = int(math.Ceil(5 * AutocorrelationTime(xs)))
	}
	if block < 1 || len(xs) < 2*block {
		return Interval{}, false
	}
	resamples := b.Resamples
	if resamples == 0 {
		resamples = 1000
	}
	rng := rand.New(rand.NewPCG(b.Seed, 0))
	values := make([]float64, resamples)
	sample := make([]float64, 0, len(xs)+block)
	for r := range values {
		sample = sample[:0]
		for len(sample) < len(xs) {
			from := rng.IntN(len(xs) - block + 1)
			sample = append(sample, xs[from:from+block]...)
		}
		values[r] = statistic(sample[:len(xs)])
	}
	slices.Sort(values)
	return Interval{Quantile(values, (1-confidence)/2), Quantile(values, (1+confidence)/2)}, true
}
