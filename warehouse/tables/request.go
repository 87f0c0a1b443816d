package tables

// Phase says which part of a trial a request belongs to; only PhaseMeasure is measured.
type Phase string

// The phases of a trial.
const (
	PhaseWarmUp   Phase = "warm_up"
	PhaseMeasure  Phase = "measure"
	PhaseCoolDown Phase = "cool_down"
)

// TokenSource says where the token counts of a request come from.
type TokenSource string

// The sources of token counts, best first.
const (
	TokensFromUsage    TokenSource = "usage"
	TokensFromTokenize TokenSource = "tokenize"
	TokensFromChunks   TokenSource = "chunks"
)

// ErrorKind is the closed list of what can go wrong with a request; "" (NULL) is success.
type ErrorKind string

// What can go wrong with a request.
const (
	ErrRefused         ErrorKind = "refused"
	ErrDNS             ErrorKind = "dns"
	ErrTLS             ErrorKind = "tls"
	ErrConnectTimeout  ErrorKind = "connect_timeout"
	ErrReset           ErrorKind = "reset"
	ErrEOFMidstream    ErrorKind = "eof_midstream"
	ErrTruncated       ErrorKind = "truncated" // the stream ended cleanly, without its terminal mark
	ErrTTFTTimeout     ErrorKind = "ttft_timeout"
	ErrStallTimeout    ErrorKind = "stall_timeout"
	ErrTotalTimeout    ErrorKind = "total_timeout"
	ErrHTTP4xx         ErrorKind = "http_4xx"
	ErrHTTP429         ErrorKind = "http_429"
	ErrHTTP5xx         ErrorKind = "http_5xx"
	ErrInstream        ErrorKind = "instream_error"
	ErrFrameGarbled    ErrorKind = "frame_garbled"
	ErrFrameTooLarge   ErrorKind = "frame_too_large"
	ErrCancelledByRun  ErrorKind = "cancelled_by_run"
	ErrClientSaturated ErrorKind = "client_saturated" // the client's own limits: descriptors, memory
	ErrNotSentCap      ErrorKind = "not_sent_cap"     // every slot of max_in_flight was waiting for the server
	ErrWriteTimeout    ErrorKind = "write_timeout"
	ErrEmptyOutput     ErrorKind = "empty_output"
	ErrContextOverflow ErrorKind = "context_overflow"
)

// OverloadErrors lists what a server does that gets more than it can do.
var OverloadErrors = []ErrorKind{
	ErrNotSentCap, ErrTTFTTimeout, ErrStallTimeout, ErrTotalTimeout, ErrConnectTimeout, ErrWriteTimeout, ErrRefused, ErrHTTP429, ErrHTTP5xx,
}

// ChunkKind says what a chunk of tokens carries.
type ChunkKind = int8

// The kinds of chunks.
const (
	ChunkAnswer    ChunkKind = 0
	ChunkReasoning ChunkKind = 1
	ChunkTool      ChunkKind = 2
)

