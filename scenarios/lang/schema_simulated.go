package lang

import "github.com/llmscen/llmscen/scenarios"

func simulatedKind() kind {
	return kind{
		name: "simulated", doc: "A server of known latencies that llmscen carries: the ground truth for measurements.",
		attributes: []attribute{
			{name: "time_to_first_token", is: times, fallback: `"50ms"`, doc: "From the start of work on a request to its first token: a duration, or a distribution of durations.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.TimeToFirstToken })},
			{name: "inter_token_latency", is: times, absent: "10ms, or from tokens_per_second", doc: "From token to token: a duration, or a distribution of durations.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.InterTokenLatency })},
			{name: "tokens_per_second", is: positive, absent: "from inter_token_latency", doc: "The other way to say it: tokens that one request gets a second.",
				into: field(func(r *scenarios.Runtime) any { return tokenRate{&r.Simulated.InterTokenLatency} })},
			{name: "jitter", is: times, absent: "none", doc: "Added to each token's time.",
				into: field(func(r *scenarios.Runtime) any {
					r.Simulated.Jitter = &scenarios.Distribution{}
					return r.Simulated.Jitter
				})},
			{name: "prefill_tokens_per_second", is: positive, absent: "prompts cost nothing", doc: "How fast a prompt is read.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.PrefillTokensPerSecond })},
			{name: "parallel", is: count, absent: "as many as there are requests", doc: "Requests that are worked on at once.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.Parallel })},
			{name: "queue_limit", is: count, absent: "no limit", doc: "Requests that may wait for a slot; beyond it they are refused with 503.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.QueueLimit })},
			{name: "tokens_per_chunk", is: count, fallback: "1", doc: "Tokens in each chunk of the stream.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.TokensPerChunk })},
			{name: "role_chunk", is: choice("none", "early", "first"), fallback: `"first"`, doc: "The chunk with the role and no token: not sent, sent when the request comes, or just before the first token.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.RoleChunk })},
			{name: "reasoning_tokens", is: countOrNone, fallback: "0", doc: "Tokens of reasoning before the answer.",
				into: field(func(r *scenarios.Runtime) any { return &r.Simulated.ReasoningTokens })},
		},
		blocks: []blockType{faultBlock()},
	}
}

func faultBlock() blockType {
	return blockType{
		name: "fault", label: "KIND", doc: "A misbehaviour of the server.",
		names: []string{"error", "in_stream_error", "truncate", "garble", "stall", "reset", "slow_accept"},
		into: func(parent any, label string) any {
			s := parent.(*scenarios.Runtime).Simulated
			s.Faults = append(s.Faults, scenarios.Fault{Kind: label})
			return &s.Faults[len(s.Faults)-1]
		},
		attributes: []attribute{
			{name: "ratio", is: ratio, doc: "The share of requests that suffer it; this or at.",
				into: field(func(f *scenarios.Fault) any { return &f.Ratio })},
			{name: "at", is: duration, doc: "From when on all requests suffer it, since the server's start; this or ratio.",
				into: field(func(f *scenarios.Fault) any { return &f.At })},
			{name: "for", is: positiveDuration, doc: "With at: how long. With ratio: the length of a stall or of a slow accept.",
				into: field(func(f *scenarios.Fault) any { return &f.For })},
			{name: "status", is: httpStatus, absent: "500", doc: "error: the HTTP status.",
				into: field(func(f *scenarios.Fault) any { return &f.Status })},
			{name: "after", is: count, absent: "half of them", doc: "Faults in the stream: after so many tokens.",
				into: field(func(f *scenarios.Fault) any { return &f.After })},
			{name: "seed", is: integer, fallback: "0", doc: "The seed of the choice of requests.",
				into: field(func(f *scenarios.Fault) any { return &f.Seed })},
		},
	}
}
