// Package load makes the load: seeded schedules, the open and the closed loop, and the timelines of what came back.
package load

import (
	"context"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Client asks a server once and waits for the end of its answer.
//
// Generate fills the timeline as things happen and returns what the server said of the answer. What the server did
// wrong is Answer.ErrorKind, never the error; the error is for what makes the whole load pointless. It may be called by
// many goroutines at once, and keeps neither the request nor the timeline after it returns.
type Client interface {
	Generate(ctx context.Context, r Request, t *Timeline) (Answer, error)
}

// Source gives the prompts. Prompt may be called by many goroutines at once; the same arguments give the same prompt.
type Source interface {
	// Prompt is the prompt of an arrival. false: the source has no further turn for the session.
	Prompt(turn Turn) (Prompt, bool, error)
}

// Turn names an arrival: which prompt it asks for, and, in a conversation, where it stands in it.
type Turn struct {
	Stage    int32
	Seq      int64
	PromptID int64
	Session  string
	Turn     int32
	// Before is what the turn before asked, whole, and Answer the text of its answer; in a conversation.
	Before []Message
	Answer string
}

// Message is one message of a chat.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Prompt is what is asked.
type Prompt struct {
	Messages []Message
	// PromptTokens is the length that was wanted; 0: none.
	PromptTokens int32
	// OutputTokens limits the answer; 0: the server's own limit.
	OutputTokens int32
	SHA256       string
	// ThinkTime is from the answer's end to the session's next turn.
	ThinkTime time.Duration
	// HasNext: the session has a turn after this one.
	HasNext bool
}

// Request is one attempt.
type Request struct {
	Seq     int64
	Attempt int32
	Prompt  Prompt
	// KeepOutput asks for the answer's text in Answer.Output.
	KeepOutput bool
	// FirstTokenTimeout and StallTimeout end the attempt; 0: only the context does.
	FirstTokenTimeout time.Duration
	StallTimeout      time.Duration
}

// Timeline is when things happened to one attempt: instants in ns since the Unix epoch, 0 for what did not happen.
// The load itself notes DispatchedAt, before it calls the client, and DoneAt where the client did not.
// It is reused: Reset keeps the slices.
type Timeline struct {
	DispatchedAt, ConnectStartAt, ConnectedAt, WroteAt, HeadersAt, DoneAt tables.Instant

	FirstChunkAt       tables.Instant
	FirstTokenAt       tables.Instant
	FirstAnswerTokenAt tables.Instant
	LastTokenAt        tables.Instant

	DeltaUS []int32
	Counts  []int16
	Kinds   []int8

	KernelTimestamps bool
	Coalesced        int32
	ConnReused       bool

	oneEach, allAnswers bool
	lastUS              int64
}

// Reset makes the timeline ready for the next attempt.
func (t *Timeline) Reset() {
	*t = Timeline{DeltaUS: t.DeltaUS[:0], Counts: t.Counts[:0], Kinds: t.Kinds[:0], oneEach: true, allAnswers: true}
}

// Chunk notes an event of the stream that carries no token: only the first is kept.
func (t *Timeline) Chunk(at tables.Instant) {
	if t.FirstChunkAt == 0 {
		t.FirstChunkAt = at
	}
}

// Token notes a chunk of n tokens that arrived at at.
//
// Deltas are differences of times rounded to µs, not rounded differences, so that their sum does not drift.
func (t *Timeline) Token(at tables.Instant, n int, kind tables.ChunkKind) {
	t.Chunk(at)
	us := int64(at-t.FirstChunkAt+500) / 1000
	if t.FirstTokenAt == 0 {
		t.FirstTokenAt = at
		t.lastUS = 0
	}
	if t.FirstAnswerTokenAt == 0 && kind != tables.ChunkReasoning {
		t.FirstAnswerTokenAt = at
	}
	t.LastTokenAt = at
	t.DeltaUS = append(t.DeltaUS, int32(us-t.lastUS))
	t.lastUS = us
	t.Counts = append(t.Counts, int16(min(n, 1<<15-1)))
	t.Kinds = append(t.Kinds, kind)
	t.oneEach = t.oneEach && n == 1
	t.allAnswers = t.allAnswers && kind == tables.ChunkAnswer
}

// Answer is what the server said of its answer.
type Answer struct {
	Output          string // only where Request.KeepOutput, or in a conversation
	TargetID        string
	HTTPStatus      int32
	FinishReason    string
	PromptTokens    tables.Null[int32]
	CachedTokens    tables.Null[int32]
	PromptTruncated tables.Null[bool]
	OutputTokens    tables.Null[int32]
	ReasoningTokens tables.Null[int32]
	TokenSource     tables.TokenSource
	RequestBytes    int64
	ResponseBytes   int64
	ErrorKind       tables.ErrorKind // "" is success
	ErrorText       string
	// RetryAfter is what the server asked for with its refusal; 0: nothing.
	RetryAfter time.Duration

	ServerQueueNS, ServerPrefillNS, ServerDecodeNS, ServerLoadNS tables.Null[int64]
}

// Sink takes finished rows. Each method copies what it keeps, may be called by many goroutines at once, and blocks
// rather than drop a row; an error means that rows can soon no longer be kept and the load must stop. Rows of requests that
// were made are handed over all the same.
type Sink interface {
	WriteRequests([]tables.Request) error
	WriteArrivals([]tables.Arrival) error
	WriteBodies([]tables.Body) error
}
