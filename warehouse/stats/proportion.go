package stats

import "math"

// Wilson bounds the probability behind k successes in n independent trials by Wilson's score interval (E. B. Wilson,
// Journal of the American Statistical Association 22, 1927). Both may be fractions, as an effective sample's are.
// ok is false where n is not positive.
func Wilson(k, n, confidence float64) (i Interval, ok bool) {
	if n <= 0 {
		return Interval{}, false
	}
	z := normalQuantile((1 + confidence) / 2)
	p := k / n
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return Interval{max(0, centre-half), min(1, centre+half)}, true
}
