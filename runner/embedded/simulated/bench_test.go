package simulated

import (
	"fmt"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/scenarios"
)

// BenchmarkGenerate is an answer of 32 tokens without any waiting: what the engine itself costs.
func BenchmarkGenerate(b *testing.B) {
	const tokens = 32
	jitter := scenarios.Constant(0)
	for name, s := range map[string]scenarios.Simulated{
		"plain":  {},
		"jitter": {Jitter: &jitter},
		"slots":  {Parallel: 4},
	} {
		b.Run(name, func(b *testing.B) {
			e := New(s, Options{})
			p := embedded.Prompt{Text: "one two three four", MaxTokens: tokens}
			b.ReportAllocs()
			for b.Loop() {
				r, err := e.Generate(b.Context(), p, func(embedded.Chunk) error { return nil })
				if err != nil || r.OutputTokens != tokens {
					b.Fatal(fmt.Sprint(r, err))
				}
			}
			b.ReportMetric(float64(b.N*tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
