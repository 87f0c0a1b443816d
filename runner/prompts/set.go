// Package prompts gives a load what it asks: prompts of seeded words and wanted lengths, or those of a file, an inline
// list or a conversation.
package prompts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// What the zero value of a scenarios.PromptSet means.
const (
	DefaultPrompts        = 1000
	DefaultMaxPromptBytes = 16 << 20
)

// Tokenizer counts the tokens of a text, without any that a chat template adds.
type Tokenizer interface {
	Tokenize(ctx context.Context, text string) (int, error)
}

// Texts are the prompts of a table, by row.
type Texts interface {
	Len() int64
	Text(row int64) (string, error)
	Close() error
}

// Options say which prompts, and who helps to make them as long as they should be.
type Options struct {
	Set scenarios.PromptSet
	// Nonce goes into the start of every prompt of a cold cache, with the set's seed, the stage and the seq.
	Nonce string
	// Tokenizer is asked where the set's tokenizer is runtime.
	Tokenizer Tokenizer
	// Client makes the few requests that lengths are learned from; nil: lengths are assumed.
	Client load.Client
	// OpenParquet opens a column of a Parquet file; nil: such sets can't be opened.
	OpenParquet func(path, column string) (Texts, error)
}

// Facts are what was found out when a set was opened.
type Facts struct {
	Prompts int64 `json:"prompts"`
	// Lengths is how prompts reach their lengths; zero where they are what they are.
	Lengths Fit `json:"lengths,omitzero"`
}

// Set is a prompt set that is open; it is the source of a load.
type Set struct {
	set    scenarios.PromptSet
	nonce  string
	fit    Fit
	count  int64
	file   rowReader // nil: the prompts are made
	sample load.Shuffle
}

var _ load.Source = (*Set)(nil)

// rowReader gives the rows of a file.
type rowReader interface {
	// Len is how many there are.
	Len() int64
	// row is what row i asks.
	row(i int64) (row, error)
	Close() error
}

// row is one entry of a file.
type row struct {
	messages     []load.Message // up to the last of the user
	conversation []string       // the user's turns, where it is one
	outputTokens int32
}

// New opens a prompt set. Where its prompts have wanted lengths it first learns how long words are; see Fit.
//
// An error is for a set that can't be used: a file that is not there, is no text or has a prompt that is too long, or a
// tokenizer that can't be read. What a server does wrong when it is asked is no error: Fit says what was assumed.
func New(ctx context.Context, o Options) (*Set, Facts, error) {
	s := &Set{set: o.Set, nonce: o.Nonce}
	if s.set.MaxPromptBytes <= 0 {
		s.set.MaxPromptBytes = DefaultMaxPromptBytes
	}
	var err error
	if s.file, err = openRows(s.set, o.OpenParquet); err != nil {
		return nil, Facts{}, fmt.Errorf("opening %s: %w", setName(o.Set), err)
	}
	s.count = int64(s.set.Prompts)
	if s.count <= 0 {
		s.count = DefaultPrompts
	}
	if s.file != nil {
		s.count = s.file.Len()
		s.sample = load.NewShuffle(s.count, load.NewRand(s.set.Seed, "sample"))
		if n := int64(s.set.Sample); n > 0 {
			s.count = min(s.count, n)
		}
	} else if s.fit, err = learn(ctx, o); err != nil {
		return nil, Facts{}, fmt.Errorf("learning the lengths of %s: %w", setName(o.Set), err)
	}
	return s, Facts{Prompts: s.count, Lengths: s.fit}, nil
}

func setName(p scenarios.PromptSet) string {
	if p.Addr != "" {
		return p.Addr
	}
	return "the prompts"
}

// Len is how many different prompts there are.
func (s *Set) Len() int64 { return s.count }

// Close closes the set's file.
func (s *Set) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Prompt is the prompt of a turn. The same turn gives the same prompt; it may be called by many goroutines at once.
func (s *Set) Prompt(t load.Turn) (load.Prompt, bool, error) {
	if t.PromptID < 0 || t.PromptID >= s.count {
		return load.Prompt{}, false, nil
	}
	p, ok, err := s.prompt(t)
	if err != nil || !ok {
		return load.Prompt{}, false, err
	}
	if d := s.set.OutputTokens; !d.IsZero() {
		p.OutputTokens = whole(d.Sample(s.rand("output", t)))
	}
	p.SHA256 = Digest(p.Messages)
	size := 0
	for _, m := range p.Messages {
		size += len(m.Content)
	}
	if int64(size) > int64(s.set.MaxPromptBytes) {
		return load.Prompt{}, false, fmt.Errorf("a prompt of %v is longer than max_prompt_bytes, which is %v", scenarios.Bytes(size), s.set.MaxPromptBytes)
	}
	return p, true, nil
}

func (s *Set) prompt(t load.Turn) (load.Prompt, bool, error) {
	var p load.Prompt
	var text string
	if s.file == nil {
		turns := s.turns(t)
		if t.Turn >= turns {
			return p, false, nil
		}
		text, p.PromptTokens = s.words(t)
		p.HasNext = t.Turn+1 < turns
	} else {
		i := t.PromptID
		if s.set.Sample > 0 {
			i = s.sample.At(i)
		}
		row, err := s.file.row(i)
		if err != nil {
			return p, false, err
		}
		p.OutputTokens = row.outputTokens
		if row.conversation == nil {
			p.Messages = s.finish(row.messages, t)
			return p, true, nil
		}
		if int(t.Turn) >= len(row.conversation) {
			return p, false, nil
		}
		text = row.conversation[t.Turn]
		p.HasNext = int(t.Turn)+1 < len(row.conversation)
	}
	p.ThinkTime = s.set.ThinkTime
	if t.Turn > 0 {
		p.Messages = slices.Concat(t.Before, []load.Message{{Role: "assistant", Content: t.Answer}, {Role: "user", Content: text}})
		p.PromptTokens = 0 // how long the answers before are is not ours to want
		return p, true, nil
	}
	p.Messages = []load.Message{{Role: "user", Content: text}}
	if s.file != nil || s.set.System != "" {
		p.Messages = s.finish(p.Messages, t)
	}
	return p, true, nil
}

// finish puts the system message before what a row asks, and a nonce before the user's first words where the cache is
// to be cold.
func (s *Set) finish(messages []load.Message, t load.Turn) []load.Message {
	var all []load.Message
	if s.set.System != "" && (len(messages) == 0 || messages[0].Role != "system") {
		all = append(all, load.Message{Role: "system", Content: s.set.System})
	}
	all = append(all, messages...)
	if s.file == nil || s.set.Cache != "cold" {
		return all
	}
	for i, m := range all {
		if m.Role == "user" {
			all[i].Content = strings.Join(s.nonceWords(t, nonceLength), " ") + "\n" + m.Content
			break
		}
	}
	return all
}

// Digest is the SHA-256, in hex, of the messages: of each its role, a zero byte, its text and a zero byte.
func Digest(messages []load.Message) string {
	h := sha256.New()
	for _, m := range messages {
		h.Write([]byte(m.Role + "\x00"))
		h.Write([]byte(m.Content))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
