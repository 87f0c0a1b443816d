// Package simulated is an engine without a model, whose latencies are known: the ground truth that a client's
// measurements are held against.
//
// Its rules:
//   - The tokens of a text are its pieces between white space. A chat has 4 more for each message, as a chat template
//     would add.
//   - An answer has as many tokens as the request allows and ends by length; where the request allows any number, it has
//     16 to 128, drawn from the seed, and ends by stop. Reasoning tokens come first and count among them.
//   - A request that gets a slot (at once, or after those before it) sends its first token after the prompt's tokens ÷
//     the prefill rate + the time to first token, and each later one an inter-token latency after the one before. Jitter
//     moves single tokens, never the ones after it, and never puts a token before another.
//   - Several tokens to a chunk leave together when the first of them is due.
//   - Times are counted from the slot, not from the token before, so that late wake-ups do not add up.
//     Go's timers wake up to a millisecond late; when a token really left is what embedded.Sent tells.
//   - Draws belong to the request's number in the order of arrival, so that the n-th request of the same seed always
//     draws the same.
package simulated

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/scenarios"
)

// Options are the settings of an engine beside its scenario's; the zero value works.
type Options struct {
	// Model is the name that is told; "" means simulated.
	Model string
	// ContextTokens limits prompt and answer together; 0: no limit.
	ContextTokens int
	// Seed of all draws.
	Seed int64
}

// Engine simulates a server.
type Engine struct {
	s     scenarios.Simulated
	o     Options
	slots *slots // nil: no limit

	mu       sync.Mutex
	arrivals uint64
	faults   faults
}

var _ embedded.Engine = (*Engine)(nil)

// New makes an engine; its faults count their times from now.
func New(s scenarios.Simulated, o Options) *Engine {
	if o.Model == "" {
		o.Model = "simulated"
	}
	s.TokensPerChunk = max(s.TokensPerChunk, 1)
	e := &Engine{s: s, o: o, faults: newFaults(s.Faults, time.Now(), o.Seed)}
	if s.Parallel > 0 {
		e.slots = newSlots(s.Parallel, s.QueueLimit)
	}
	return e
}

// Model says what is served.
func (e *Engine) Model() embedded.Model {
	return embedded.Model{Name: e.o.Model, Quantization: "none", ContextTokens: e.o.ContextTokens}
}

// Tokenize is a number for each piece of the text, the same for the same piece.
func (e *Engine) Tokenize(_ context.Context, text string) ([]int32, error) {
	var ids []int32
	for piece := range strings.FieldsSeq(text) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(piece))
		ids = append(ids, int32(h.Sum32()%(1<<17)))
	}
	return ids, nil
}

func countTokens(text string) int {
	n := 0
	for range strings.FieldsSeq(text) {
		n++
	}
	return n
}

func promptTokens(p embedded.Prompt) int {
	if len(p.Messages) == 0 {
		return countTokens(p.Text)
	}
	n := 0
	for _, m := range p.Messages {
		n += 4 + countTokens(m.Content)
	}
	return n
}

// arrive gives a request its place: its own draws, and its fault.
func (e *Engine) arrive(now time.Time) (*rand.Rand, fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rng := rand.New(rand.NewPCG(uint64(e.o.Seed), e.arrivals))
	e.arrivals++
	return rng, e.faults.next(now)
}

// Generate waits for a slot and sends the tokens when they are due.
func (e *Engine) Generate(ctx context.Context, p embedded.Prompt, emit func(embedded.Chunk) error) (embedded.Result, error) {
	arrived := time.Now()
	rng, f := e.arrive(arrived)
	w := waiter{}
	defer w.stop()
	if err := w.until(ctx, f.accepted(arrived)); err != nil {
		return embedded.Result{}, err
	}
	if f.Kind == "error" {
		return embedded.Result{}, f.refusal()
	}
	r := embedded.Result{PromptTokens: promptTokens(p)}
	if err := e.size(p, rng, &r); err != nil {
		return embedded.Result{}, err
	}
	if e.slots != nil {
		if err := e.slots.acquire(ctx); err != nil {
			return embedded.Result{}, err
		}
		defer e.slots.release()
	}
	began := time.Now()
	r.Queue = began.Sub(arrived)
	return e.send(ctx, r, e.plan(rng, began, r, f), emit, &w)
}

// size decides how long the answer will be.
func (e *Engine) size(p embedded.Prompt, rng *rand.Rand, r *embedded.Result) error {
	r.OutputTokens, r.Finish = p.MaxTokens, "length"
	if p.MaxTokens <= 0 {
		r.OutputTokens, r.Finish = 16+rng.IntN(113), "stop"
	}
	if room := e.o.ContextTokens - r.PromptTokens; e.o.ContextTokens > 0 && r.OutputTokens > room {
		if room <= 0 {
			return &embedded.Refusal{
				Status: http.StatusBadRequest, Type: "exceed_context_size_error",
				Message: fmt.Sprintf("request (%d tokens) exceeds the available context size (%d tokens), try increasing it", r.PromptTokens, e.o.ContextTokens),
			}
		}
		r.OutputTokens, r.Finish = room, "length"
	}
	r.ReasoningTokens = min(e.s.ReasoningTokens, r.OutputTokens)
	return nil
}

// send emits the chunks of a plan, and returns the account of what was sent.
func (e *Engine) send(ctx context.Context, r embedded.Result, p plan, emit func(embedded.Chunk) error, w *waiter) (embedded.Result, error) {
	r.OutputTokens, r.ReasoningTokens = 0, 0
	if err := emit(embedded.Chunk{Kind: embedded.Begun}); err != nil {
		return r, err
	}
	for from := 0; from < p.faultAfter; {
		if err := w.until(ctx, p.due(from)); err != nil {
			return r, err
		}
		to := p.chunkEnd(from)
		c := embedded.Chunk{Text: words(from, to), Tokens: to - from}
		if from < p.reasoning {
			c.Kind = embedded.Reasoning
		}
		if err := emit(c); err != nil {
			return r, err
		}
		if from == 0 {
			r.Prefill = time.Since(p.began)
		}
		r.OutputTokens, r.ReasoningTokens, r.Decode = to, min(to, p.reasoning), time.Since(p.began)-r.Prefill
		from = to
	}
	if p.fault == embedded.NoFault {
		return r, nil
	}
	if err := w.until(ctx, p.due(min(p.faultAfter, len(p.after)-1))); err != nil {
		return r, err
	}
	return r, emit(embedded.Chunk{Fault: p.fault})
}

var vocabulary = [...]string{" the", " river", " carried", " a", " small", " boat", " past", " two", " old", " mills", " and", " an", " open", " field", " of", " rye"}

// words is the text of tokens from up to to.
func words(from, to int) string {
	if to == from+1 {
		return vocabulary[from%len(vocabulary)]
	}
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(vocabulary[i%len(vocabulary)])
	}
	return b.String()
}
