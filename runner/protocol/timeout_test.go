package protocol

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// script is a server at the other end of a pipe: it reads a request, and then writes parts with pauses between.
type script []part

type part struct {
	after time.Duration
	text  string
}

// piped is a client whose connections are pipes to a script. Only what synctest can see blocks in it.
func piped(t *testing.T, s script) (c *Client, stop func()) {
	t.Helper()
	c, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}, Targets: []Target{{URL: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			request, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			for _, p := range s {
				time.Sleep(p.after)
				if _, err := io.WriteString(far, p.text); err != nil {
					return
				}
			}
		}()
		return near, nil
	}
	return c, c.Close
}

func TestTimesAndTimeouts(t *testing.T) {
	word, never := chunked(oneWord), time.Hour
	for _, c := range []struct {
		name   string
		script script
		total  time.Duration
		first  time.Duration
		stall  time.Duration
		kind   tables.ErrorKind
		ends   time.Duration
		chunks int
	}{
		{"all in time", script{{time.Second, okHead + word}, {2 * time.Second, word}, {time.Second, chunked(finish) + lastBit}}, 0, 2 * time.Second, 3 * time.Second, "", 4 * time.Second, 2},
		{"no headers", script{{never, okHead}}, 0, 2 * time.Second, 0, tables.ErrTTFTTimeout, 2 * time.Second, 0},
		{"no token, only pings", script{{time.Second, okHead + chunked(": ping\n\n")}, {time.Second, chunked(`data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n")}, {never, word}}, 0, 3 * time.Second, time.Second, tables.ErrTTFTTimeout, 3 * time.Second, 0},
		{"a stall", script{{time.Second, okHead + word}, {never, word}}, 0, 2 * time.Second, 5 * time.Second, tables.ErrStallTimeout, 6 * time.Second, 1},
		{"a stall with pings", script{{0, okHead + word}, {3 * time.Second, chunked(": ping\n\n")}, {3 * time.Second, word}}, 0, 0, 5 * time.Second, tables.ErrStallTimeout, 5 * time.Second, 1},
		{"no limit on stalls", script{{time.Second, okHead + word}, {never, chunked(finish) + lastBit}}, 0, 2 * time.Second, 0, "", never + time.Second, 1},
		{"the whole takes too long", script{{0, okHead + word}, {time.Second, word}, {time.Second, word}, {time.Second, word}}, 2500 * time.Millisecond, 0, 2 * time.Second, tables.ErrTotalTimeout, 2500 * time.Millisecond, 3},
		{"the stream is never closed", script{{time.Second, okHead + word + chunked(finish)}, {never, lastBit}}, 0, 2 * time.Second, 2 * time.Second, "", time.Second, 1},
		{"a long refusal that never ends", script{{time.Second, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", maxRedacted)}, {never, ""}}, 0, 2 * time.Second, 0, tables.ErrHTTP5xx, time.Second, 0},
		{"a stream without a token that is never closed", script{{time.Second, okHead + chunked(finish)}, {never, lastBit}}, 0, 2 * time.Second, 0, tables.ErrEmptyOutput, time.Second, 0},
		{"an error, and never closed", script{{time.Second, okHead + word + chunked("data: {\"error\":\"x\"}\n\n")}, {never, lastBit}}, 0, 0, 0, tables.ErrInstream, time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, stop := piped(t, c.script)
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if c.total > 0 {
					ctx, cancel = context.WithTimeoutCause(ctx, c.total, load.ErrTotalTimeout)
				}
				defer cancel()
				var timeline load.Timeline
				timeline.Reset()
				began := tables.Instant(time.Now().UnixNano())
				answer, err := client.Generate(ctx, load.Request{Prompt: hello, FirstTokenTimeout: c.first, StallTimeout: c.stall}, &timeline)
				if err != nil || answer.ErrorKind != c.kind || len(timeline.DeltaUS) != c.chunks {
					t.Errorf("got %v, %q %q, %d chunks", err, answer.ErrorKind, answer.ErrorText, len(timeline.DeltaUS))
				}
				if got := time.Duration(timeline.DoneAt - began); got != c.ends {
					t.Errorf("done after %v, want %v", got, c.ends)
				}
				if timeline.DispatchedAt != began || timeline.KernelTimestamps {
					t.Errorf("got %+v", timeline)
				}
				stop()
				time.Sleep(2 * never) // let the server's end of the pipe see that nobody reads
			})
		})
	}
}

func TestTheTimesOfAStreamAreThoseOfItsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stop := piped(t, script{
			{3 * time.Millisecond, okHead + chunked(`data: {"choices":[{"delta":{"role":"assistant","content":null}}]}`+"\n\n")},
			{4 * time.Millisecond, chunked(oneWord)},
			{5 * time.Millisecond, chunked(oneWord + oneWord)}, // two in one read
			{6 * time.Millisecond, chunked(oneWord)},
			{7 * time.Millisecond, chunked(finish) + lastBit},
		})
		defer stop()
		began := tables.Instant(time.Now().UnixNano())
		_, l := ask(t, client)
		at := func(ms int) tables.Instant { return began + tables.Instant(time.Duration(ms)*time.Millisecond) }
		if l.HeadersAt != at(3) || l.FirstChunkAt != at(3) || l.FirstTokenAt != at(7) || l.FirstAnswerTokenAt != at(7) || l.LastTokenAt != at(18) || l.DoneAt != at(25) {
			t.Errorf("got %+v", l)
		}
		if want := []int32{4000, 5000, 0, 6000}; len(l.DeltaUS) != 4 || [4]int32(l.DeltaUS) != [4]int32(want) || l.Coalesced != 1 {
			t.Errorf("got %v with %d coalesced, want %v with 1", l.DeltaUS, l.Coalesced, want)
		}
	})
}

func TestWhatTheRunEndsIsCancelledByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stop := piped(t, script{{time.Second, okHead + chunked(oneWord)}, {time.Hour, lastBit}})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(load.ErrRunEnded) })
		var timeline load.Timeline
		timeline.Reset()
		answer, err := client.Generate(ctx, load.Request{Prompt: hello, StallTimeout: time.Minute}, &timeline)
		if err != nil || answer.ErrorKind != tables.ErrCancelledByRun || len(timeline.DeltaUS) != 1 {
			t.Errorf("got %v, %q %q", err, answer.ErrorKind, answer.ErrorText)
		}
		stop()
		time.Sleep(2 * time.Hour)
	})
}

// A server that takes connections and bytes, but not all of them, or answers no dial at all.
func TestTimeoutsBeforeTheRequestIsOutSayHowFarItCame(t *testing.T) {
	for _, c := range []struct {
		kind tables.ErrorKind
		dial func(ctx context.Context) (net.Conn, error)
	}{
		{tables.ErrConnectTimeout, func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		{tables.ErrWriteTimeout, func(context.Context) (net.Conn, error) {
			near, _ := net.Pipe() // nobody reads
			return near, nil
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, stop := piped(t, nil)
			client.transport.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) }
			var timeline load.Timeline
			answer, err := client.Generate(t.Context(), load.Request{Prompt: hello, FirstTokenTimeout: time.Second}, &timeline)
			if err != nil || answer.ErrorKind != c.kind || timeline.WroteAt != 0 {
				t.Errorf("got %v, %q %q; want %q", err, answer.ErrorKind, answer.ErrorText, c.kind)
			}
			stop()
		})
	}
}

func TestAClockThatIsSetDoesNotBendTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		time.Sleep(time.Minute)
		now := c.now()
		if want := tables.Instant(time.Now().UnixNano()); now != want {
			t.Errorf("got %d, want %d", now, want)
		}
		if !c.accepts(now-1000, now-2000) || c.accepts(0, now) || c.accepts(now-5e6, now-2e6) || c.accepts(now+5e6, 0) {
			t.Error("stamps are judged wrong")
		}
		c.wall += int64(time.Second) // as if the wall clock had been set back by that much since
		if c.accepts(now-1000, now-2000) {
			t.Error("a stamp of a clock that was set is accepted")
		}
	})
}
