package protocol

import (
	"encoding/json"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// ollama is Ollama's own chat or generate: a JSON object a line, the last one with the account.
type ollama struct {
	chat     bool
	constant object // all but the options
	options  object
	limit    bool // requests say num_predict; else extra_body does
}

// newOllama pins num_ctx to the runtime's context: a request with another one would have the model loaded anew.
func newOllama(r scenarios.Runtime) (*ollama, error) {
	f := &ollama{chat: r.Protocol == "ollama"}
	if err := reserve(r.ExtraBody, "messages", "prompt"); err != nil {
		return nil, err
	}
	options := sampling(r.Sampling)
	if r.ContextTokens > 0 {
		options["num_ctx"] = r.ContextTokens
	}
	all := merged(map[string]any{"model": r.Model, "stream": true, "options": options}, r.ExtraBody)
	options, err := section(all, "options")
	if err != nil {
		return nil, err
	}
	_, set := options["num_predict"]
	f.limit = !set
	if f.options, err = newObject(options); err != nil {
		return nil, err
	}
	f.constant, err = newObject(all)
	return f, err
}

func (f *ollama) path() string {
	if f.chat {
		return "/api/chat"
	}
	return "/api/generate"
}

func (f *ollama) newline() bool { return true }

func (f *ollama) body(r load.Request) []byte {
	var w writer
	w.begin(f.constant)
	w.name("options")
	fields := w.fields
	w.begin(f.options)
	if limit := r.Prompt.OutputTokens; limit > 0 && f.limit {
		w.number("num_predict", limit)
	}
	w.end()
	w.fields = fields
	if f.chat {
		w.value("messages", r.Prompt.Messages)
	} else {
		w.value("prompt", text(r.Prompt.Messages))
	}
	w.end()
	return w.Bytes()
}

func (f *ollama) decoder() decoder {
	return &ollamaDecoder{fast: template{stamp: `"created_at":"`}} // which differs from line to line
}

type ollamaFrame struct {
	Message struct {
		Content   string            `json:"content"`
		Thinking  string            `json:"thinking"`
		ToolCalls []json.RawMessage `json:"tool_calls"`
	} `json:"message"`
	Response   string          `json:"response"`
	Thinking   string          `json:"thinking"`
	Error      json.RawMessage `json:"error"`
	Done       bool            `json:"done"`
	DoneReason string          `json:"done_reason"`

	LoadDuration       *int64 `json:"load_duration"` // ns, as the others
	PromptEvalCount    int32  `json:"prompt_eval_count"`
	PromptEvalDuration *int64 `json:"prompt_eval_duration"`
	EvalCount          int32  `json:"eval_count"`
	EvalDuration       *int64 `json:"eval_duration"`
}

type ollamaDecoder struct{ fast template }

func (d *ollamaDecoder) frame(data []byte, r *reading) error {
	if text := d.fast.match(data); text != nil {
		r.token(text, 1, tables.ChunkAnswer)
		return nil
	}
	f, err := decodeOllama(data)
	if err != nil {
		return err
	}
	f.into(r)
	if text := f.onlyText(); text != "" {
		d.fast.learn(data, text, ollamaText)
	}
	return nil
}

func (d *ollamaDecoder) document(data []byte, r *reading) error { return d.frame(data, r) }

func decodeOllama(data []byte) (*ollamaFrame, error) {
	f := new(ollamaFrame)
	if json.Unmarshal(data, f) != nil {
		return nil, garbled(data)
	}
	if isSet(f.Error) {
		return nil, inStream(data)
	}
	return f, nil
}

// ollamaText is a line's text where that is all it says; else "".
func ollamaText(data []byte) string {
	f, err := decodeOllama(data)
	if err != nil {
		return ""
	}
	return f.onlyText()
}

func (f *ollamaFrame) onlyText() string {
	text, kind, ok := f.says()
	if !ok || kind != tables.ChunkAnswer || f.Done || f.EvalCount != 0 {
		return ""
	}
	return text
}

func (f *ollamaFrame) into(r *reading) {
	if text, kind, ok := f.says(); ok {
		r.token([]byte(text), r.tokensIn(f.EvalCount), kind)
	}
	if !f.Done {
		return
	}
	r.complete, r.ended, r.finish = true, true, f.DoneReason
	// A prompt that the cache held may have no count: that is not known, not 0.
	r.usage.prompt = positive(f.PromptEvalCount)
	r.usage.output = positive(f.EvalCount)
	r.timings = timings{
		prefill: nanoseconds(f.PromptEvalDuration),
		decode:  nanoseconds(f.EvalDuration),
		load:    nanoseconds(f.LoadDuration),
	}
}

func (f *ollamaFrame) says() (text string, kind tables.ChunkKind, ok bool) {
	switch {
	case f.Message.Content != "":
		return f.Message.Content, tables.ChunkAnswer, true
	case f.Response != "":
		return f.Response, tables.ChunkAnswer, true
	case len(f.Message.ToolCalls) > 0:
		return "", tables.ChunkTool, true
	}
	return "", tables.ChunkReasoning, f.Message.Thinking != "" || f.Thinking != ""
}

func nanoseconds(ns *int64) tables.Null[int64] {
	if ns == nil || *ns < 0 {
		return tables.Null[int64]{}
	}
	return tables.Some(*ns)
}

// isTruncated tells whether Ollama cut a prompt. It does so without a word where the prompt is longer than its context,
// and counts what it kept: all that the context holds, by its newer runner, or about half of that, by its older one. A
// count well below what was wanted gives it away, and so does one that leaves no room for an answer.
func isTruncated(wanted int32, counted tables.Null[int32], context int) tables.Null[bool] {
	switch {
	case !counted.Valid:
		return tables.Null[bool]{}
	case context > 0 && int(counted.V) >= context:
		return tables.Some(true)
	case wanted == 0:
		return tables.Null[bool]{}
	}
	return tables.Some(counted.V < wanted-wanted/10)
}
