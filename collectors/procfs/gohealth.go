package procfs

import (
	"math"
	"runtime/metrics"
	"time"
)

// minWaits are the waits that a 99th percentile is told of: with fewer, it would be their maximum.
const minWaits = 100

// goHealth is how the Go runtime of this process, the client, treats its goroutines: a client that is made to wait
// makes the server look slow.
type goHealth struct {
	rec       *recorder
	read      []metrics.Sample
	waits     []uint64 // counts of the histograms at the sample before
	pauses    []uint64
	latency   *series
	pause     *series
	readFirst bool
}

func newGoHealth(rec *recorder, p Process) *goHealth {
	return &goHealth{
		rec:     rec,
		read:    []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}},
		latency: rec.series(SeriesSchedLatencyP99, p.Target, p.TargetID, "runtime_metrics"),
		pause:   rec.series(SeriesGCPauseMax, p.Target, p.TargetID, "runtime_metrics"),
	}
}

func (g *goHealth) sample() {
	at := time.Now()
	metrics.Read(g.read)
	waits, ok := histogram(g.read[0])
	pauses, ok2 := histogram(g.read[1])
	if !ok || !ok2 {
		return
	}
	if !g.readFirst {
		g.readFirst = true
		g.waits = append(g.waits, waits.Counts...)
		g.pauses = append(g.pauses, pauses.Counts...)
		return
	}
	if p99, n := upperQuantile(waits, g.waits, 0.99); n >= minWaits {
		g.rec.add(g.latency, at, p99)
		copy(g.waits, waits.Counts)
	}
	longest, _ := upperQuantile(pauses, g.pauses, 1)
	g.rec.add(g.pause, at, longest)
	copy(g.pauses, pauses.Counts)
}

func histogram(s metrics.Sample) (*metrics.Float64Histogram, bool) {
	if s.Value.Kind() != metrics.KindFloat64Histogram {
		return nil, false // this Go has no such metric
	}
	return s.Value.Float64Histogram(), true
}

// upperQuantile is the upper edge of the bucket that holds a quantile of what came into h since before, and how many
// came; of the last, endless bucket the lower edge. 0 where nothing came.
func upperQuantile(h *metrics.Float64Histogram, before []uint64, q float64) (value float64, n uint64) {
	for i, c := range h.Counts {
		n += c - before[i]
	}
	if n == 0 {
		return 0, 0
	}
	rank := uint64(math.Ceil(q * float64(n)))
	var seen uint64
	for i, c := range h.Counts {
		if seen += c - before[i]; seen >= rank {
			if edge := h.Buckets[i+1]; !math.IsInf(edge, 1) {
				return edge, n
			}
			return h.Buckets[i], n
		}
	}
	return 0, n
}

func (g *goHealth) close() {}
