//go:build engines

package check

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// strange asks two servers that others might have written, by commands.
const strange = `scenario "strange" {}

runtime "command" "python" {
  command  = ["python3", %q, "$${port}"]
  model    = "parrot"
  protocol = "openai"
}

runtime "command" "node" {
  command  = ["node", %q, "$${port}"]
  model    = "parrot"
  protocol = "ollama"
}

prompt_set "inline" "p" {
  for_each      = toset(["speak", "fail"])
  prompts       = [each.value]
  output_tokens = 16
}

load "closed_loop" "l" {
  users    = 3
  requests = 30
}

run "r" {
  matrix = {
    runtime = [runtime.python, runtime.node]
    prompt  = ["speak", "fail"]
  }
  runtime     = matrix.runtime
  prompt_set  = prompt_set.p[matrix.prompt]
  load        = load.l
  keep_bodies = "all"
  collect     = []
}
`

func TestServersOfAnotherMakeAreReadRight(t *testing.T) {
	python, err := filepath.Abs(filepath.Join("testdata", "sse_server.py"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := filepath.Abs(filepath.Join("testdata", "ndjson_server.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	db := applied(t, fmt.Sprintf(strange, python, node))
	for _, c := range []struct {
		runtime, prompt, output string
		chunks                  int
		answer                  int // the first chunk that is no reasoning
		prompts, cached, tokens tables.Null[int32]
		reasoning               tables.Null[int32]
		source                  tables.TokenSource
		finish                  string
		kind                    tables.ErrorKind
		text                    string
		loaded                  tables.Null[int64]
	}{
		{"runtime.python", "speak", "Grüße aus 東京.\n\ndata: x", 8, 2, tables.Some[int32](7), tables.Some[int32](3), tables.Some[int32](9), tables.Some[int32](2), tables.TokensFromUsage, "stop", "", "", tables.Null[int64]{}},
		{"runtime.python", "fail", "", 0, 0, tables.Null[int32]{}, tables.Null[int32]{}, tables.Null[int32]{}, tables.Null[int32]{}, "", "", tables.ErrInstream, "500: out of parrots", tables.Null[int64]{}},
		{"runtime.node", "speak", "Grüße aus 東京.", 4, 0, tables.Some[int32](7), tables.Null[int32]{}, tables.Some[int32](4), tables.Null[int32]{}, tables.TokensFromUsage, "stop", "", "", tables.Some[int64](1e6)},
		{"runtime.node", "fail", "Grüße aus 東京.", 4, 0, tables.Null[int32]{}, tables.Null[int32]{}, tables.Some[int32](4), tables.Some[int32](0), tables.TokensFromChunks, "", tables.ErrInstream, "out of parrots", tables.Null[int64]{}},
	} {
		where := fmt.Sprintf("trial_id in (select trial_id from trials where runtime = '%s' and cell['prompt'] = '%s')", c.runtime, c.prompt)
		all := rows(t, db, where)
		if len(all) != 30 {
			t.Errorf("%s %s: %d rows", c.runtime, c.prompt, len(all))
		}
		for _, r := range all {
			if len(r.TokenDeltaUS) != c.chunks || r.PromptTokens != c.prompts || r.CachedPromptTokens != c.cached || r.OutputTokens != c.tokens || r.ReasoningTokens != c.reasoning ||
				r.TokenSource != c.source || r.FinishReason != c.finish || r.ErrorKind != c.kind || r.ErrorText != c.text || r.ServerLoadNS != c.loaded || r.HTTPStatus != 200 {
				t.Errorf("%s %s: %s %q %+v", c.runtime, c.prompt, r.ErrorKind, r.ErrorText, r)
			}
			if c.answer > 0 && (r.FirstAnswerTokenAt < r.FirstTokenAt || len(r.ChunkKinds) != c.chunks || r.ChunkKinds[c.answer-1] != tables.ChunkReasoning || r.ChunkKinds[c.answer] != tables.ChunkAnswer) {
				t.Errorf("reasoning and answer are mixed: %+v", r)
			}
		}
		bodies, err := warehouse.Rows[tables.Body](t.Context(), db, "from bodies where seq >= 0 and "+where)
		if err != nil || len(bodies) != 30 {
			t.Errorf("%s %s: %d bodies, %v", c.runtime, c.prompt, len(bodies), err)
		}
		for _, b := range bodies {
			if b.Output != c.output {
				t.Errorf("%s %s: %q, want %q", c.runtime, c.prompt, b.Output, c.output)
			}
		}
	}
}
