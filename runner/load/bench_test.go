package load_test

import (
	"context"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// instant answers at once, with 64 tokens.
type instant struct{}

func (instant) Generate(_ context.Context, _ load.Request, t *load.Timeline) (load.Answer, error) {
	for i := range 64 {
		t.Token(t.DispatchedAt+tables.Instant(i), 1, tables.ChunkAnswer)
	}
	return load.Answer{HTTPStatus: 200, OutputTokens: tables.Some[int32](64), TokenSource: tables.TokensFromUsage}, nil
}

// BenchmarkRequest is what a request costs between its intention and its row, server and prompt aside.
func BenchmarkRequest(b *testing.B) {
	for name, l := range map[string]scenarios.Load{
		"open":   {Shape: "constant_rate", RatePerSecond: 1e7, MaxInFlight: 1 << 20},
		"closed": {Shape: "closed_loop", Users: 8},
	} {
		b.Run(name, func(b *testing.B) {
			l.Requests = b.N
			p, err := load.NewPlan(l, 0, 0, 1)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			report, err := load.Run(b.Context(), load.Options{
				Load: l, Plan: p, Client: instant{}, Source: oneWord{}, Sink: &counter{}, Pacer: load.TimerPacer{},
			})
			if err != nil || report.Due != int64(b.N) {
				b.Fatalf("%+v, %v", report, err)
			}
		})
	}
}

func BenchmarkSchedule(b *testing.B) {
	for _, process := range []string{"even", "poisson", "gamma"} {
		b.Run(process, func(b *testing.B) {
			l := scenarios.Load{Shape: "constant_rate", RatePerSecond: 100, Over: 1 << 61, Arrivals: scenarios.Arrivals{Process: process, Burstiness: 0.5}}
			p, err := load.NewPlan(l, 0, 0, 1)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			s := p.Schedule(load.Share{}, 1000)
			for b.Loop() {
				if _, ok := s.Next(); !ok {
					b.Fatal("the schedule ended")
				}
			}
		})
	}
}

// BenchmarkPacer reports how late a pacer is at 200 instants a second.
func BenchmarkPacer(b *testing.B) {
	for _, pacer := range []load.Pacer{load.TimerPacer{}, load.FinePacer()} {
		b.Run(pacer.Name(), func(b *testing.B) {
			defer pacer.Begin()()
			var late []time.Duration
			at := time.Now()
			for range b.N {
				at = at.Add(5 * time.Millisecond)
				if err := pacer.Wait(b.Context(), at); err != nil {
					b.Fatal(err)
				}
				late = append(late, time.Since(at))
			}
			p50, p99 := quantiles(late)
			b.ReportMetric(float64(p50.Microseconds()), "µs-late-p50")
			b.ReportMetric(float64(p99.Microseconds()), "µs-late-p99")
		})
	}
}
