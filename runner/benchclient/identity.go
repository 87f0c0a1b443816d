package benchclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
)

// identityPrompts are what every runtime of a comparison is asked greedily: the same model gives the same answers. The
// first two are those of the golden answers of the embedded model.
var identityPrompts = []string{"Tell me a story.", "hello world, what is the time", "Count from one to ten."}

const (
	identityTokens = 32
	// identityTimeout bounds one answer: a server that stalls is the load's matter, not this one's.
	identityTimeout = 30 * time.Second
	// identitySeq keeps the numbers of these requests apart from those that prompt lengths are learned with.
	identitySeq = 1 << 20
	// identityText is how much of an answer is kept to be shown.
	identityText = 400
)

// Identity is what a runtime answers to the identity prompts.
type Identity struct {
	Answers []IdentityAnswer `json:"answers,omitempty"`
	// Failure says why not all were answered.
	Failure string `json:"failure,omitempty"`
}

// IdentityAnswer is one of the answers.
type IdentityAnswer struct {
	Prompt string `json:"prompt"`
	// Text is the answer without white space around it, cut where it is very long; SHA256 is that of all of it.
	Text   string `json:"text"`
	SHA256 string `json:"sha256"`
}

// SHA256 is the digest of all answers together; "" where they were not all given, or none has a text.
func (i Identity) SHA256() string {
	if len(i.Answers) == 0 || i.Failure != "" {
		return ""
	}
	h, texts := sha256.New(), false
	for _, a := range i.Answers {
		fmt.Fprintln(h, a.SHA256)
		texts = texts || a.Text != ""
	}
	if !texts {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// askIdentity asks the identity prompts one after the other, until one is not answered. The requests leave rows, as
// those do that prompt lengths are learned with. The error is the sink's, or the client's that no load could be made with.
func askIdentity(ctx context.Context, a Assignment, d Deps) (Identity, error) {
	var id Identity
	if d.Identity == nil || a.Worker > 0 {
		return id, nil
	}
	asking := &recorder{client: d.Identity, sink: d.Sink, assignment: a, count: identitySeq}
	for _, text := range identityPrompts {
		answer, err := asking.identity(ctx, text)
		if err != nil {
			return id, err
		}
		if answer.ErrorKind != "" {
			id.Failure = strings.TrimSpace(fmt.Sprintf("%s %s", answer.ErrorKind, answer.ErrorText))
			return id, nil
		}
		output := strings.TrimSpace(answer.Output)
		sum := sha256.Sum256([]byte(output))
		id.Answers = append(id.Answers, IdentityAnswer{Prompt: text, Text: cut(output, identityText), SHA256: hex.EncodeToString(sum[:])})
	}
	return id, nil
}

func (r *recorder) identity(ctx context.Context, text string) (load.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, identityTimeout, load.ErrTotalTimeout)
	defer cancel()
	messages := []load.Message{{Role: "user", Content: text}}
	var t load.Timeline
	t.Reset()
	return r.Generate(ctx, load.Request{
		Prompt:     load.Prompt{Messages: messages, OutputTokens: identityTokens, SHA256: prompts.Digest(messages)},
		KeepOutput: true,
	}, &t)
}

// cut keeps whole characters of at most n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
