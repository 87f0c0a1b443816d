package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Options are the settings of a handler; the zero value works.
type Options struct {
	// RoleChunk says when the chunk of an OpenAI chat stream is sent that tells the role and has no token: first (or ""),
	// just before the first token; early, as soon as the engine says that the work has begun; none, not at all.
	RoleChunk string
	// Aliases are names that the model answers to beside its own. The OpenAI API ignores the name, as llama.cpp does;
	// the Ollama API refuses other names, as Ollama does.
	Aliases []string
	// MaxBodyBytes limits the body of a request; 0 means 64 MiB.
	MaxBodyBytes int64
	// KeepSentTimes is how many send times GET /sent remembers; the oldest requests go first. 0: there is no /sent.
	KeepSentTimes int
	// Version is what /api/version tells; "" means 0.0.0.
	Version string
}

// Handler answers in the wire formats of OpenAI, Ollama and llama.cpp for one engine:
//
//	POST /v1/chat/completions /v1/completions   server-sent events or a document; GET /v1/models
//	POST /api/chat /api/generate /api/show      newline-delimited JSON or a document; GET /api/tags /api/ps /api/version
//	POST /tokenize                              {"content": "…"} gives {"tokens": […]}, as llama.cpp's server does
//	GET  /health /metrics                       Prometheus' text format
//	GET  /sent                                  when each token was really sent, see Options.KeepSentTimes
type Handler struct {
	engine  Engine
	model   Model
	o       Options
	mux     *http.ServeMux
	started time.Time
	counts  counts
	sent    *sentLog // nil: not kept
}

// NewHandler makes the handler of an engine.
func NewHandler(e Engine, o Options) *Handler {
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = 64 << 20
	}
	if o.Version == "" {
		o.Version = "0.0.0"
	}
	h := &Handler{engine: e, model: e.Model(), o: o, mux: http.NewServeMux(), started: time.Now()}
	h.mux.HandleFunc("POST /v1/chat/completions", h.openAIChat)
	h.mux.HandleFunc("POST /v1/completions", h.openAICompletion)
	h.mux.HandleFunc("GET /v1/models", h.openAIModels)
	h.mux.HandleFunc("POST /api/chat", h.ollamaChat)
	h.mux.HandleFunc("POST /api/generate", h.ollamaGenerate)
	h.mux.HandleFunc("POST /api/show", h.ollamaShow)
	h.mux.HandleFunc("GET /api/tags", h.ollamaTags)
	h.mux.HandleFunc("GET /api/ps", h.ollamaPS)
	h.mux.HandleFunc("GET /api/version", h.ollamaVersion)
	h.mux.HandleFunc("POST /tokenize", h.tokenize)
	h.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]string{"status": "ok"}) })
	h.mux.HandleFunc("GET /metrics", h.metrics)
	if o.KeepSentTimes > 0 {
		h.sent = newSentLog(o.KeepSentTimes)
		h.mux.HandleFunc("GET /sent", h.sent.serve)
	}
	return h
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// question is a request for an answer, understood.
type question struct {
	prompt    Prompt
	streaming bool
	wire      wire
	// done is the answer where the engine need not be asked.
	done []byte
}

// answer serves one generation: read makes a question of the body.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, refuse refuser, read func(body []byte) (question, error)) {
	h.counts.received.Add(1)
	s := &stream{h: h, w: w, rc: http.NewResponseController(w), received: time.Now()}
	defer func() { h.counts.finish(s.outcome) }() // also when a fault panics out of the handler
	body, err := h.body(w, r)
	if err != nil {
		s.outcome = "bad_request"
		refuse(w, err)
		return
	}
	q, err := read(body)
	if err != nil {
		s.outcome = "bad_request"
		refuse(w, err)
		return
	}
	q.prompt.RequestID = r.Header.Get("X-Request-Id")
	s.wire, s.streaming = q.wire, q.streaming
	if q.done != nil {
		s.streaming, s.outcome = false, "ok"
		s.document(q.done)
		return
	}
	h.counts.waiting.Add(1)
	defer s.leave()
	result, err := h.engine.Generate(r.Context(), q.prompt, s.emit)
	h.counts.account(result)
	s.conclude(r, result, err, refuse)
	if h.sent != nil {
		h.sent.add(SentRequest{
			RequestID: q.prompt.RequestID, Outcome: s.outcome, ReceivedAt: s.received.UnixNano(),
			PromptTokens: result.PromptTokens, SentAt: s.sentAt, Tokens: s.tokens,
		})
	}
	s.hurt()
}

// body reads a request's body, and as much of it as may be.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.o.MaxBodyBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &Refusal{Status: http.StatusRequestEntityTooLarge, Type: invalidRequest, Message: fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: "reading the body: " + err.Error()}
	}
	return body, nil
}

// tokenize is llama.cpp's: the count of tokens is the length of the list.
func (h *Handler) tokenize(w http.ResponseWriter, r *http.Request) {
	body, err := h.body(w, r)
	if err != nil {
		refuseLlamaCPP(w, err)
		return
	}
	var in struct{ Content string }
	if err := json.Unmarshal(body, &in); err != nil {
		refuseLlamaCPP(w, badJSON(err))
		return
	}
	ids, err := h.engine.Tokenize(r.Context(), in.Content)
	if err != nil {
		refuseLlamaCPP(w, err)
		return
	}
	out := append(make([]byte, 0, 16+6*len(ids)), `{"tokens":[`...)
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	w.Header().Set("Content-Type", jsonType)
	_, _ = w.Write(append(out, `]}`...)) // a client that is gone needs no answer
}

const (
	jsonType       = "application/json; charset=utf-8"
	invalidRequest = "invalid_request_error"
	serverError    = "server_error"
)

// refuser answers an error in the form of an API.
type refuser func(w http.ResponseWriter, err error)

// refusal is what an error says to a client.
func refusal(err error) *Refusal {
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return r
	}
	return &Refusal{Status: http.StatusInternalServerError, Type: serverError, Message: err.Error()}
}

func badJSON(err error) error {
	return &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: err.Error()}
}

func retryAfter(w http.ResponseWriter, r *Refusal) {
	if r.RetryAfter > 0 {
		// Whole seconds, rounded up: RFC 9110, section 10.2.3.
		w.Header().Set("Retry-After", strconv.FormatInt(int64((r.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// writeJSON writes a small document of our own making; a client that is gone needs no answer.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
