package stats_test

import (
	"fmt"

	"github.com/llmscen/llmscen/warehouse/stats"
)

func ExampleFloor() {
	fmt.Println(stats.Floor(0.99, 0.95), "requests hold a p99,", stats.Floor(0.5, 0.95), "a median")
	// Output: 473 requests hold a p99, 8 a median
}

func ExampleHodgesLehmann() {
	old := []float64{100, 102, 101, 103}
	young := []float64{110, 112, 111, 114}
	shift, i, ok := stats.HodgesLehmann(old, young, 0.95)
	fmt.Printf("%.0f ms slower, %.0f to %.0f (%v), p = %.3f\n", shift, i.Low, i.High, ok, stats.MannWhitney(old, young))
	// Output: 10 ms slower, 7 to 14 (true), p = 0.029
}
