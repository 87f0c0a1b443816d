package stats

import (
	"math"
	"slices"
)

// MSER5 is how many of the first observations belong to the warm-up: the cut, a multiple of five, after which the mean
// of the batches of five is known best (K. P. White, Simulation 69, 1997). The cut is sought in the first half; one at
// its end says that no steady state was reached.
func MSER5(xs []float64) int {
	const batch = 5
	means := batched(xs, len(xs)/batch, batch, func(b []float64) float64 {
		m, _ := meanVariance(b)
		return m
	})
	if len(means) < 4 {
		return 0
	}
	// From the end, so that each cut's sum of squares follows from the one after it (Welford).
	var n, mean, squares float64
	best, cut := math.Inf(1), 0
	for d := len(means) - 1; d >= 0; d-- {
		n++
		delta := means[d] - mean
		mean += delta / n
		squares += delta * (means[d] - mean)
		if d > len(means)/2 {
			continue
		}
		if v := squares / (n * n); v <= best {
			best, cut = v, d
		}
	}
	return cut * batch
}

// BatchMedians cuts a series into n consecutive batches of equal length and returns their medians; a rest shorter than
// a batch is left out. It returns nothing where there are fewer observations than batches.
func BatchMedians(xs []float64, n int) []float64 {
	if n < 1 || len(xs) < n {
		return nil
	}
	return batched(xs, n, len(xs)/n, Median)
}

func batched(xs []float64, n, size int, figure func([]float64) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = figure(xs[i*size : (i+1)*size])
	}
	return out
}

// MannKendall tests a series for a monotonic trend: tau is from -1 (always falling) to 1 (always rising), p the
// two-sided probability of one at least as strong without a trend, by the normal approximation with corrections for
// ties and continuity (M. G. Kendall, "Rank Correlation Methods", 1975). It wants independent observations: batch
// medians. p is 1 below four.
func MannKendall(xs []float64) (tau, p float64) {
	n := len(xs)
	if n < 4 {
		return 0, 1
	}
	s := 0.0
	for i := range xs {
		for j := i + 1; j < n; j++ {
			switch {
			case xs[j] > xs[i]:
				s++
			case xs[j] < xs[i]:
				s--
			}
		}
	}
	sorted := slices.Clone(xs)
	slices.Sort(sorted)
	variance := kendallTerm(n)
	for i := 0; i < n; {
		j := i
		for j < n && sorted[j] == sorted[i] {
			j++
		}
		variance -= kendallTerm(j - i)
		i = j
	}
	tau = s / (float64(n) * float64(n-1) / 2)
	if s == 0 || variance <= 0 {
		return tau, 1
	}
	z := (math.Abs(s) - 1) / math.Sqrt(variance)
	return tau, math.Erfc(z / math.Sqrt2)
}

func kendallTerm(n int) float64 {
	f := float64(n)
	return f * (f - 1) * (2*f + 5) / 18
}
