package embedded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// openAIRequest is what we understand of a request; the rest is ignored, as servers do.
type openAIRequest struct {
	Messages []struct {
		Role    string
		Content json.RawMessage // a string, null or a list of parts
	}
	Prompt        json.RawMessage // a string, or a list of one
	Stream        bool
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens           int `json:"max_tokens"`
	MaxCompletionTokens int `json:"max_completion_tokens"`
	N                   int
	Temperature         float64
	TopP                float64 `json:"top_p"`
	Seed                int64
	IgnoreEOS           bool `json:"ignore_eos"`
}

func (h *Handler) openAIChat(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, refuseLlamaCPP, func(body []byte) (question, error) {
		in, err := readOpenAI(body)
		if err != nil {
			return question{}, err
		}
		if len(in.Messages) == 0 {
			return question{}, &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: "'messages' is required"}
		}
		p := in.prompt()
		for _, m := range in.Messages {
			text, err := openAIContent(m.Content)
			if err != nil {
				return question{}, err
			}
			p.Messages = append(p.Messages, Message{Role: m.Role, Content: text})
		}
		return question{prompt: p, streaming: in.Stream, wire: h.chatWire(in)}, nil
	})
}

func (h *Handler) openAICompletion(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, refuseLlamaCPP, func(body []byte) (question, error) {
		in, err := readOpenAI(body)
		if err != nil {
			return question{}, err
		}
		p := in.prompt()
		if p.Text, err = openAIPrompt(in.Prompt); err != nil {
			return question{}, err
		}
		return question{prompt: p, streaming: in.Stream, wire: h.completionWire(in)}, nil
	})
}

func readOpenAI(body []byte) (openAIRequest, error) {
	var in openAIRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return in, badJSON(err)
	}
	if in.N > 1 {
		return in, &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: "'n' must be 1: there is one answer to a request"}
	}
	return in, nil
}

func (in openAIRequest) prompt() Prompt {
	limit := in.MaxTokens
	if in.MaxCompletionTokens > 0 {
		limit = in.MaxCompletionTokens
	}
	return Prompt{MaxTokens: max(limit, 0), Temperature: in.Temperature, TopP: in.TopP, Seed: in.Seed, IgnoreEOS: in.IgnoreEOS}
}

// openAIContent is the text of a message: a string, nothing, or the text parts of a list.
func openAIContent(raw json.RawMessage) (string, error) {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", badJSON(err)
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Type != "text" {
			return "", &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: fmt.Sprintf("content of type %q is not supported: this model reads text", p.Type)}
		}
		b.WriteString(p.Text)
	}
	return b.String(), nil
}

func openAIPrompt(raw json.RawMessage) (string, error) {
	var text string
	if len(raw) > 0 && json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var list []string
	if len(raw) > 0 && json.Unmarshal(raw, &list) == nil && len(list) == 1 {
		return list[0], nil
	}
	return "", &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: "'prompt' is required, and must be a text"}
}

// refuseLlamaCPP writes an error as llama.cpp's server does.
func refuseLlamaCPP(w http.ResponseWriter, err error) {
	r := refusal(err)
	retryAfter(w, r)
	writeJSON(w, r.Status, map[string]any{"error": map[string]any{"code": r.Status, "message": r.Message, "type": r.Type}})
}

func (h *Handler) openAIModels(w http.ResponseWriter, _ *http.Request) {
	m := h.model
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{map[string]any{
		"id": m.Name, "object": "model", "created": h.started.Unix(), "owned_by": "llmscen",
		"meta": map[string]any{"n_ctx": m.ContextTokens, "n_params": m.Parameters, "size": m.SizeBytes, "ftype": m.Quantization},
	}}})
}

// identity is what each frame of an answer repeats.
func (h *Handler) identity(object string) string {
	b := fmt.Appendf(nil, `"created":%d,"id":"chatcmpl-%d","model":`, time.Now().Unix(), h.counts.answers.Add(1))
	b = appendString(b, h.model.Name)
	return string(fmt.Appendf(b, `,"system_fingerprint":"llmscen","object":%q`, object))
}

