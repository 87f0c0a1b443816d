package warehouse

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what this process has used of the processor: on a busy machine the only fair clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The cost of opening the views is part of every command.
func BenchmarkOpeningTheViews(b *testing.B) {
	for _, applies := range []int{0, 1, 20} {
		b.Run(fmt.Sprintf("applies=%d", applies), func(b *testing.B) {
			w := openTest(b)
			for i := range applies {
				fill(b, w, fmt.Sprintf("a%d", i), 10, trialRow("capacity#1"), trialRow("capacity#2"))
			}
			began := cpuTime()
			for b.Loop() {
				db, err := w.DB(b.Context())
				must(b, err)
				must(b, db.Close())
			}
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
