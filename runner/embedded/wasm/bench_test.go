package wasm

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// benchModel is the model that the benchmarks run: the carried one, or that of $LLMSCEN_BENCH_MODEL.
func benchModel(b *testing.B, parallel int) *Engine {
	b.Helper()
	return newEngine(b, Options{ModelPath: os.Getenv("LLMSCEN_BENCH_MODEL"), ContextTokens: 1024, Parallel: parallel})
}

// BenchmarkDecode passes one token of each of 1, 2, 4 … answers, at positions from 0 to 255.
func BenchmarkDecode(b *testing.B) {
	for _, answers := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("answers=%d", answers), func(b *testing.B) {
			g := benchModel(b, answers).guest
			batch := make([]entry, answers)
			i := 0
			for b.Loop() {
				for slot := range batch {
					batch[slot] = entry{token: int32(100 + i%100), slot: slot, position: i % 256, wanted: true}
				}
				if _, err := g.forward(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(answers*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkPrefill passes prompts of 256 tokens in the pieces that the scheduler makes.
func BenchmarkPrefill(b *testing.B) {
	g := benchModel(b, 1).guest
	batch := make([]entry, prefillTokens)
	for b.Loop() {
		for at := 0; at < 256; at += len(batch) {
			for i := range batch {
				batch[i] = entry{token: int32(100 + i), position: at + i, wanted: at+i == 255}
			}
			if _, err := g.forward(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(256*b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkStart is compiling the guest and loading the model.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		e, err := New(context.Background(), Options{ModelPath: os.Getenv("LLMSCEN_BENCH_MODEL")})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
