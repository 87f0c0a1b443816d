// Package embedded serves the runtimes that need no installation over HTTP: the OpenAI and Ollama wire formats around
// an Engine. runner/embedded/wasm and runner/embedded/simulated are the engines.
package embedded

import (
	"context"
	"fmt"
	"time"
)

// Engine turns prompts into tokens. Its methods may be called by many goroutines at once; how many prompts are worked
// on at a time is the engine's own affair, and the others wait for their turn.
type Engine interface {
	// Model says what is served.
	Model() Model
	// Tokenize is the ids of a text, without any that a chat template would add.
	Tokenize(ctx context.Context, text string) ([]int32, error)
	// Generate calls emit for each chunk as it comes, from one goroutine, and returns when the answer is complete, ctx
	// ends or emit fails. A *Refusal is answered with its status.
	Generate(ctx context.Context, p Prompt, emit func(Chunk) error) (Result, error)
}

// Model is what an engine serves.
type Model struct {
	Name          string
	Digest        string // "sha256:…" of the model's file; "" where there is none
	Quantization  string
	ContextTokens int
	Parameters    int64
	SizeBytes     int64
}

// Message is one message of a chat.
type Message struct {
	Role    string
	Content string
}

// Prompt is one question.
type Prompt struct {
	Messages []Message // a chat; empty: Text is completed as it is
	Text     string
	// MaxTokens limits the answer; 0: the engine's own limit.
	MaxTokens   int
	Temperature float64
	TopP        float64
	Seed        int64
	IgnoreEOS   bool
	// RequestID is the client's name for the request, from its header X-Request-Id; "" where it has none.
	RequestID string
}

// Kind says what a chunk carries.
type Kind int8

// The kinds of chunks.
const (
	Answer Kind = iota
	Reasoning
	// Begun carries no text: the prompt has left the queue and is worked on. An engine may emit it once, before all else.
	Begun
)

// Chunk is a piece of an answer. Fault is what the server does to the stream instead of writing it: text and tokens of
// such a chunk are not sent.
type Chunk struct {
	Text   string
	Tokens int // at least 1; 0 with Begun and with a fault
	Kind   Kind
	Fault  Fault
}

// Fault is a misbehaviour on the wire that a simulated engine asks of the server.
type Fault string

// The faults of a stream; each ends it but for NoFault.
const (
	NoFault       Fault = ""
	InStreamError Fault = "in_stream_error" // an error object under status 200
	Truncate      Fault = "truncate"        // a clean end without the terminal mark
	Garble        Fault = "garble"          // a frame that does not parse
	Reset         Fault = "reset"           // the connection is reset
)

// Result is the account of one answer.
type Result struct {
	PromptTokens    int
	CachedTokens    int
	OutputTokens    int // reasoning included
	ReasoningTokens int
	Finish          string // stop or length
	Queue           time.Duration
	Load            time.Duration
	Prefill         time.Duration
	Decode          time.Duration
}

// Refusal is a request that an engine does not take.
type Refusal struct {
	Status     int
	Type       string // as in exceed_context_size_error
	Message    string
	RetryAfter time.Duration
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Type, r.Message) }
