package load

import (
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// clock is the time of one load: offsets since its start, and instants that a step of the wall clock doesn't move.
type clock struct {
	plan  *Plan
	began time.Time
	wall  tables.Instant // of began

	// measured is when the cool-down began where the plan can't tell; 0: not yet, or the plan does.
	measured atomic.Int64
}

func newClock(p *Plan, began time.Time) *clock {
	return &clock{plan: p, began: began, wall: WallAt(began)}
}

// WallAt is where the wall clock stood at a reading of the monotonic clock. It reads both a few times and believes the
// middle: time.Now reads one after the other, and a thread that is preempted in between sees them apart.
func WallAt(began time.Time) tables.Instant {
	var walls [9]int64
	for i := range walls {
		now := time.Now()
		walls[i] = now.UnixNano() - int64(now.Sub(began))
	}
	slices.Sort(walls[:])
	return tables.Instant(walls[len(walls)/2])
}

func (c *clock) instant(after time.Duration) tables.Instant { return c.wall + tables.Instant(after) }

func (c *clock) now() tables.Instant { return c.instant(time.Since(c.began)) }

func (c *clock) endMeasure(after time.Duration) { c.measured.CompareAndSwap(0, int64(after)) }

// measureUntil is when the cool-down begins; 0: not known yet.
func (c *clock) measureUntil() time.Duration {
	if m := c.measured.Load(); m != 0 {
		return time.Duration(m)
	}
	return c.plan.MeasureUntil
}

// until is when the load ends; 0: not known yet.
func (c *clock) until() time.Duration {
	if m := c.measured.Load(); m != 0 {
		return time.Duration(m) + c.plan.coolDown
	}
	return c.plan.Until
}

// phase says what an offset belongs to. The warm-up counts to the first stage and the cool-down to the last that was
// reached.
func (c *clock) phase(after time.Duration) (tables.Phase, int32) {
	if after < c.plan.MeasureFrom {
		return tables.PhaseWarmUp, c.plan.window.Stage
	}
	until := c.measureUntil()
	phase := tables.PhaseMeasure
	if until > 0 && after >= until {
		phase, after = tables.PhaseCoolDown, until-1
	}
	begun := sort.Search(len(c.plan.Stages), func(i int) bool { return c.plan.Stages[i].From > after })
	return phase, c.plan.window.Stage + int32(max(begun-1, 0))
}
