package protocol

import (
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// maxStep is how far the wall clock may be from its anchor before stamps of it are refused. Both clocks tick alike
// (NTP slews them together), so that only a step, or a preemption between the two readings of time.Now, parts them.
const maxStep = time.Millisecond

// clock tells instants by one reading of the wall clock and the monotonic clock since: a wall clock that is set while
// a request is on its way does not bend its times.
type clock struct{ anchor time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) instant(t time.Time) tables.Instant {
	return tables.Instant(c.anchor.UnixNano() + int64(t.Sub(c.anchor)))
}

func (c clock) now() tables.Instant { return c.instant(time.Now()) }

// accepts tells whether stamp, a reading of CLOCK_REALTIME, can stand beside the clock's instants: it is not before
// since, the wall clock has not been set, and it lies before now, when its bytes had been read.
func (c clock) accepts(stamp, since tables.Instant, now time.Time) bool {
	instant := c.instant(now)
	step := time.Duration(now.UnixNano() - int64(instant))
	return stamp >= since && stamp <= instant && step.Abs() <= maxStep
}
