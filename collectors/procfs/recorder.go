package procfs

import (
	"fmt"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// series is a series that may get samples; it is written when it gets its first.
type series struct {
	row   tables.Series
	known bool
}

// recorder turns readings into rows, and holds the rows of one sample.
type recorder struct {
	o       Options
	next    int32
	fresh   []tables.Series
	samples []tables.Sample
}

func (r *recorder) series(name, target, targetID, source string) *series {
	return &series{row: tables.Series{
		TrialID:   r.o.TrialID,
		Collector: "procfs",
		Target:    target,
		TargetID:  targetID,
		Node:      r.o.NodeName,
		Name:      name,
		Unit:      units[name],
		Labels:    map[string]string{"source": source},
	}}
}

func (r *recorder) add(s *series, at time.Time, value float64) {
	if !s.known {
		s.known = true
		s.row.SeriesID = r.next
		r.next++
		r.fresh = append(r.fresh, s.row)
	}
	r.samples = append(r.samples, tables.Sample{
		TrialID:  s.row.TrialID,
		SeriesID: s.row.SeriesID,
		At:       tables.Instant(at.UnixNano()),
		Value:    value,
	})
}

func (r *recorder) flush(sink Sink) error {
	if len(r.fresh) > 0 {
		if err := sink.WriteSeries(r.fresh); err != nil {
			return fmt.Errorf("writing resource series: %w", err)
		}
		r.fresh = r.fresh[:0]
	}
	if len(r.samples) > 0 {
		if err := sink.WriteSamples(r.samples); err != nil {
			return fmt.Errorf("writing resource samples: %w", err)
		}
		r.samples = r.samples[:0]
	}
	return nil
}

// counter is a counter that begins anew without falling: what it had before a reset is kept.
type counter struct {
	base, last float64
}

func (c *counter) next(v float64) float64 {
	if v < c.last {
		c.base += c.last
	}
	c.last = v
	return c.base + v
}

// rate is what a counter grows by in a second, from one reading to the next.
type rate struct {
	// least is the shortest time between two readings that gives a rate: in less, the kernel's tick is most of it.
	least time.Duration
	at    time.Time
	value float64
}

// next returns the rate since the reading before. There is none at the first reading, after a reset, and when the
// reading before was only just made.
func (r *rate) next(at time.Time, value float64) (float64, bool) {
	if r.at.IsZero() || value < r.value {
		r.at, r.value = at, value
		return 0, false
	}
	elapsed := at.Sub(r.at)
	if elapsed < max(r.least, 1) {
		return 0, false
	}
	perSecond := (value - r.value) / elapsed.Seconds()
	r.at, r.value = at, value
	return perSecond, true
}