func (h *Handler) chatWire(in openAIRequest) wire {
	const open = `data: {"choices":[{"finish_reason":null,"index":0,"delta":{`
	identity := h.identity("chat.completion.chunk")
	tail := `}}],` + identity + "}\n\n"
	w := wire{contentType: "text/event-stream", failure: openAIFailure, garbled: openAIGarbled}
	if h.o.RoleChunk != "none" {
		w.role = []byte(open + `"role":"assistant","content":null` + tail)
	}
	w.chunk = func(b []byte, c Chunk) []byte {
		b = append(b, open...)
		if c.Kind == Reasoning {
			b = append(b, `"reasoning_content":`...)
		} else {
			b = append(b, `"content":`...)
		}
		return append(appendString(b, c.Text), tail...)
	}
	w.end = func(b []byte, a account) []byte {
		b = fmt.Appendf(b, `data: {"choices":[{"finish_reason":%q,"index":0,"delta":{}}],%s`, a.Finish, identity)
		if in.StreamOptions.IncludeUsage {
			b = append(b, "}\n\ndata: {\"choices\":[],"+identity+`,"usage":`...)
			b = appendJSON(b, usageOf(a.Result))
		}
		b = append(b, `,"timings":`...)
		return append(appendJSON(b, timingsOf(a.Result)), "}\n\ndata: [DONE]\n\n"...)
	}
	w.whole = func(b []byte, a account) []byte {
		b = fmt.Appendf(b, `{"choices":[{"finish_reason":%q,"index":0,"message":{"role":"assistant","content":`, a.Finish)
		b = appendString(b, string(a.Answer))
		if len(a.Reasoning) > 0 {
			b = appendString(append(b, `,"reasoning_content":`...), string(a.Reasoning))
		}
		b = append(b, `}}],`+h.identity("chat.completion")+`,"usage":`...)
		b = append(appendJSON(b, usageOf(a.Result)), `,"timings":`...)
		return append(appendJSON(b, timingsOf(a.Result)), '}')
	}
	return w
}

// completionWire is of /v1/completions; reasoning is text like any other there.
func (h *Handler) completionWire(in openAIRequest) wire {
	const open = `{"choices":[{"text":`
	identity := h.identity("text_completion")
	middle := `,"index":0,"logprobs":null,"finish_reason":null}],` + identity + "}\n\n"
	last := func(b []byte, text string, a account, usage bool) []byte {
		b = appendString(append(b, open...), text)
		b = fmt.Appendf(b, `,"index":0,"logprobs":null,"finish_reason":%q}],%s`, a.Finish, identity)
		if usage {
			b = appendJSON(append(b, `,"usage":`...), usageOf(a.Result))
		}
		b = append(b, `,"timings":`...)
		return append(appendJSON(b, timingsOf(a.Result)), '}')
	}
	return wire{
		contentType: "text/event-stream", failure: openAIFailure, garbled: openAIGarbled,
		chunk: func(b []byte, c Chunk) []byte {
			b = append(b, "data: "+open...)
			return append(appendString(b, c.Text), middle...)
		},
		end: func(b []byte, a account) []byte {
			b = last(append(b, "data: "...), "", a, in.StreamOptions.IncludeUsage)
			return append(b, "\n\ndata: [DONE]\n\n"...)
		},
		whole: func(b []byte, a account) []byte { return last(b, string(a.Reasoning)+string(a.Answer), a, true) },
	}
}

// A fault is followed by the terminal mark: whoever looks for that alone takes the answer for a good one.
const openAIGarbled = "data: {\"choices\":[{\"index\":0,\"del\n\ndata: [DONE]\n\n"

func openAIFailure(b []byte, message string) []byte {
	b = appendString(append(b, `data: {"error":{"code":500,"message":`...), message)
	return append(b, `,"type":"`+serverError+"\"}}\n\ndata: [DONE]\n\n"...)
}

type usage struct {
	CompletionTokens int `json:"completion_tokens"`
	PromptTokens     int `json:"prompt_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func usageOf(r Result) usage {
	u := usage{CompletionTokens: r.OutputTokens, PromptTokens: r.PromptTokens, TotalTokens: r.PromptTokens + r.OutputTokens}
	u.PromptDetails.CachedTokens = r.CachedTokens
	u.CompletionDetails.ReasoningTokens = r.ReasoningTokens
	return u
}

// timings are those of llama.cpp's server; prompt_n leaves out what was cached.
type timings struct {
	CacheN           int     `json:"cache_n"`
	PromptN          int     `json:"prompt_n"`
	PromptMS         float64 `json:"prompt_ms"`
	PromptPerTokenMS float64 `json:"prompt_per_token_ms"`
	PromptPerSecond  float64 `json:"prompt_per_second"`
	OutputN          int     `json:"predicted_n"`
	OutputMS         float64 `json:"predicted_ms"`
	OutputPerTokenMS float64 `json:"predicted_per_token_ms"`
	OutputPerSecond  float64 `json:"predicted_per_second"`
}

func timingsOf(r Result) timings {
	t := timings{
		CacheN: r.CachedTokens, PromptN: r.PromptTokens - r.CachedTokens, OutputN: r.OutputTokens,
		PromptMS: float64(r.Prefill) / 1e6, OutputMS: float64(r.Decode) / 1e6,
	}
	t.PromptPerTokenMS, t.PromptPerSecond = rates(t.PromptN, t.PromptMS)
	t.OutputPerTokenMS, t.OutputPerSecond = rates(t.OutputN, t.OutputMS)
	return t
}

// rates are 0 where there is nothing to divide by.
func rates(tokens int, ms float64) (perTokenMS, perSecond float64) {
	if tokens > 0 {
		perTokenMS = ms / float64(tokens)
	}
	if ms > 0 {
		perSecond = 1000 * float64(tokens) / ms
	}
	return perTokenMS, perSecond
}

// appendJSON appends a value of our own, which always has a JSON form.
func appendJSON(b []byte, v any) []byte {
	j, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, j...)
}
