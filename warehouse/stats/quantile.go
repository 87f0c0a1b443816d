package stats

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// Quantile is the q-th quantile of a sorted sample, interpolated linearly between order statistics: Hyndman and Fan's
// type 7, which is DuckDB's quantile_cont and numpy's default. It is NaN for an empty sample.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	h := q * float64(len(sorted)-1)
	i := int(h)
	if i >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	part := h - float64(i)
	if part == 0 || sorted[i] == sorted[i+1] { // also where they are infinite
		return sorted[i]
	}
	return sorted[i] + part*(sorted[i+1]-sorted[i])
}

// Median is the 0.5 quantile of a sample in any order; NaN for an empty one.
func Median(xs []float64) float64 {
	sorted := slices.Clone(xs)
	slices.Sort(sorted)
	return Quantile(sorted, 0.5)
}

// Floor is the smallest independent sample whose q-th quantile may be reported: with that many, one observation lies
// beyond the upper confidence bound of the quantile, at the confidence. Quantiles below one half mirror those above.
//
// It is MLPerf's early stopping with one query over the limit: the least n with I_q(n-1, 2) ≤ 1 - confidence, where I
// is the regularized incomplete beta function (mlcommons/inference_policies, appendix "Early stopping").
func Floor(q, confidence float64) int {
	q = max(q, 1-q)
	tooFew := func(n int) bool { return mathext.RegIncBeta(float64(n-1), 2, q) > 1-confidence }
	high := 2
	for tooFew(high) {
		high *= 2
	}
	return sort.Search(high, func(n int) bool { return n >= 2 && !tooFew(n) })
}

// QuantileRanks are the order statistics, counted from 1, that bound the q-th quantile of n independent observations
// with at least the confidence, half of the error on each side. ok is false where the sample is too small for a bound
// on one of the sides.
func QuantileRanks(n int, q, confidence float64) (low, high int, ok bool) {
	if n < 1 {
		return 0, 0, false
	}
	alpha := (1 - confidence) / 2
	// The number of observations below the quantile is binomial: P(at least k) = I_q(k, n-k+1).
	atLeast := func(k int) float64 {
		switch {
		case k <= 0:
			return 1
		case k > n:
			return 0
		}
		return mathext.RegIncBeta(float64(k), float64(n-k+1), q)
	}
	// The lower bound fails where fewer than low observations lie below the quantile, the upper where at least high do.
	low = sort.Search(n+1, func(k int) bool { return 1-atLeast(k) > alpha }) - 1
	high = sort.Search(n+1, func(k int) bool { return atLeast(k) <= alpha })
	return low, high, low >= 1 && high <= n
}

// The ways in which an interval was made.
const (
	// OrderStatistics: independent observations; the ranks' exact binomial bounds.
	OrderStatistics = "order_statistics"
	// EffectiveOrderStatistics: the same for as many observations as an autocorrelated sample is worth.
	EffectiveOrderStatistics = "effective_order_statistics"
	// EffectiveNormal: the normal interval of a mean, widened by the autocorrelation time.
	EffectiveNormal = "effective_normal"
	// TooFew: no interval, for the sample is too small.
	TooFew = "sample_too_small"
	// TooFewEffective: no interval, for the sample is autocorrelated and worth fewer than MinEffective observations.
	TooFewEffective = "effective_sample_too_small"
)

// MinEffective is the least number of independent observations that an autocorrelated sample must be worth for an
// interval to be given: with fewer, the estimate of the autocorrelation time itself is too rough, and the intervals
// that it would make hold less often than they say (testdata/coverage.txt).
const MinEffective = 100

// independent is the autocorrelation time up to which a sample counts as independent: the estimate for white noise
// scatters that far.
const independent = 1.2

