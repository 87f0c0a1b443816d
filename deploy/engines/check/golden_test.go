//go:build engines

package check

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/llmscen/llmscen/warehouse"
)

// answers are what golden.json has of the carried model.
type answers struct {
	Model string `json:"model"`
	Chat  []struct {
		User         string `json:"user"`
		Output       string `json:"output"`
		FinishReason string `json:"finish_reason"`
		PromptTokens int32  `json:"prompt_tokens"`
		OutputTokens int32  `json:"output_tokens"`
	} `json:"chat"`
	Sampling struct {
		MaxTokens int `json:"max_tokens"`
	} `json:"sampling"`
}

func golden(t *testing.T) answers {
	t.Helper()
	text, err := os.ReadFile("../../../runner/embedded/wasm/testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Models []answers }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, a := range all.Models {
		if a.Model == tiny+".gguf" {
			return a
		}
	}
	t.Fatal("golden.json has nothing of the carried model")
	return answers{}
}

// each asks every engine, started by the apply, by each of its protocols that knows of chats.
const each = `scenario "golden" {}

runtime "wasm" "wasm" {
  context_tokens = 512
}

runtime "llamacpp" "llamacpp" {
  model          = "tiny-austen-gemma3"
  context_tokens = 512
  parallel       = 1
  threads        = 1
}

runtime "wllama" "wllama" {
  model          = "tiny-austen-gemma3"
  context_tokens = 512
}

runtime "ollama" "ollama" {
  for_each       = { ollama = "ollama", ollama_generate = "ollama_generate", openai = "openai" }
  protocol       = each.value
  model          = "tiny-austen-gemma3"
  context_tokens = 512
  parallel       = 1
  threads        = 1
}

prompt_set "inline" "p" {
  prompts       = %s
  output_tokens = %d
}

load "closed_loop" "l" {
  users    = 1
  requests = %d
}

run "r" {
  matrix = {
    runtime = [runtime.wasm, runtime.llamacpp, runtime.wllama, runtime.ollama["ollama"], runtime.ollama["ollama_generate"], runtime.ollama["openai"]]
  }

  runtime     = matrix.runtime
  prompt_set  = prompt_set.p
  load        = load.l
  keep_bodies = "all"

  sampling {
    temperature = 0
    ignore_eos  = false
  }
}
`

const asked = 6 // runtimes of each

func TestAllEnginesGiveTheSameGreedyAnswers(t *testing.T) {
	want := golden(t)
	var prompts []string
	for _, c := range want.Chat {
		prompts = append(prompts, c.User)
	}
	list, err := json.Marshal(prompts)
	if err != nil {
		t.Fatal(err)
	}
	db := applied(t, fmt.Sprintf(each, list, want.Sampling.MaxTokens, len(prompts)))

	type row struct {
		Runtime string `col:"runtime"`
		Prompt  int64  `col:"prompt_id"`
		Output  string `col:"output,null"`
		Finish  string `col:"finish_reason,null"`
		In      int32  `col:"prompt_tokens"`
		Out     int32  `col:"output_tokens"`
		Source  string `col:"token_source,null"`
	}
	all, err := warehouse.Rows[row](t.Context(), db, `select runtime, prompt_id, output, finish_reason, prompt_tokens, output_tokens, token_source
		from requests join trials using (apply, trial_id) left join bodies using (apply, trial_id, seq, attempt)
		where seq >= 0 and error_kind is null`)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != asked*len(prompts) {
		t.Errorf("%d requests of %d were answered", len(all), asked*len(prompts))
	}
	for _, r := range all {
		w := want.Chat[r.Prompt]
		if got := (row{r.Runtime, r.Prompt, w.Output, w.FinishReason, w.PromptTokens, w.OutputTokens, "usage"}); r != got {
			t.Errorf("got  %+v\nwant %+v", r, got)
		}
	}
	// The identity prompts, by which compare tells whether runtimes serve the same model.
	if n := number(t, db, "select count(distinct answers_sha256) + 100 * count(*) filter (answers_sha256 is null) from trials"); n != 1 {
		t.Errorf("the answers to the identity prompts differ, or lack: %d", n)
	}
	if n := number(t, db, "select count(distinct model_digest) from trials"); n != 1 {
		t.Errorf("one file has %d digests", n)
	}
}
