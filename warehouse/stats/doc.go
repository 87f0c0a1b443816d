// Package stats says how far a figure may be believed: intervals that allow for autocorrelation, sample floors, rank
// tests, warm-up and drift detection. Its functions are pure; none changes its arguments, and all randomness is seeded.
package stats

// Interval is a confidence interval, both ends included, in the unit of the sample.
type Interval struct {
	Low, High float64
}

// Contains tells whether x lies in the interval.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }
