package embedded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ollamaRequest is what we understand of a request; the rest is ignored, as Ollama does.
type ollamaRequest struct {
	Model     string
	Messages  []Message
	Prompt    string
	System    string
	Raw       bool
	Stream    *bool           // absent means true
	KeepAlive json.RawMessage `json:"keep_alive"`
	Options   struct {
		NumPredict  int `json:"num_predict"`
		Temperature float64
		TopP        float64 `json:"top_p"`
		Seed        int64
		IgnoreEOS   bool `json:"ignore_eos"` // ours: Ollama has none
	}
}

func (h *Handler) ollamaChat(w http.ResponseWriter, r *http.Request) {
	h.ollama(w, r, ollamaForm{
		ask:   func(in ollamaRequest, p *Prompt) { p.Messages = in.Messages },
		text:  `"message":{"role":"assistant","content":`,
		other: `,"thinking":`,
		close: `}`,
	})
}

func (h *Handler) ollamaGenerate(w http.ResponseWriter, r *http.Request) {
	h.ollama(w, r, ollamaForm{
		ask: func(in ollamaRequest, p *Prompt) {
			switch {
			case in.Prompt == "":
			case in.Raw:
				p.Text = in.Prompt
			default: // a model with a chat template is asked through it
				if in.System != "" {
					p.Messages = append(p.Messages, Message{Role: "system", Content: in.System})
				}
				p.Messages = append(p.Messages, Message{Role: "user", Content: in.Prompt})
			}
		},
		text:  `"response":`,
		other: `,"thinking":`,
	})
}

// ollamaForm is what differs between chat and generate.
type ollamaForm struct {
	ask                func(ollamaRequest, *Prompt)
	text, other, close string
}

func (h *Handler) ollama(w http.ResponseWriter, r *http.Request, form ollamaForm) {
	h.answer(w, r, refuseOllama, func(body []byte) (question, error) {
		in, err := h.readOllama(body)
		if err != nil {
			return question{}, err
		}
		q := question{
			streaming: in.Stream == nil || *in.Stream,
			wire:      h.ollamaWire(form),
			prompt: Prompt{
				MaxTokens: max(in.Options.NumPredict, 0), Temperature: in.Options.Temperature, TopP: in.Options.TopP,
				Seed: in.Options.Seed, IgnoreEOS: in.Options.IgnoreEOS,
			},
		}
		form.ask(in, &q.prompt)
		if len(q.prompt.Messages) == 0 && q.prompt.Text == "" {
			q.done = ollamaLoaded(h.frame(nil), form, in)
		}
		return q, nil
	})
}

// ollamaLoaded answers a request without a question: the model is loaded, or would be unloaded.
func ollamaLoaded(b []byte, form ollamaForm, in ollamaRequest) []byte {
	reason := "load"
	if k := strings.Trim(string(in.KeepAlive), `"`); k == "0" || k == "0s" {
		reason = "unload"
	}
	b = append(b, form.text+`""`+form.close...)
	return fmt.Appendf(b, `,"done":true,"done_reason":%q}`, reason)
}

func (h *Handler) readOllama(body []byte) (ollamaRequest, error) {
	var in ollamaRequest
	if len(body) == 0 {
		return in, &Refusal{Status: http.StatusBadRequest, Type: invalidRequest, Message: "missing request body"}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, badJSON(err)
	}
	return in, h.knows(in.Model)
}

// knows refuses the name of another model; no name means the one that there is.
func (h *Handler) knows(name string) error {
	plain := strings.TrimSuffix(name, ":latest")
	if name == "" || plain == h.model.Name || name == h.model.Name || slices.Contains(h.o.Aliases, name) {
		return nil
	}
	return &Refusal{Status: http.StatusNotFound, Type: "not_found_error", Message: fmt.Sprintf("model '%s' not found", name)}
}

// frame begins a line: the model and the time.
func (h *Handler) frame(b []byte) []byte {
	b = appendString(append(b, `{"model":`...), h.model.Name)
	b = append(b, `,"created_at":"`...)
	b = time.Now().UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `",`...)
}

