package procfs

import (
	"os"
	"testing"
)

// BenchmarkSample is the cost of one sample of a runtime, the client and the node.
func BenchmarkSample(b *testing.B) {
	rec := &recorder{}
	c := New(Options{
		Node:        true,
		ClientBytes: func() (int64, int64) { return 0, 0 },
		Processes: []Process{
			{Target: TargetRuntime, PID: os.Getppid(), ListenPort: 1},
			{Target: TargetClient, PID: os.Getpid()},
		},
	})
	s := c.newSampler(rec)
	defer s.close()
	for b.Loop() {
		s.sample(false)
		rec.fresh, rec.samples = rec.fresh[:0], rec.samples[:0]
	}
}
