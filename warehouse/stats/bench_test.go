package stats

import (
	"math/rand/v2"
	"testing"
)

// latencies are n positive numbers with a long tail, the same each time.
func latencies(n int) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = 1 + r.ExpFloat64()
	}
	return xs
}

// BenchmarkQuantileBounds is what the seal of a trial of 10,000 requests asks for one of its latencies.
func BenchmarkQuantileBounds(b *testing.B) {
	xs := latencies(10_000)
	for b.Loop() {
		QuantileBounds(xs, []float64{0.5, 0.9, 0.95, 0.99, 0.999}, 0.95)
	}
}

func BenchmarkAutocorrelationTime(b *testing.B) {
	xs := latencies(10_000)
	for b.Loop() {
		AutocorrelationTime(xs)
	}
}

// BenchmarkMannWhitney is the comparison of ten trials with ten.
func BenchmarkMannWhitney(b *testing.B) {
	xs := latencies(20)
	for b.Loop() {
		MannWhitney(xs[:10], xs[10:])
	}
}

func BenchmarkMSER5(b *testing.B) {
	xs := latencies(10_000)
	for b.Loop() {
		MSER5(xs)
	}
}