// Request is one attempt of a request that was due, also of one that could not be sent.
type Request struct {
	TrialID   string `col:"trial_id"`        // the trial it belongs to
	Stage     int32  `col:"stage"`           // the stage of the trial, from 0
	Seq       int64  `col:"seq"`             // from 0, over all phases and stages of the trial
	Attempt   int32  `col:"attempt"`         // from 0
	Final     bool   `col:"final"`           // the last attempt of its seq
	Worker    int32  `col:"worker"`          // from 0
	TargetID  string `col:"target_id,null"`  // the target that answered; NULL: not known, as behind a service
	PromptID  int64  `col:"prompt_id"`       // index into the prompt set
	SessionID string `col:"session_id,null"` // the conversation; NULL: a single turn
	Turn      int32  `col:"turn"`            // from 0
	Phase     Phase  `col:"phase"`           // warm_up, measure or cool_down; only measure is measured

	IntendedAt         Instant `col:"intended_at"`                // when the schedule wanted it; in a closed loop, when it was dispatched
	DispatchedAt       Instant `col:"dispatched_at,null"`         // when the client began, before any dial; NULL: never begun
	ConnectStartAt     Instant `col:"connect_start_at,null"`      // NULL on a reused connection
	ConnectedAt        Instant `col:"connected_at,null"`          // after TLS; NULL on a reused connection
	WroteAt            Instant `col:"wrote_at,null"`              // when the last byte of the request was handed to the kernel
	HeadersAt          Instant `col:"headers_at,null"`            // when the response's headers were read
	FirstChunkAt       Instant `col:"first_chunk_at,null"`        // the first event of the stream, also an empty role chunk
	FirstTokenAt       Instant `col:"first_token_at,null"`        // the first non-empty token chunk, answer or reasoning
	FirstAnswerTokenAt Instant `col:"first_answer_token_at,null"` // the first token chunk that is not reasoning
	LastTokenAt        Instant `col:"last_token_at,null"`         // the last token chunk
	DoneAt             Instant `col:"done_at,null"`               // when the response ended or was given up

	TokenDeltaUS []int32 `col:"token_delta_us,null"` // element 0: first token chunk − first_chunk_at, then from token chunk to token chunk; differences of times rounded to µs
	TokenCounts  []int16 `col:"token_counts,null"`   // tokens of each token chunk; NULL where each has 1
	ChunkKinds   []int8  `col:"chunk_kinds,null"`    // 0 answer, 1 reasoning, 2 tool; NULL where all are answers

	KernelTimestamps bool  `col:"kernel_timestamps"` // the times of chunks are the kernel's receive stamps
	CoalescedChunks  int32 `col:"coalesced_chunks"`  // token chunks that came in one read with an earlier one, and so share its stamp
	ConnReused       bool  `col:"conn_reused"`       // it went over a connection that an earlier request had opened

	RequestedPromptTokens int32       `col:"requested_prompt_tokens,null"` // the prompt length that the scenario wanted
	PromptTokens          Null[int32] `col:"prompt_tokens"`                // as the server counted them, with its template
	CachedPromptTokens    Null[int32] `col:"cached_prompt_tokens"`         // those of prompt_tokens that the server took from its cache
	PromptTruncated       Null[bool]  `col:"prompt_truncated"`             // the server cut the prompt to fit its context
	RequestedOutputTokens int32       `col:"requested_output_tokens,null"` // the limit on the answer
	OutputTokens          Null[int32] `col:"output_tokens"`                // all tokens of the answer, reasoning included
	ReasoningTokens       Null[int32] `col:"reasoning_tokens"`             // those of output_tokens that were reasoning
	TokenSource           TokenSource `col:"token_source,null"`            // where the counts come from: usage, tokenize or chunks
	FinishReason          string      `col:"finish_reason,null"`           // why the answer ended, in the words of the server

	RequestBytes  int64     `col:"request_bytes"`    // body bytes sent
	ResponseBytes int64     `col:"response_bytes"`   // body bytes received
	HTTPStatus    int32     `col:"http_status,null"` // NULL: no response
	ErrorKind     ErrorKind `col:"error_kind,null"`  // NULL on success
	ErrorText     string    `col:"error_text,null"`  // at most 256 bytes, secrets removed

	ServerQueueNS   Null[int64] `col:"server_queue_ns"`   // time in the server's queue, by the server
	ServerPrefillNS Null[int64] `col:"server_prefill_ns"` // time to read the prompt, by the server
	ServerDecodeNS  Null[int64] `col:"server_decode_ns"`  // time to write the answer, by the server
	ServerLoadNS    Null[int64] `col:"server_load_ns"`    // time to load the model, by the server

	PromptSHA256 string `col:"prompt_sha256,null"` // digest of the prompt as sent, hex
}

// Body is the kept text of a request (keep_bodies).
type Body struct {
	TrialID string `col:"trial_id"`    // the trial it belongs to
	Seq     int64  `col:"seq"`         // the request
	Attempt int32  `col:"attempt"`     // the attempt, from 0
	Prompt  string `col:"prompt,null"` // the prompt as sent
	Output  string `col:"output,null"` // the answer, as far as it came
}

// Arrival is one entry of a schedule: an arrival that the seed gives, written before the load starts.
type Arrival struct {
	TrialID         string `col:"trial_id"`          // the trial it belongs to
	Stage           int32  `col:"stage"`             // the stage of the trial, from 0
	Seq             int64  `col:"seq"`               // the request that it becomes
	IntendedAfterNS int64  `col:"intended_after_ns"` // since the common start of the trial's load; in a search since the start of its probe, or of the stages after it
	PromptID        int64  `col:"prompt_id"`         // index into the prompt set
}
