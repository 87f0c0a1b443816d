package wasm

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
)

// golden is testdata/golden.json: what llama.cpp, Ollama and wllama answered.
type golden struct {
	Models []struct {
		Model    string
		Sampling struct {
			MaxTokens int `json:"max_tokens"`
		}
		Chat []struct {
			User         string
			PromptTokens int `json:"prompt_tokens"`
			Output       string
			OutputTokens int    `json:"output_tokens"` // 0: not recorded
			FinishReason string `json:"finish_reason"` // "": not recorded
		}
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// randomModel unpacks the model that training/make_tiny_gemma3.py makes with its defaults.
func randomModel(t testing.TB) string {
	t.Helper()
	packed, err := os.Open("testdata/random-gemma3.gguf.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "random-gemma3.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, z); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// answer is all the text of an answer, and the tokens that its chunks count.
func answer(t testing.TB, e *Engine, p embedded.Prompt) (text string, tokens int, result embedded.Result) {
	t.Helper()
	var b strings.Builder
	result, err := e.Generate(t.Context(), p, func(c embedded.Chunk) error {
		b.WriteString(c.Text)
		tokens += c.Tokens
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), tokens, result
}

func user(text string) []embedded.Message { return []embedded.Message{{Role: "user", Content: text}} }

func TestAnswersAreThoseOfTheOtherRuntimes(t *testing.T) {
	paths := map[string]string{
		"tiny-austen-gemma3.gguf":               "",
		"make_tiny_gemma3.py with its defaults": randomModel(t),
	}
	for _, m := range readGolden(t).Models {
		path, ok := paths[m.Model]
		if !ok {
			t.Fatalf("golden.json has a model that the test doesn't know: %q", m.Model)
		}
		e := newEngine(t, Options{ModelPath: path})
		for _, c := range m.Chat {
			text, tokens, r := answer(t, e, embedded.Prompt{Messages: user(c.User), MaxTokens: m.Sampling.MaxTokens})
			if text != c.Output {
				t.Errorf("%s, %q: the answer is\n%q, the others gave\n%q", m.Model, c.User, text, c.Output)
			}
			if r.PromptTokens != c.PromptTokens {
				t.Errorf("%s, %q: %d prompt tokens, the others counted %d", m.Model, c.User, r.PromptTokens, c.PromptTokens)
			}
			if c.OutputTokens != 0 && r.OutputTokens != c.OutputTokens {
				t.Errorf("%s, %q: %d tokens, the others counted %d", m.Model, c.User, r.OutputTokens, c.OutputTokens)
			}
			if c.FinishReason != "" && r.Finish != c.FinishReason {
				t.Errorf("%s, %q: finished by %q, the others by %q", m.Model, c.User, r.Finish, c.FinishReason)
			}
			ending := 0
			if r.Finish == "stop" {
				ending = 1
			}
			if tokens+ending != r.OutputTokens {
				t.Errorf("%s, %q: chunks of %d tokens for an answer of %d", m.Model, c.User, tokens, r.OutputTokens)
			}
		}
	}
}

// TestLongPromptsAndChatsAreAsInLlamaCpp goes beyond the sliding window, and to what a chat and a text may hold.
func TestLongPromptsAndChatsAreAsInLlamaCpp(t *testing.T) {
	b, err := os.ReadFile("testdata/llamacpp.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Chats []struct {
			Messages     []embedded.Message
			MaxTokens    int `json:"max_tokens"`
			PromptTokens int `json:"prompt_tokens"`
			Output       string
		}
		Tokenized []struct {
			Text string
			IDs  []int32
		}
	}
	if err := json.Unmarshal(b, &captured); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Options{})
	for _, c := range captured.Chats {
		text, _, r := answer(t, e, embedded.Prompt{Messages: c.Messages, MaxTokens: c.MaxTokens})
		if text != c.Output || r.PromptTokens != c.PromptTokens {
			t.Errorf("%d prompt tokens, answer\n%q; llama.cpp: %d,\n%q", r.PromptTokens, text, c.PromptTokens, c.Output)
		}
	}
	for _, c := range captured.Tokenized {
		ids, err := e.Tokenize(t.Context(), c.Text)
		if err != nil || !slices.Equal(ids, c.IDs) {
			t.Errorf("%q: %v, %v; llama.cpp: %v", c.Text, ids, err, c.IDs)
		}
	}
}
