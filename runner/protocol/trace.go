package protocol

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// trace notes how a request gets its connection. net/http calls it from goroutines that may outlive the request, so it
// writes to itself, and the timeline takes what it needs.
type trace struct {
	clock                            clock
	connectStart, connected, wroteAt atomic.Int64
	got                              atomic.Pointer[conn]
	hasConn, reused                  atomic.Bool
}

func (t *trace) with(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart: func(string, string) { t.connectStart.CompareAndSwap(0, int64(t.clock.now())) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.got.Store(underlying(info.Conn))
			t.reused.Store(info.Reused)
			t.connected.Store(int64(t.clock.now()))
			t.hasConn.Store(true)
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				t.wroteAt.Store(int64(t.clock.now()))
			}
		},
	})
}

// into writes what has happened so far.
func (t *trace) into(l *load.Timeline) {
	l.ConnReused = t.reused.Load()
	if t.hasConn.Load() && !l.ConnReused {
		l.ConnectedAt = tables.Instant(t.connected.Load())
	}
	if !l.ConnReused {
		l.ConnectStartAt = tables.Instant(t.connectStart.Load())
	}
	l.WroteAt = tables.Instant(t.wroteAt.Load())
}
