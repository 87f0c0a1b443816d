package simulated

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/scenarios"
)

// faults decide which request suffers what: at most one fault each.
//
// A fault with a ratio spreads evenly: each request gives it credit of the ratio, and takes a whole from it when it
// strikes. So of any N requests in a row, with N·ratio a whole number, exactly N·ratio suffer it, wherever the seed
// starts; N·ratio that is not whole is rounded up or down. Where two are due for one request, the one that is owed more
// strikes and the other waits for the next, which may cost one of either at the edges of a row.
//
// A fault with a time strikes every request that arrives in it, and those give no credit; a stall in time holds back
// every token that is due in it.
type faults struct {
	all     []scenarios.Fault
	credits []int64
	started time.Time
	stalls  []window
}

// whole is one request's worth of credit: ratios count to nine decimals, so that 0.1 is a tenth and not a binary
// fraction near it.
const whole = 1_000_000_000

// never is the end of what has none.
const never = 100 * 365 * 24 * time.Hour

func newFaults(all []scenarios.Fault, started time.Time, seed int64) faults {
	fs := faults{all: all, credits: make([]int64, len(all)), started: started}
	for i, f := range all {
		fs.credits[i] = rand.New(rand.NewPCG(uint64(seed^f.Seed), uint64(i))).Int64N(whole)
		if f.Kind == "stall" && f.Ratio == 0 {
			fs.stalls = append(fs.stalls, fs.window(f))
		}
	}
	return fs
}

func (fs *faults) window(f scenarios.Fault) window {
	length := f.For
	if length == 0 {
		length = never
	}
	return window{from: fs.started.Add(f.At), to: fs.started.Add(f.At + length)}
}

// fault is what one request suffers; the zero fault is none.
type fault struct {
	scenarios.Fault
	window window // zero where the fault has a ratio
}

// next is the fault of a request that arrives now.
func (fs *faults) next(now time.Time) fault {
	for _, f := range fs.all {
		if f.Ratio > 0 || f.Kind == "stall" {
			continue
		}
		if w := fs.window(f); !now.Before(w.from) && now.Before(w.to) {
			return fault{Fault: f, window: w}
		}
	}
	due := -1
	for i, f := range fs.all {
		fs.credits[i] += int64(math.Round(f.Ratio * whole))
		if fs.credits[i] >= whole && (due < 0 || fs.credits[i] > fs.credits[due]) {
			due = i
		}
	}
	if due < 0 {
		return fault{}
	}
	fs.credits[due] -= whole
	return fault{Fault: fs.all[due]}
}

// accepted is when a request that arrived at that time is looked at.
func (f fault) accepted(arrived time.Time) time.Time {
	switch {
	case f.Kind != "slow_accept":
		return arrived
	case f.Ratio > 0:
		return arrived.Add(f.For)
	default:
		return f.window.to
	}
}

// after is how many of an answer's tokens come before the fault.
func (f fault) after(tokens int) int {
	if f.After == 0 {
		return tokens / 2
	}
	return min(f.After, tokens)
}

// onTheWire is what the server does to the stream.
func (f fault) onTheWire() embedded.Fault {
	switch f.Kind {
	case "in_stream_error", "truncate", "garble", "reset":
		return embedded.Fault(f.Kind)
	default:
		return embedded.NoFault
	}
}

func (f fault) refusal() *embedded.Refusal {
	r := &embedded.Refusal{Status: f.Status, Type: "server_error", Message: "an error was asked for by the scenario"}
	switch f.Status {
	case 0:
		r.Status = http.StatusInternalServerError
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.RetryAfter = time.Second
	}
	r.Message = fmt.Sprintf("%s (%d)", r.Message, r.Status)
	return r
}
