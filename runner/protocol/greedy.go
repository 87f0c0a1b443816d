package protocol

import (
	"maps"

	"github.com/llmscen/llmscen/scenarios"
)

// chosen are the fields by which bodies choose tokens or end answers, at their top or in the object where a protocol has them.
var chosen = []string{
	"temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "repeat_penalty", "repetition_penalty",
	"presence_penalty", "frequency_penalty", "do_sample", "mirostat", "ignore_eos", "min_tokens", "stop",
	"max_completion_tokens", "num_predict", "max_new_tokens", "n", "best_of",
}

// Greedy is the runtime asked so that it always takes the likeliest token, and ends where the model ends, whatever the
// scenario samples.
func Greedy(r scenarios.Runtime) scenarios.Runtime {
	ends := false
	r.Sampling = scenarios.Sampling{IgnoreEOS: &ends}
	if r.ExtraBody == nil {
		return r
	}
	r.ExtraBody = without(r.ExtraBody)
	for _, name := range []string{"options", "parameters"} {
		if m, ok := r.ExtraBody[name].(map[string]any); ok {
			r.ExtraBody[name] = without(m)
		}
	}
	return r
}

func without(body map[string]any) map[string]any {
	body = maps.Clone(body)
	for _, name := range chosen {
		delete(body, name)
	}
	if body["max_tokens"] != nil { // null says how the limit is called, and stays
		delete(body, "max_tokens")
	}
	return body
}
