package procfs

import (
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
)

func TestAQuantileIsTheUpperEdgeOfItsBucket(t *testing.T) {
	h := &metrics.Float64Histogram{
		Counts:  []uint64{5, 108, 11, 2},
		Buckets: []float64{0, 1, 10, 100, math.Inf(1)},
	}
	before := []uint64{5, 10, 10, 2}
	for _, c := range []struct {
		name string
		b    []uint64
		q    float64
		want float64
		n    uint64
	}{
		{"98 of 99 lie in the second bucket", before, 0.98, 10, 99},
		{"the last one lies in the third", before, 1, 100, 99},
		{"the endless bucket has only a lower edge", make([]uint64, 4), 1, 100, 126},
		{"nothing came", h.Counts, 0.5, 0, 0},
	} {
		if got, n := upperQuantile(h, c.b, c.q); got != c.want || n != c.n {
			t.Errorf("%s: got %v of %d, want %v of %d", c.name, got, n, c.want, c.n)
		}
	}
}

func TestTheClientsWaitsAndPausesAreSampled(t *testing.T) {
	rec := &recorder{}
	g := newGoHealth(rec, Process{Target: TargetClient, PID: os.Getpid()})
	g.sample()
	if len(rec.samples) != 0 {
		t.Fatal("the first reading has nothing to compare with")
	}
	var wg sync.WaitGroup
	for range 10 * minWaits {
		wg.Go(runtime.Gosched)
	}
	wg.Wait()
	runtime.GC()
	g.sample()
	sink := newMemory(t)
	if err := rec.flush(sink); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"client client_sched_latency_p99_seconds", "client client_gc_pause_max_seconds"} {
		if v := sink.values[key]; len(v) != 1 || v[0] <= 0 {
			t.Errorf("%s: %v", key, v)
		}
	}
}
