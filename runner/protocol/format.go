package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// format is one wire format: how a request is written and an answer is read.
type format interface {
	path() string
	// newline: frames are lines of JSON; else server-sent events.
	newline() bool
	body(load.Request) []byte
	decoder() decoder
}

// decoder reads one answer. What it can't read, or is told of an error, is a *fault.
type decoder interface {
	// frame reads a frame of a stream.
	frame(data []byte, r *reading) error
	// document reads an answer that was not streamed.
	document(data []byte, r *reading) error
}

func newFormat(r scenarios.Runtime) (format, error) {
	switch r.Protocol {
	case "openai", "openai_completions":
		return newOpenAI(r)
	case "ollama", "ollama_generate":
		return newOllama(r)
	case "tgi":
		return newTGI(r)
	}
	return nil, fmt.Errorf("there is no protocol %q", r.Protocol)
}

// object is a JSON object whose constant part is marshalled once.
type object struct {
	constant []byte // without the closing brace
	fields   int
}

func newObject(constant map[string]any) (object, error) {
	b, err := json.Marshal(constant)
	if err != nil {
		return object{}, err
	}
	return object{b[:len(b)-1], len(constant)}, nil
}

// section takes an object out of another one.
func section(all map[string]any, name string) (map[string]any, error) {
	v, ok := all[name]
	if !ok {
		return map[string]any{}, nil
	}
	delete(all, name)
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("extra_body's %s is no object", name)
	}
	return m, nil
}

// writer writes one object: the constant part, then fields, then end.
type writer struct {
	bytes.Buffer
	fields int
}

func (w *writer) begin(o object) {
	w.Write(o.constant)
	w.fields = o.fields
}

func (w *writer) name(name string) {
	if w.fields > 0 {
		w.WriteByte(',')
	}
	w.fields++
	w.WriteByte('"')
	w.WriteString(name)
	w.WriteString(`":`)
}

func (w *writer) number(name string, n int32) {
	w.name(name)
	w.WriteString(strconv.Itoa(int(n)))
}

// value writes v, which must be of a kind that JSON can hold.
func (w *writer) value(name string, v any) {
	w.name(name)
	encoder := json.NewEncoder(&w.Buffer)
	encoder.SetEscapeHTML(false) // prompts of code would grow
	if encoder.Encode(v) == nil {
		w.Truncate(w.Len() - 1) // its line end
	}
}

func (w *writer) end() { w.WriteByte('}') }

// merged is base with extra over it: objects are merged, null takes a field out.
func merged(base, extra map[string]any) map[string]any {
	all := maps.Clone(base)
	for name, v := range extra {
		under, isObject := all[name].(map[string]any)
		over, both := v.(map[string]any)
		switch {
		case v == nil:
			delete(all, name)
		case isObject && both:
			all[name] = merged(under, over)
		default:
			all[name] = v
		}
	}
	return all
}

// reserve refuses an extra_body with a field that each request fills itself.
func reserve(extra map[string]any, names ...string) error {
	for _, name := range names {
		if _, ok := extra[name]; ok {
			return fmt.Errorf("extra_body can't set %s, which each request sets itself", name)
		}
	}
	return nil
}

// sampling is what every protocol calls the same.
func sampling(s scenarios.Sampling) map[string]any {
	m := map[string]any{"temperature": s.Temperature}
	if s.TopP > 0 {
		m["top_p"] = s.TopP
	}
	if s.Seed != nil {
		m["seed"] = *s.Seed
	}
	return m
}

// ignoresEOS tells whether requests ask that an answer goes on to its limit: where the scenario says so, and, where it
// says nothing, where the engine is known to understand it.
func ignoresEOS(r scenarios.Runtime) bool {
	if r.Sampling.IgnoreEOS != nil {
		return *r.Sampling.IgnoreEOS
	}
	switch r.Engine {
	case "wasm", "simulated", "llamacpp", "vllm", "sglang":
		return true
	}
	return false
}

// text is a chat as one text, for protocols that complete one.
func text(messages []load.Message) string {
	if len(messages) == 1 {
		return messages[0].Content
	}
	parts := make([]string, len(messages))
	for i, m := range messages {
		parts[i] = m.Content
	}
	return strings.Join(parts, "\n\n")
}
