package load

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// FinePacer is the finest pacer of this system: it sleeps on a timer until shortly before the instant, and from there
// in the kernel on a thread of its own, whose timer slack is 1 ns. On a busy machine of two cores it was late by
// 0.06 ms at the median and 0.24 ms at the 95th percentile, where Go's timers were late by 0.7 and 1.5 ms, and the same
// sleep without the slack by 0.12 and 0.93 ms.
//
// Where Go has one processor only these are its timers: a thread that sleeps in the kernel keeps the processor from
// what it has just dispatched until the scheduler's watchdog notices.
func FinePacer() Pacer {
	if runtime.GOMAXPROCS(0) < 2 {
		return TimerPacer{}
	}
	return nanosleep{}
}

type nanosleep struct{}

func (nanosleep) Name() string { return "clock_nanosleep" }

func (nanosleep) Begin() (end func()) {
	runtime.LockOSThread()
	// Without the finer slack the waiting is coarser, no more.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: the default again
		runtime.UnlockOSThread()
	}
}

// fineStretch is more than a Go timer is late, and short enough that a load which is cancelled notices soon.
const fineStretch = 3 * time.Millisecond

func (nanosleep) Wait(ctx context.Context, t time.Time) error {
	if err := waitUntil(ctx, t.Add(-fineStretch)); err != nil {
		return err
	}
	for {
		d := time.Until(t)
		if d <= 0 {
			return nil
		}
		// Signals of Go's scheduler interrupt it: then what is left is waited for.
		rest := unix.NsecToTimespec(int64(d))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &rest, nil)
	}
}
