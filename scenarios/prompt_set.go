package scenarios

import "time"

// PromptSet is what is asked.
type PromptSet struct {
	Block
	Kind string // synthetic, jsonl, csv, text, parquet, conversation, inline

	Prompts      int // how many different ones
	Seed         int64
	PromptTokens Distribution
	OutputTokens Distribution // zero Distribution: what the server gives, or what a file's rows say
	// Tokenizer is calibrate, runtime, or the path of a tokenizer's file or a GGUF.
	Tokenizer      string
	Cache          string // cold or as_is
	SharedPrefix   SharedPrefix
	System         string
	Path           string // absolute, below the scenario's folder
	Sample         int    // of a file's rows; 0: all
	MaxPromptBytes Bytes

	Column string   // csv, parquet: which holds the prompt; "" means prompt
	Inline []string // inline

	Turns     Distribution  // conversation
	ThinkTime time.Duration // conversation
}

// SharedPrefix is a start that a share of the prompts have in common.
type SharedPrefix struct {
	Tokens int
	Ratio  float64
}