// QuantileInterval bounds the q-th quantile of a sample in the order of time. The method says how, or why not.
//
// Whether an observation lies below the quantile is a series of its own; its autocorrelation time τ says how many
// independent observations the sample is worth, n ÷ τ, and the binomial bounds of that many are taken at the same
// shares of the sample (Woodruff's inversion with a design effect of τ). It holds its coverage where a moving-block
// bootstrap loses it (testdata/coverage.txt).
func QuantileInterval(xs []float64, q, confidence float64) (i Interval, method string, ok bool) {
	b := QuantileBounds(xs, []float64{q}, confidence)[0]
	return b.Interval, b.Method, b.OK
}

// Bound is what QuantileInterval returns.
type Bound struct {
	Interval Interval
	Method   string
	OK       bool
}

// QuantileBounds is QuantileInterval for several quantiles of one sample.
func QuantileBounds(xs, qs []float64, confidence float64) []Bound {
	out := make([]Bound, len(qs))
	if len(xs) == 0 {
		for i := range out {
			out[i].Method = TooFew
		}
		return out
	}
	sorted := slices.Clone(xs)
	slices.Sort(sorted)
	spread := timeBelow(xs, Quantile(sorted, 0.5))
	for i, q := range qs {
		if spread > independent && float64(len(xs))/spread < MinEffective {
			out[i].Method = TooFewEffective
			continue
		}
		tau := spread
		if q != 0.5 {
			tau = timeBelow(xs, Quantile(sorted, q))
		}
		out[i].Interval, out[i].Method, out[i].OK = RankInterval(sorted, q, confidence, tau)
	}
	return out
}

// timeBelow is the autocorrelation time of whether an observation is at most the limit.
func timeBelow(xs []float64, limit float64) float64 {
	below := make([]float64, len(xs))
	for k, x := range xs {
		if x <= limit {
			below[k] = 1
		}
	}
	return AutocorrelationTime(below)
}

// RankInterval bounds the q-th quantile of a sorted sample whose observations, in the order of time, stay alike for
// tau of them; see QuantileInterval.
func RankInterval(sorted []float64, q, confidence, tau float64) (i Interval, method string, ok bool) {
	low, high, method, ok := RankBounds(len(sorted), q, confidence, tau)
	if !ok {
		return Interval{}, method, false
	}
	return Interval{Quantile(sorted, low), Quantile(sorted, high)}, method, true
}

// RankBounds are the shares of a sample of n between which its true q-th quantile lies: RankInterval for a caller that
// has the quantiles elsewhere.
func RankBounds(n int, q, confidence, tau float64) (low, high float64, method string, ok bool) {
	method, effective := OrderStatistics, n
	if tau > independent {
		method, effective = EffectiveOrderStatistics, int(float64(n)/tau)
		if effective < MinEffective {
			return 0, 0, TooFewEffective, false
		}
	}
	l, h, ok := QuantileRanks(effective, q, confidence)
	if !ok {
		return 0, 0, TooFew, false
	}
	if effective == 1 {
		return 0, 1, method, true
	}
	return float64(l-1) / float64(effective-1), float64(h-1) / float64(effective-1), method, true
}

// MeanInterval bounds the mean of a sample in the order of time: normal, its variance widened by the autocorrelation
// time.
func MeanInterval(xs []float64, confidence float64) (i Interval, method string, ok bool) {
	if len(xs) < 2 {
		return Interval{}, TooFew, false
	}
	tau := AutocorrelationTime(xs)
	n := float64(len(xs))
	if tau > independent && n/tau < MinEffective {
		return Interval{}, TooFewEffective, false
	}
	mean, variance := meanVariance(xs)
	half := normalQuantile((1+confidence)/2) * math.Sqrt(variance*tau/n)
	return Interval{mean - half, mean + half}, EffectiveNormal, true
}

// meanVariance is the mean and the unbiased variance.
func meanVariance(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	if len(xs) < 2 {
		return mean, 0
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(xs)-1)
}

func normalQuantile(p float64) float64 { return mathext.NormalQuantile(p) }
