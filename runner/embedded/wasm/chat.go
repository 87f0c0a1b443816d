package wasm

import (
	"strings"

	"github.com/llmscen/llmscen/runner/embedded"
)

// promptTokens is a prompt as the model was trained to see it: a chat in Gemma's turns, or a text to go on with.
func (e *Engine) promptTokens(p embedded.Prompt) []int32 {
	text := p.Text
	if len(p.Messages) > 0 {
		text = chat(p.Messages)
	}
	ids := e.tokenizer.Encode(text, true)
	if e.tokenizer.AddsBOS() {
		ids = append([]int32{e.tokenizer.BOS()}, ids...)
	}
	return ids
}

// chat writes messages as the carried model's tokenizer.chat_template does: Gemma's, with the role of a system message
// passed through.
func chat(messages []embedded.Message) string {
	var b strings.Builder
	for _, m := range messages {
		role := m.Role
		if role == "assistant" {
			role = "model"
		}
		b.WriteString("<start_of_turn>" + role + "\n" + strings.TrimSpace(m.Content) + "<end_of_turn>\n")
	}
	b.WriteString("<start_of_turn>model\n")
	return b.String()
}
