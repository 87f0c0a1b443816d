package protocol

import (
	"reflect"
	"testing"

	"github.com/llmscen/llmscen/scenarios"
)

func TestGreedyRequestsChooseNothingAndLetAnswersEnd(t *testing.T) {
	seed, on := int64(7), true
	r := scenarios.Runtime{
		Engine: "vllm", Sampling: scenarios.Sampling{Temperature: 0.8, TopP: 0.9, Seed: &seed, IgnoreEOS: &on},
		ExtraBody: map[string]any{
			"temperature": 1.0, "ignore_eos": true, "max_tokens": nil, "chat_template_kwargs": "kept",
			"options": map[string]any{"top_k": 40, "num_ctx": 4096},
		},
	}
	before := len(r.ExtraBody)
	g := Greedy(r)
	if ignoresEOS(g) || g.Sampling.Temperature != 0 || g.Sampling.TopP != 0 || g.Sampling.Seed != nil {
		t.Errorf("the sampling is %+v", g.Sampling)
	}
	want := map[string]any{"max_tokens": nil, "chat_template_kwargs": "kept", "options": map[string]any{"num_ctx": 4096}}
	if !reflect.DeepEqual(g.ExtraBody, want) {
		t.Errorf("the body has %v", g.ExtraBody)
	}
	if len(r.ExtraBody) != before || len(r.ExtraBody["options"].(map[string]any)) != 2 {
		t.Errorf("the runtime's own body became %v", r.ExtraBody)
	}
	if got := Greedy(scenarios.Runtime{ExtraBody: map[string]any{"max_tokens": 9}}); len(got.ExtraBody) != 0 {
		t.Errorf("the body has %v", got.ExtraBody)
	}
}
