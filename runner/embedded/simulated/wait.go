package simulated

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
)

// waiter sleeps until instants, with one timer.
type waiter struct{ timer *time.Timer }

func (w *waiter) until(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	select {
	case <-w.timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// slots are how many requests are worked on at once; the others wait in the order they came.
type slots struct {
	limit int // of those that wait; 0: none

	mu      sync.Mutex
	free    int
	waiting []chan struct{} // closed: the slot is yours
}

func newSlots(n, queueLimit int) *slots { return &slots{free: n, limit: queueLimit} }

// acquire waits for a slot; it refuses when too many wait already.
func (s *slots) acquire(ctx context.Context) error {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	if s.limit > 0 && len(s.waiting) >= s.limit {
		s.mu.Unlock()
		return &embedded.Refusal{
			Status: http.StatusServiceUnavailable, Type: "unavailable_error", RetryAfter: time.Second,
			Message: fmt.Sprintf("server busy, please try again: %d requests wait already", s.limit),
		}
	}
	turn := make(chan struct{})
	s.waiting = append(s.waiting, turn)
	s.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(s.waiting, turn)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // the turn came at the same time: to the next
		s.release()
	}
	return ctx.Err()
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	close(s.waiting[0])
	s.waiting = slices.Delete(s.waiting, 0, 1)
}
