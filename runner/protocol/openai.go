package protocol

import (
	"bytes"
	"encoding/json"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// openAI is OpenAI's chat completions, or its completions, as vLLM, SGLang, llama.cpp, Ollama and others serve them.
type openAI struct {
	chat      bool
	constant  object
	limit     string // the name of the limit on tokens; "": extra_body sets it
	ignoreEOS bool
}

// newOpenAI sends the limit as max_tokens, which every server knows; an extra_body with max_tokens = null has it sent
// as max_completion_tokens, which some models want instead.
func newOpenAI(r scenarios.Runtime) (*openAI, error) {
	f := &openAI{chat: r.Protocol == "openai", limit: "max_tokens", ignoreEOS: ignoresEOS(r)}
	if err := reserve(r.ExtraBody, "messages", "prompt"); err != nil {
		return nil, err
	}
	base := sampling(r.Sampling)
	base["model"] = r.Model
	base["stream"] = true
	base["stream_options"] = map[string]any{"include_usage": true}
	if v, ok := r.ExtraBody["max_tokens"]; ok {
		f.limit = ""
		if v == nil {
			f.limit = "max_completion_tokens"
		}
	}
	if _, ok := r.ExtraBody["max_completion_tokens"]; ok {
		f.limit = ""
	}
	if _, ok := r.ExtraBody["ignore_eos"]; ok {
		f.ignoreEOS = false
	}
	var err error
	f.constant, err = newObject(merged(base, r.ExtraBody))
	return f, err
}

func (f *openAI) path() string {
	if f.chat {
		return "/v1/chat/completions"
	}
	return "/v1/completions"
}

func (f *openAI) newline() bool { return false }

func (f *openAI) body(r load.Request) []byte {
	var w writer
	w.begin(f.constant)
	if limit := r.Prompt.OutputTokens; limit > 0 {
		if f.limit != "" {
			w.number(f.limit, limit)
		}
		if f.ignoreEOS { // without a limit the answer would never end
			w.value("ignore_eos", true)
		}
	}
	if f.chat {
		w.value("messages", r.Prompt.Messages)
	} else {
		w.value("prompt", text(r.Prompt.Messages))
	}
	w.end()
	return w.Bytes()
}

func (f *openAI) decoder() decoder { return new(openAIDecoder) }

type openAIFrame struct {
	Choices []openAIChoice  `json:"choices"`
	Usage   *openAIUsage    `json:"usage"`
	Timings *llamaTimings   `json:"timings"`
	Error   json.RawMessage `json:"error"`
	Object  string          `json:"object"`
}

type openAIChoice struct {
	Delta        openAIDelta `json:"delta"`
	Message      openAIDelta `json:"message"` // in an answer that was not streamed
	Text         string      `json:"text"`    // of completions
	FinishReason string      `json:"finish_reason"`
}

type openAIDelta struct {
	Content          string            `json:"content"`
	Refusal          string            `json:"refusal"`
	ReasoningContent string            `json:"reasoning_content"` // llama.cpp, SGLang, vLLM before 0.11
	Reasoning        string            `json:"reasoning"`         // Ollama, vLLM
	ToolCalls        []json.RawMessage `json:"tool_calls"`
	FunctionCall     json.RawMessage   `json:"function_call"`
}

type openAIUsage struct {
	PromptTokens        int32 `json:"prompt_tokens"`
	CompletionTokens    int32 `json:"completion_tokens"`
	PromptTokensDetails *struct {
		CachedTokens *int32 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails *struct {
		ReasoningTokens *int32 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	ReasoningTokens *int32 `json:"reasoning_tokens"` // SGLang
}

// llamaTimings are llama.cpp's: what the cache held, and how long prompt and answer took.
type llamaTimings struct {
	CacheN      *int32   `json:"cache_n"`
	PromptMS    *float64 `json:"prompt_ms"`
	PredictedMS *float64 `json:"predicted_ms"`
}

type openAIDecoder struct{ fast template }

var doneMark = []byte("[DONE]")

func (d *openAIDecoder) frame(data []byte, r *reading) error {
	if text := d.fast.match(data); text != nil {
		r.token(text, 1, tables.ChunkAnswer)
		return nil
	}
	if bytes.Equal(bytes.TrimSpace(data), doneMark) {
		r.complete, r.ended = true, true
		return nil
	}
	f, err := decodeOpenAI(data)
	if err != nil {
		return err
	}
	f.into(r)
	if text := f.onlyText(); text != "" {
		d.fast.learn(data, text, openAIText)
	}
	return nil
}

func (d *openAIDecoder) document(data []byte, r *reading) error {
	f, err := decodeOpenAI(data)
	if err != nil {
		return err
	}
	f.into(r)
	r.complete = len(f.Choices) > 0
	return nil
}

func decodeOpenAI(data []byte) (*openAIFrame, error) {
	f := new(openAIFrame)
	if json.Unmarshal(data, f) != nil {
		return nil, garbled(data)
	}
	if isSet(f.Error) || f.Object == "error" {
		return nil, inStream(data)
	}
	return f, nil
}

// openAIText is a frame's text where that is all it says; else "".
func openAIText(data []byte) string {
	f, err := decodeOpenAI(data)
	if err != nil {
		return ""
	}
	return f.onlyText()
}

func (f *openAIFrame) onlyText() string {
	if len(f.Choices) != 1 || f.Usage != nil || f.Timings != nil || f.Choices[0].FinishReason != "" {
		return ""
	}
	text, kind, ok := f.Choices[0].says()
	if !ok || kind != tables.ChunkAnswer {
		return ""
	}
	return text
}

func (f *openAIFrame) into(r *reading) {
	total := int32(0)
	if f.Usage != nil {
		total = f.Usage.CompletionTokens
	}
	for i := range f.Choices {
		c := &f.Choices[i]
		if text, kind, ok := c.says(); ok {
			r.token([]byte(text), r.tokensIn(total), kind)
		}
		if c.FinishReason != "" {
			r.finish, r.complete = c.FinishReason, true // usage and [DONE] may follow
		}
	}
	f.Timings.into(r)
	f.Usage.into(&r.usage)
}

// says is what a choice adds to the answer; false: nothing, as with the chunk that only names the role. A chunk with
// reasoning and answer is an answer: it ends the wait for one.
func (c *openAIChoice) says() (text string, kind tables.ChunkKind, ok bool) {
	for _, d := range []*openAIDelta{&c.Delta, &c.Message} {
		switch {
		case d.Content != "":
			return d.Content, tables.ChunkAnswer, true
		case d.Refusal != "":
			return d.Refusal, tables.ChunkAnswer, true
		case len(d.ToolCalls) > 0 || isSet(d.FunctionCall):
			return "", tables.ChunkTool, true
		case d.ReasoningContent != "" || d.Reasoning != "":
			return "", tables.ChunkReasoning, true
		}
	}
	return c.Text, tables.ChunkAnswer, c.Text != ""
}

// into keeps what is known of the counts: servers write zeros for what they don't know yet.
func (u *openAIUsage) into(all *usage) {
	if u == nil || u.PromptTokens == 0 && u.CompletionTokens == 0 {
		return
	}
	all.prompt = positive(u.PromptTokens)
	all.output = positive(u.CompletionTokens)
	if d := u.PromptTokensDetails; d != nil && d.CachedTokens != nil {
		all.cached = tables.Some(*d.CachedTokens)
	}
	if d := u.CompletionTokensDetails; d != nil && d.ReasoningTokens != nil {
		all.reasoning = tables.Some(*d.ReasoningTokens)
	} else if u.ReasoningTokens != nil {
		all.reasoning = tables.Some(*u.ReasoningTokens)
	}
}

func (l *llamaTimings) into(r *reading) {
	if l == nil {
		return
	}
	if l.CacheN != nil {
		r.usage.cached = tables.Some(*l.CacheN)
	}
	r.timings = timings{prefill: milliseconds(l.PromptMS), decode: milliseconds(l.PredictedMS)}
}
