package parquet

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/llmscen/llmscen/warehouse/spool"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// cpuTime is what this process has used of the processor: on a busy machine the only fair clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// traffic is n requests as a load of 100 a second makes them, with so many tokens each at about 20 ms; no two times are
// alike, so that nothing compresses better than it would.
func traffic(n, tokens int) []tables.Request {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]tables.Request, n)
	at := tables.Instant(1_790_000_000_000_000_000)
	for i := range rows {
		at += tables.Instant(r.ExpFloat64() * 1e7)
		sent := at + tables.Instant(50_000+r.Int64N(200_000))
		first := sent + tables.Instant(50e6+r.ExpFloat64()*30e6)
		row := tables.Request{
			TrialID: `capacity[model="8b",replicas=2]#3`, Seq: int64(i), Final: true, TargetID: "llama-8b-0", PromptID: int64(r.IntN(1000)),
			Phase: tables.PhaseMeasure, IntendedAt: at, DispatchedAt: sent, WroteAt: sent + tables.Instant(r.Int64N(90_000)),
			HeadersAt: first - 300_000, FirstChunkAt: first, FirstTokenAt: first, FirstAnswerTokenAt: first, KernelTimestamps: true, ConnReused: true,
			RequestedPromptTokens: 512, PromptTokens: tables.Some(int32(500 + r.IntN(30))), RequestedOutputTokens: int32(tokens),
			OutputTokens: tables.Some(int32(tokens)), TokenSource: tables.TokensFromUsage, FinishReason: "length",
			RequestBytes: 2000 + r.Int64N(400), ResponseBytes: int64(tokens)*180 + r.Int64N(500), HTTPStatus: 200,
		}
		last := first
		row.TokenDeltaUS = make([]int32, tokens)
		for k := 1; k < tokens; k++ {
			row.TokenDeltaUS[k] = int32(19_000 + r.NormFloat64()*150)
			last += tables.Instant(row.TokenDeltaUS[k]) * 1000
		}
		row.LastTokenAt, row.DoneAt = last, last+tables.Instant(100_000+r.Int64N(100_000))
		rows[i] = row
	}
	return rows
}

// From rows in memory to a Parquet file, as it is written at a trial's seal: the spool's part and the conversion.
func BenchmarkRequestsToParquet(b *testing.B) {
	const rows = 100_000
	for _, tokens := range []int{1, 100} {
		all := traffic(rows, tokens)
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			var spooling, sealing time.Duration
			var file File
			for b.Loop() {
				dir := b.TempDir()
				began := cpuTime()
				w, err := spool.Create(dir, "t", spool.Options{})
				if err != nil {
					b.Fatal(err)
				}
				for i := 0; i < len(all); i += 100 {
					if err := w.WriteRequests(all[i : i+100]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				spooled := cpuTime()
				segments, err := spool.Open(dir)
				if err != nil {
					b.Fatal(err)
				}
				if file, _, err = Convert(segments, filepath.Join(dir, "x.parquet"), Options{}); err != nil {
					b.Fatal(err)
				}
				spooling += spooled - began
				sealing += cpuTime() - spooled
			}
			n := float64(b.N) * rows
			b.ReportMetric(n/spooling.Seconds(), "spooled-rows/cpu-s")
			b.ReportMetric(n/sealing.Seconds(), "sealed-rows/cpu-s")
			b.ReportMetric(n/(spooling+sealing).Seconds(), "rows/cpu-s")
			b.ReportMetric(float64(file.Bytes)/rows, "bytes/request")
		})
	}
}
