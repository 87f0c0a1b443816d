package wasm

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// model is what the scheduler feeds: a guest.
type model interface {
	batchTokens() int
	forward(ctx context.Context, batch []entry) (logits []float32, err error)
}

// scheduler works on requests with one goroutine. At most as many as there are slots are under way; the others wait in
// the order they came. Each pass of the model takes the next token of every answer, and fills up with prompts, the
// oldest first.
type scheduler struct {
	model model
	free  []int      // slots
	under []*request // way, the oldest first

	mu      sync.Mutex
	waiting []*request
	stopped bool

	wake chan struct{} // something came into waiting, or stopped was set
	over chan struct{} // closed when the goroutine has ended
}

func startScheduler(m model, slots int) *scheduler {
	s := &scheduler{model: m, wake: make(chan struct{}, 1), over: make(chan struct{})}
	for slot := range slots {
		s.free = append(s.free, slot)
	}
	go s.run()
	return s
}

// submit puts a request at the end of the queue.
func (s *scheduler) submit(r *request) {
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.waiting = append(s.waiting, r)
	}
	s.mu.Unlock()
	if stopped {
		r.end(ErrClosed)
		return
	}
	s.signal()
}

// stop ends all requests with ErrClosed and returns when the goroutine has ended.
func (s *scheduler) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.signal()
	<-s.over
}

func (s *scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (s *scheduler) run() {
	defer close(s.over)
	batch := make([]entry, 0, s.model.batchTokens())
	for s.admit() {
		if len(s.under) == 0 {
			<-s.wake
			continue
		}
		s.pass(s.fill(batch[:0]))
		// With one processor the readers would otherwise get their tokens in heaps.
		runtime.Gosched()
	}
}

// admit lets go of requests whose clients are gone, gives their slots to those that wait, and is false when the
// scheduler was stopped.
func (s *scheduler) admit() bool {
	s.under = slices.DeleteFunc(s.under, func(r *request) bool {
		if r.ctx.Err() == nil {
			return false
		}
		s.release(r, context.Cause(r.ctx))
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		for _, r := range slices.Concat(s.under, s.waiting) {
			r.end(ErrClosed)
		}
		s.waiting = nil
		return false
	}
	for len(s.waiting) > 0 && len(s.free) > 0 {
		r := s.waiting[0]
		s.waiting[0] = nil
		s.waiting = s.waiting[1:]
		if r.ctx.Err() != nil {
			r.end(context.Cause(r.ctx))
			continue
		}
		last := len(s.free) - 1
		r.slot, s.free = s.free[last], s.free[:last]
		r.started = time.Now()
		close(r.begun)
		s.under = append(s.under, r)
	}
	return true
}

func (s *scheduler) release(r *request, err error) {
	s.free = append(s.free, r.slot)
	r.end(err)
}

// fill makes a batch. There is room for one token of each request; prompts share what is left.
func (s *scheduler) fill(batch []entry) []entry {
	room := s.model.batchTokens() - len(s.under)
	for _, r := range s.under {
		n := min(r.pending(), 1+room)
		room -= n - 1
		batch = r.appendNext(batch, n)
	}
	return batch
}

// pass runs the model and hands out the tokens.
func (s *scheduler) pass(batch []entry) {
	// Clients don't end a pass: it is short, and the batch has others in it.
	logits, err := s.model.forward(context.Background(), batch)
	wanted := 0
	for _, e := range batch {
		if e.wanted {
			wanted++
		}
	}
	var width int
	if wanted > 0 {
		width = len(logits) / wanted
	}
	s.under = slices.DeleteFunc(s.under, func(r *request) bool {
		if err != nil {
			s.release(r, err)
			return true
		}
		if r.done < len(r.prompt) {
			return false
		}
		over := r.take(logits[:width])
		logits = logits[width:]
		if over {
			s.release(r, nil)
		}
		return over
	})
}
