package stats

import (
	"math"
	"slices"

	moremath "github.com/aclements/go-moremath/stats"
	"gonum.org/v1/gonum/stat/combin"
)

// MannWhitney is the two-sided probability that two samples from one population differ at least as much: the rank test
// of Mann and Whitney, exact up to 50 observations a side (25 where values are tied), normal beyond. Samples whose
// values are all equal give 1, as do empty ones.
func MannWhitney(a, b []float64) float64 {
	r, err := moremath.MannWhitneyUTest(a, b, moremath.LocationDiffers)
	if err != nil { // the errors are empty samples, and samples that are all equal
		return 1
	}
	return min(r.P, 1)
}

// LeastP is the smallest probability that MannWhitney can give for two samples of these sizes: no difference, however
// large, can be shown below it.
func LeastP(n, m int) float64 {
	if n < 1 || m < 1 {
		return 1
	}
	return min(1, 2/combin.GeneralizedBinomial(float64(n+m), float64(n)))
}

// EnoughFor is the least number of observations a side with which MannWhitney can show a difference at the level.
func EnoughFor(level float64) int {
	n := 1
	for LeastP(n, n) > level {
		n++
	}
	return n
}

// HodgesLehmann is by how much b lies above a: the median of all differences, and its exact interval by the
// distribution of the rank test (J. L. Hodges and E. L. Lehmann, Annals of Mathematical Statistics 34, 1963).
// ok is false where the samples are too small for the confidence, or larger than the exact distribution is made for.
func HodgesLehmann(a, b []float64, confidence float64) (shift float64, i Interval, ok bool) {
	if len(a) == 0 || len(b) == 0 {
		return math.NaN(), Interval{}, false
	}
	diffs := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			diffs = append(diffs, y-x)
		}
	}
	slices.Sort(diffs)
	shift = Quantile(diffs, 0.5)
	if max(len(a), len(b)) > moremath.MannWhitneyExactLimit {
		return shift, Interval{}, false
	}
	dist := moremath.UDist{N1: len(a), N2: len(b)}
	k := 0
	for 2*dist.CDF(float64(k)) <= 1-confidence {
		k++
	}
	if k == 0 {
		return shift, Interval{}, false
	}
	return shift, Interval{diffs[k-1], diffs[len(diffs)-k]}, true
}

// Holm corrects probabilities for having made several tests: those below a level show a difference each, with all of
// them together wrong no more often than the level (S. Holm, Scandinavian Journal of Statistics 6, 1979). The order is
// that of the argument.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case ps[i] < ps[j]:
			return -1
		case ps[i] > ps[j]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(ps))
	running := 0.0
	for rank, i := range order {
		running = max(running, min(1, ps[i]*float64(len(ps)-rank)))
		out[i] = running
	}
	return out
}
