package lang

import "github.com/llmscen/llmscen/scenarios"

func promptSetBlock() blockType {
	path := attribute{name: "path", is: filePath, required: true, doc: "The file, below the scenario's folder.",
		into: field(func(p *scenarios.PromptSet) any { return &p.Path })}
	sample := attribute{name: "sample", is: count, absent: "all", doc: "How many of the file's rows, chosen by the seed.",
		into: field(func(p *scenarios.PromptSet) any { return &p.Sample })}
	column := attribute{name: "column", is: text, fallback: `"prompt"`, doc: "The column that holds the prompt.",
		into: field(func(p *scenarios.PromptSet) any { return &p.Column })}
	prompts := attribute{name: "prompts", is: count, fallback: "1000", doc: "How many different ones.",
		into: field(func(p *scenarios.PromptSet) any { return &p.Prompts })}
	return blockType{
		name: "prompt_set", label: "NAME", referable: true,
		doc: "What is asked.",
		kinds: []kind{
			{name: "synthetic", doc: "Seeded words of wanted lengths.",
				attributes: append([]attribute{prompts, cache("cold")}, lengths("128", "64")...),
				blocks:     []blockType{sharedPrefixBlock()}},
			{name: "jsonl", doc: "A JSON object a line: prompt or messages, and maybe output_tokens; ShareGPT's form is recognised. Never read whole.",
				attributes: append([]attribute{path, sample, cache("as_is")}, lengths("", "")...)},
			{name: "csv", doc: "A row a prompt, under a header.",
				attributes: append([]attribute{path, sample, column, cache("as_is")}, lengths("", "")...)},
			{name: "text", doc: "A line a prompt.",
				attributes: append([]attribute{path, sample, cache("as_is")}, lengths("", "")...)},
			{name: "parquet", doc: "A row a prompt.",
				attributes: append([]attribute{path, sample, column, cache("as_is")}, lengths("", "")...)},
			conversationKind(prompts, sample),
			{name: "inline", doc: "Prompts in the scenario itself.",
				attributes: append([]attribute{
					{name: "prompts", is: someTexts, required: true, doc: "The prompts.",
						into: field(func(p *scenarios.PromptSet) any { return &p.Inline })},
					cache("as_is"),
				}, lengths("", "")...)},
		},
		attributes: promptSetAttributes(),
	}
}

func promptSetAttributes() []attribute {
	return []attribute{
		{name: "seed", is: integer, fallback: "0", doc: "The seed of all that is drawn.",
			into: field(func(p *scenarios.PromptSet) any { return &p.Seed })},
		{name: "tokenizer", is: tokenizer, fallback: `"calibrate"`, doc: "How lengths are reached: calibrate (tokens per word are learned from the server's usage), runtime (its /tokenize), or the path of a tokenizer or GGUF file below the scenario's folder.",
			into: field(func(p *scenarios.PromptSet) any { return &p.Tokenizer })},
		{name: "system", is: text, doc: "The system message before each prompt.",
			into: field(func(p *scenarios.PromptSet) any { return &p.System })},
		{name: "max_prompt_bytes", is: size, fallback: `"16MiB"`, doc: "Longer prompts are refused.",
			into: field(func(p *scenarios.PromptSet) any { return &p.MaxPromptBytes })},
	}
}

// lengths are the attributes of wanted lengths, with their fallbacks.
func lengths(prompt, output string) []attribute {
	rows := []attribute{
		{name: "output_tokens", is: tokens, fallback: output, absent: "what the rows say, else what the server gives", doc: "The answers' lengths: a number or a distribution.",
			into: field(func(p *scenarios.PromptSet) any { return &p.OutputTokens })},
	}
	if prompt != "" {
		rows = append(rows, attribute{name: "prompt_tokens", is: tokens, fallback: prompt, doc: "The prompts' lengths: a number or a distribution.",
			into: field(func(p *scenarios.PromptSet) any { return &p.PromptTokens })})
	}
	return rows
}

func cache(fallback string) attribute {
	return attribute{name: "cache", is: choice("cold", "as_is"), fallback: `"` + fallback + `"`,
		doc:  "cold: each prompt starts with a nonce after any shared part, so that no cache of prefixes has seen it; as_is: as written.",
		into: field(func(p *scenarios.PromptSet) any { return &p.Cache })}
}

func conversationKind(prompts, sample attribute) kind {
	prompts.doc = "How many different sessions."
	return kind{
		name: "conversation", doc: "Sessions of several turns: each turn waits for the answer before it.",
		attributes: append([]attribute{
			prompts, sample, cache("cold"),
			{name: "path", is: filePath, absent: "turns are synthetic", doc: "A JSONL file of conversations, below the scenario's folder.",
				into: field(func(p *scenarios.PromptSet) any { return &p.Path })},
			{name: "turns", is: tokens, fallback: "4", doc: "Turns of a session: a number or a distribution.",
				into: field(func(p *scenarios.PromptSet) any { return &p.Turns })},
			{name: "think_time", is: duration, fallback: `"0s"`, doc: "From an answer to the next turn.",
				into: field(func(p *scenarios.PromptSet) any { return &p.ThinkTime })},
		}, lengths("128", "64")...),
		blocks: []blockType{sharedPrefixBlock()},
	}
}

func sharedPrefixBlock() blockType {
	return blockType{
		name: "shared_prefix", once: true, doc: "A start that a share of the prompts have in common.",
		into: inner(func(p *scenarios.PromptSet) any { return &p.SharedPrefix }),
		attributes: []attribute{
			{name: "tokens", is: count, required: true, doc: "How long it is.", into: field(func(s *scenarios.SharedPrefix) any { return &s.Tokens })},
			{name: "ratio", is: ratio, fallback: "1", doc: "The share of prompts that have it.", into: field(func(s *scenarios.SharedPrefix) any { return &s.Ratio })},
		},
	}
}
