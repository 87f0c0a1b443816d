package protocol

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/runner/load"
)

// drainTimeout is how long a server may take to close a stream after its end before the connection is given up.
const drainTimeout = time.Second

// watch ends a request's context when what it waits for does not come: the first token, then the next frame, then the
// end of the connection's turn. One timer does for all of them.
type watch struct {
	cancel context.CancelCauseFunc
	stall  time.Duration
	cause  atomic.Pointer[error] // what the timer says when it fires
	timer  *time.Timer           // nil: nothing to wait for
}

// newWatch begins to wait for the first token. stop must be called.
func newWatch(ctx context.Context, r load.Request) (context.Context, *watch) {
	w := &watch{stall: r.StallTimeout}
	ctx, w.cancel = context.WithCancelCause(ctx)
	if r.FirstTokenTimeout > 0 {
		w.wait(r.FirstTokenTimeout, &errFirstToken)
	}
	return ctx, w
}

func (w *watch) wait(d time.Duration, cause *error) {
	w.cause.Store(cause)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, func() { w.cancel(*w.cause.Load()) })
		return
	}
	w.timer.Reset(d)
}

// frame notes a frame; token: the answer has begun. Before it has, only the first token counts.
func (w *watch) frame(token bool) {
	switch {
	case !token:
	case w.stall > 0:
		w.wait(w.stall, &errStall)
	case w.timer != nil:
		w.timer.Stop()
	}
}

// drain begins to wait for the end of a stream whose answer is complete.
func (w *watch) drain() { w.wait(drainTimeout, &errDrained) }

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}