func (h *Handler) ollamaWire(form ollamaForm) wire {
	last := func(b []byte, a account) []byte {
		b = appendString(append(h.frame(b), form.text...), string(a.Answer))
		if len(a.Reasoning) > 0 {
			b = appendString(append(b, form.other...), string(a.Reasoning))
		}
		b = append(b, form.close...)
		return fmt.Appendf(b, `,"done":true,"done_reason":%q,"total_duration":%d,"load_duration":%d,"prompt_eval_count":%d,"prompt_eval_duration":%d,"eval_count":%d,"eval_duration":%d}`,
			a.Finish, a.Took.Nanoseconds(), a.Load.Nanoseconds(), a.PromptTokens, a.Prefill.Nanoseconds(), a.OutputTokens, a.Decode.Nanoseconds())
	}
	return wire{
		contentType: "application/x-ndjson",
		chunk: func(b []byte, c Chunk) []byte {
			b = append(h.frame(b), form.text...)
			if c.Kind == Reasoning {
				b = appendString(append(b, `""`+form.other...), c.Text)
			} else {
				b = appendString(b, c.Text)
			}
			return append(b, form.close+",\"done\":false}\n"...)
		},
		end:   func(b []byte, a account) []byte { return append(last(b, a), '\n') },
		whole: last,
		failure: func(b []byte, message string) []byte {
			return append(appendString(append(b, `{"error":`...), message), "}\n"...)
		},
		garbled: "{\"model\":\"\",\"created\n",
	}
}

// refuseOllama writes an error as Ollama does.
func refuseOllama(w http.ResponseWriter, err error) {
	r := refusal(err)
	retryAfter(w, r)
	writeJSON(w, r.Status, map[string]string{"error": r.Message})
}

type ollamaDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

func (h *Handler) ollamaDetails() ollamaDetails {
	return ollamaDetails{Format: "gguf", Families: []string{}, ParameterSize: parameterSize(h.model.Parameters), QuantizationLevel: h.model.Quantization}
}

// parameterSize writes a count of parameters as Ollama does: 213K, 4.3B.
func parameterSize(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0fK", float64(n)/1e3)
	default:
		return fmt.Sprint(n)
	}
}

type ollamaModel struct {
	Name          string        `json:"name"`
	Model         string        `json:"model"`
	ModifiedAt    *time.Time    `json:"modified_at,omitempty"`
	Size          int64         `json:"size"`
	Digest        string        `json:"digest"`
	Details       ollamaDetails `json:"details"`
	ExpiresAt     *time.Time    `json:"expires_at,omitempty"`
	SizeVRAM      *int64        `json:"size_vram,omitempty"`
	ContextLength int           `json:"context_length,omitempty"`
}

func (h *Handler) ollamaModel() ollamaModel {
	return ollamaModel{
		Name: h.model.Name, Model: h.model.Name, Size: h.model.SizeBytes,
		Digest: strings.TrimPrefix(h.model.Digest, "sha256:"), Details: h.ollamaDetails(),
	}
}

func (h *Handler) ollamaTags(w http.ResponseWriter, _ *http.Request) {
	m := h.ollamaModel()
	m.ModifiedAt = &h.started
	writeJSON(w, http.StatusOK, map[string]any{"models": []ollamaModel{m}})
}

// ollamaPS says that the model stays loaded: the year is Ollama's for keep_alive = -1.
func (h *Handler) ollamaPS(w http.ResponseWriter, _ *http.Request) {
	never := time.Date(2318, 1, 1, 0, 0, 0, 0, time.UTC)
	m := h.ollamaModel()
	m.ExpiresAt, m.SizeVRAM, m.ContextLength = &never, new(int64), h.model.ContextTokens
	writeJSON(w, http.StatusOK, map[string]any{"models": []ollamaModel{m}})
}

func (h *Handler) ollamaShow(w http.ResponseWriter, r *http.Request) {
	body, err := h.body(w, r)
	if err == nil {
		_, err = h.readOllama(body)
	}
	if err != nil {
		refuseOllama(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"modelfile": "", "parameters": "", "template": "", "details": h.ollamaDetails(), "capabilities": []string{"completion"},
		"model_info": map[string]any{"general.parameter_count": h.model.Parameters, "general.context_length": h.model.ContextTokens},
	})
}

func (h *Handler) ollamaVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"version": h.o.Version})
}
