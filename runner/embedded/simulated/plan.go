package simulated

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
)

// plan is what is sent in one answer, and when.
type plan struct {
	began      time.Time
	after      []time.Duration // of each token, since began; never falling
	perChunk   int
	reasoning  int // tokens
	fault      embedded.Fault
	faultAfter int // tokens; those of the whole answer where there is no fault
	stalls     []window
}

// window is a time in which something goes wrong: from is in it, to is not.
type window struct{ from, to time.Time }

func (e *Engine) plan(rng *rand.Rand, began time.Time, r embedded.Result, f fault) plan {
	p := plan{
		began: began, after: make([]time.Duration, r.OutputTokens), perChunk: e.s.TokensPerChunk, reasoning: r.ReasoningTokens,
		fault: f.onTheWire(), faultAfter: r.OutputTokens, stalls: e.faults.stalls,
	}
	if p.fault != embedded.NoFault {
		p.faultAfter = f.after(r.OutputTokens)
	}
	stalled := -1
	if f.Kind == "stall" {
		stalled = min(f.after(r.OutputTokens), r.OutputTokens-1)
	}
	// Times add up as seconds and are rounded once, so that rounding does not add up.
	at := max(e.s.TimeToFirstToken.Sample(rng), 0)
	if e.s.PrefillTokensPerSecond > 0 {
		at += float64(r.PromptTokens) / e.s.PrefillTokensPerSecond
	}
	for i := range p.after {
		if i > 0 {
			at += max(e.s.InterTokenLatency.Sample(rng), 0)
		}
		if i == stalled {
			at += f.For.Seconds()
		}
		due := at
		if e.s.Jitter != nil {
			due += e.s.Jitter.Sample(rng)
		}
		p.after[i] = seconds(due)
		if i > 0 {
			p.after[i] = max(p.after[i], p.after[i-1])
		}
	}
	return p
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Round(min(max(s, 0), never.Seconds()) * 1e9))
}

// chunkEnd is where the chunk that starts with a token ends: reasoning and answer never share a chunk, and a fault comes
// between two chunks.
func (p *plan) chunkEnd(from int) int {
	to := min(from+p.perChunk, p.faultAfter)
	if from < p.reasoning {
		to = min(to, p.reasoning)
	}
	return to
}

// due is when a token is sent.
func (p *plan) due(token int) time.Time {
	at := p.began.Add(p.after[token])
	for _, s := range p.stalls {
		if !at.Before(s.from) && at.Before(s.to) {
			at = s.to
		}
	}
	return at
}
