package protocol

import (
	"encoding/json"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// tgi is text-generation-inference's own /generate_stream: an event a token, the last one with the account.
type tgi struct {
	constant   object
	parameters object
	limit      bool // requests say max_new_tokens; else extra_body does
}

// newTGI sends no temperature of 0, which the server refuses: greedy is do_sample = false there.
func newTGI(r scenarios.Runtime) (*tgi, error) {
	f := new(tgi)
	if err := reserve(r.ExtraBody, "inputs"); err != nil {
		return nil, err
	}
	parameters := sampling(r.Sampling)
	parameters["details"] = true
	parameters["do_sample"] = r.Sampling.Temperature > 0
	if r.Sampling.Temperature <= 0 {
		delete(parameters, "temperature")
	}
	all := merged(map[string]any{"parameters": parameters}, r.ExtraBody)
	parameters, err := section(all, "parameters")
	if err != nil {
		return nil, err
	}
	_, set := parameters["max_new_tokens"]
	f.limit = !set
	if f.parameters, err = newObject(parameters); err != nil {
		return nil, err
	}
	f.constant, err = newObject(all)
	return f, err
}

func (f *tgi) path() string { return "/generate_stream" }

func (f *tgi) newline() bool { return false }

func (f *tgi) body(r load.Request) []byte {
	var w writer
	w.begin(f.constant)
	w.name("parameters")
	fields := w.fields
	w.begin(f.parameters)
	if limit := r.Prompt.OutputTokens; limit > 0 && f.limit {
		w.number("max_new_tokens", limit)
	}
	w.end()
	w.fields = fields
	w.value("inputs", text(r.Prompt.Messages))
	w.end()
	return w.Bytes()
}

func (f *tgi) decoder() decoder { return tgiDecoder{} }

type tgiFrame struct {
	Token struct {
		Text    string `json:"text"`
		Special bool   `json:"special"`
	} `json:"token"`
	GeneratedText *string `json:"generated_text"` // of the last event only
	Details       *struct {
		FinishReason    string `json:"finish_reason"`
		GeneratedTokens int32  `json:"generated_tokens"`
		InputLength     int32  `json:"input_length"`
	} `json:"details"`
	Error json.RawMessage `json:"error"`
}

type tgiDecoder struct{}

func (tgiDecoder) frame(data []byte, r *reading) error {
	f, err := decodeTGI(data)
	if err != nil {
		return err
	}
	// A special token, such as the one that ends the text, is not part of the answer.
	if f.Token.Text != "" && !f.Token.Special {
		r.token([]byte(f.Token.Text), 1, tables.ChunkAnswer)
	}
	f.end(r)
	return nil
}

// document is what /generate answers.
func (tgiDecoder) document(data []byte, r *reading) error {
	f, err := decodeTGI(data)
	if err != nil {
		return err
	}
	if f.GeneratedText != nil && *f.GeneratedText != "" {
		r.token([]byte(*f.GeneratedText), 1, tables.ChunkAnswer)
	}
	f.end(r)
	return nil
}

func decodeTGI(data []byte) (*tgiFrame, error) {
	f := new(tgiFrame)
	if json.Unmarshal(data, f) != nil {
		return nil, garbled(data)
	}
	if isSet(f.Error) {
		return nil, inStream(data)
	}
	return f, nil
}

func (f *tgiFrame) end(r *reading) {
	if f.GeneratedText != nil {
		r.complete, r.ended = true, true
	}
	if d := f.Details; d != nil {
		r.finish = d.FinishReason
		r.usage.prompt, r.usage.output = positive(d.InputLength), positive(d.GeneratedTokens)
	}
}
