package protocol

import (
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// reading is what has been read of one answer: the decoders write it, frame by frame.
type reading struct {
	timeline *load.Timeline
	at       tables.Instant // when the frame that is decoded arrived
	// whole: the answer came in one piece, so that its tokens have no times.
	whole bool
	keep  bool
	out   []byte

	chunks   int // of tokens
	counted  int // tokens of these chunks
	thoughts int // of the counted, those of reasoning
	texts    bool
	finish   string
	complete bool // the answer is whole: the stream may end
	ended    bool // nothing follows any more
	usage    usage
	timings  timings
}

// usage is what a server says of token counts; in each the last word counts.
type usage struct {
	prompt, cached, output, reasoning tables.Null[int32]
}

// timings are durations that a server measured itself.
type timings struct {
	prefill, decode, load tables.Null[int64] // ns
}

// token notes a chunk of n tokens; text is what it adds to the output.
func (r *reading) token(text []byte, n int, kind tables.ChunkKind) {
	r.texts = true
	if r.keep && kind == tables.ChunkAnswer {
		r.out = append(r.out, text...)
	}
	if r.whole {
		return
	}
	r.chunks++
	r.counted += n
	if kind == tables.ChunkReasoning {
		r.thoughts += n
	}
	r.timeline.Token(r.at, n, kind)
}

// tokensIn is how many tokens the next chunk has, when its frame says that the answer has now total: what came since
// the frame before. It is 1 where a frame has no total, or where the ones before had none.
func (r *reading) tokensIn(total int32) int {
	if said := r.usage.output; total > 0 && r.counted == int(said.V) && int(total) > r.counted {
		return int(total) - r.counted
	}
	return 1
}

// into writes the account of the answer.
func (r *reading) into(a *load.Answer) {
	a.Output = string(r.out)
	a.FinishReason = r.finish
	a.PromptTokens = r.usage.prompt
	a.CachedTokens = r.usage.cached
	a.ServerPrefillNS = r.timings.prefill
	a.ServerDecodeNS = r.timings.decode
	a.ServerLoadNS = r.timings.load
	switch {
	case r.usage.output.Valid:
		a.OutputTokens, a.ReasoningTokens = r.usage.output, r.usage.reasoning
		a.TokenSource = tables.TokensFromUsage
	case r.chunks > 0:
		a.OutputTokens, a.ReasoningTokens = tables.Some(int32(r.counted)), tables.Some(int32(r.thoughts))
		a.TokenSource = tables.TokensFromChunks
	}
}

// positive is a count where a server that doesn't know it writes 0.
func positive(n int32) tables.Null[int32] { return tables.Null[int32]{V: n, Valid: n > 0} }

// milliseconds is a duration that a server gives so; NULL where it doesn't.
func milliseconds(ms *float64) tables.Null[int64] {
	if ms == nil || *ms < 0 {
		return tables.Null[int64]{}
	}
	return tables.Some(int64(*ms * float64(time.Millisecond)))
}
