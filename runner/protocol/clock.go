package protocol

import (
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// maxStep is how far the wall clock may go from where the clock expects it before stamps of it are refused. It ticks as
// the monotonic clock does (NTP slews both together): only setting it parts them.
const maxStep = time.Millisecond

// clock tells instants by the wall clock as it was in the beginning and the monotonic clock since: a wall clock that is
// set while a request is on its way does not bend its times.
type clock struct {
	began time.Time
	wall  int64 // of began, in ns since the Unix epoch
}

func newClock() clock {
	began := time.Now()
	return clock{began: began, wall: int64(load.WallAt(began))}
}

func (c clock) now() tables.Instant { return tables.Instant(c.wall + int64(time.Since(c.began))) }

// accepts tells whether stamp, a reading of CLOCK_REALTIME, can stand beside the clock's instants: it is neither well
// before since nor in the future, and the wall clock has not been set.
func (c clock) accepts(stamp, since tables.Instant) bool {
	for range 3 { // a preemption in between looks like a step, but not three times
		now := time.Now()
		expected := c.wall + int64(now.Sub(c.began))
		if time.Duration(now.UnixNano()-expected).Abs() <= maxStep {
			return stamp >= since-tables.Instant(maxStep) && int64(stamp) <= expected+int64(maxStep)
		}
	}
	return false
}
