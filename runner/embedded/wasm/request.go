package wasm

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
)

// request is a prompt on its way to an answer. Until tokens is closed it belongs to the scheduler; afterwards the rest
// of it may be read.
type request struct {
	ctx        context.Context
	prompt     []int32
	limit      int // most tokens of the answer
	sampler    *sampler
	ends       []int32 // tokens that end an answer
	ignoreEnds bool

	// begun is closed when the request leaves the queue, for a slot or for good.
	begun chan struct{}
	// tokens takes a whole answer, so that a slow reader never holds up the others.
	tokens chan int32
	err    error

	slot     int
	done     int   // tokens of prompt and answer that are in the slot's memory
	last     int32 // the answer's last token, which is the next to be worked on
	answered int   // tokens of the answer
	finish   string

	arrived, started, prefilled, ended time.Time
}

func newRequest(ctx context.Context, prompt []int32, limit int, s *sampler) *request {
	return &request{
		ctx: ctx, prompt: prompt, limit: limit, sampler: s, arrived: time.Now(),
		begun: make(chan struct{}), tokens: make(chan int32, limit),
	}
}

// pending is how many tokens may be worked on at once: the rest of the prompt, or the answer's last token.
func (r *request) pending() int { return max(1, len(r.prompt)-r.done) }

// appendNext appends the next n ≤ pending tokens to a batch. The last of a prompt, and any of an answer, gives logits.
func (r *request) appendNext(batch []entry, n int) []entry {
	for range n {
		token := r.last
		if r.done < len(r.prompt) {
			token = r.prompt[r.done]
		}
		batch = append(batch, entry{token: token, slot: r.slot, position: r.done, wanted: r.done >= len(r.prompt)-1})
		r.done++
	}
	return batch
}

// take chooses the next token, and says whether the answer is over. It changes the logits.
func (r *request) take(logits []float32) (over bool) {
	if r.answered == 0 {
		r.prefilled = time.Now()
	}
	if r.ignoreEnds {
		for _, id := range r.ends {
			if id >= 0 {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}
	r.last = r.sampler.next(logits)
	r.answered++
	if slices.Contains(r.ends, r.last) {
		r.finish = "stop"
		return true
	}
	r.tokens <- r.last // never blocks: there is room for limit tokens
	if r.answered == r.limit {
		r.finish = "length"
		return true
	}
	return false
}

// end hands the request back to its reader.
func (r *request) end(err error) {
	r.err = err
	r.ended = time.Now()
	if r.started.IsZero() {
		close(r.begun)
	}
	close(r.tokens)
}

func (r *request) result() embedded.Result {
	return embedded.Result{
		PromptTokens: len(r.prompt),
		OutputTokens: r.answered,
		Finish:       r.finish,
		Queue:        r.started.Sub(r.arrived),
		Prefill:      r.prefilled.Sub(r.started),
		Decode:       r.ended.Sub(r.prefilled),
	}
}
