package load

import (
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Share is a worker's part of a load: arrivals i with i mod Workers = Worker. The zero Share is all of it.
type Share struct {
	Worker  int // from 0
	Workers int // 0 means 1
}

func (s Share) workers() int64 { return int64(max(s.Workers, 1)) }

// has tells whether arrival i is the worker's.
func (s Share) has(i int64) bool { return i%s.workers() == int64(s.Worker) }

// Arrival is one entry of a schedule.
type Arrival struct {
	Seq      int64         // from 0, or that of its window, over all phases and workers
	PromptID int64         // index into the prompt set
	After    time.Duration // since the start of the load
	Phase    tables.Phase
	Stage    int32
}

// Schedule gives the arrivals of an open loop in their order. It holds no more than one arrival; the same plan, share
// and number of prompts give the same arrivals, and the shares of all workers together are the schedule of one.
type Schedule struct {
	plan    *Plan
	share   Share
	prompts int64
	seq     int64

	phase   int
	begun   bool
	process *arrivals
	walk    walk
	order   Shuffle
	count   int64 // arrivals of the phase so far
}

// Schedule begins the plan's schedule. Each of the prompts is asked once, in the seed's order, before any is asked
// again. Loads that are not open have none.
func (p *Plan) Schedule(share Share, prompts int64) *Schedule {
	return &Schedule{plan: p, share: share, prompts: prompts}
}

// Next is the share's next arrival; false: there is none.
func (s *Schedule) Next() (Arrival, bool) {
	for {
		a, ok := s.next()
		if !ok || s.share.has(a.Seq) {
			a.Seq += s.plan.window.Seq
			a.Stage += s.plan.window.Stage
			return a, ok
		}
	}
}

func (s *Schedule) next() (Arrival, bool) {
	for s.phase < len(s.plan.phases) {
		ph := &s.plan.phases[s.phase]
		if !s.begun {
			s.process = s.plan.arrivals(ph.name)
			s.order = NewShuffle(s.prompts, NewRand(s.plan.seed, "prompts", string(ph.name)))
			s.walk = walk{profile: ph.profile}
			s.count, s.begun = 0, true
		}
		if ph.limit == 0 || s.count < ph.limit {
			if after, piece, ok := s.walk.at(s.process.next()); ok {
				a := Arrival{
					Seq: s.seq, PromptID: s.order.At(s.count), After: ph.from + after,
					Phase: ph.name, Stage: ph.stage + int32(piece),
				}
				s.seq++
				s.count++
				return a, true
			}
		}
		s.phase++
		s.begun = false
	}
	return Arrival{}, false
}

// count is how many arrivals the schedules of all workers have.
func (p *Plan) count() int64 {
	s := p.Schedule(Share{}, 1)
	for {
		if _, ok := s.Next(); !ok {
			return s.seq
		}
	}
}
