package prompts

import (
	_ "embed"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/runner/load"
)

// wordList is common English words, the commonest first: the shorter a prefix of the list, the surer each of its words
// is one token of any model's vocabulary.
//
//go:embed words.txt
var wordList string

var words = strings.Fields(wordList)

// opening is the first word of every made prompt. Many tokenizers write a word after a blank otherwise than one at the
// start, so that with the same start the words after it are counted alike.
const opening = "the"

// nonceLength is how many words tell a prompt from all others: of 64 words and more, at least 2³⁶ starts.
const nonceLength = 6

// rand is the generator of one property of a turn's prompt.
func (s *Set) rand(property string, t load.Turn) *rand.Rand {
	return load.NewRand(s.set.Seed, property, strconv.FormatInt(t.PromptID, 10), strconv.Itoa(int(t.Turn)))
}

// whole rounds a drawn length.
func whole(v float64) int32 {
	return int32(min(max(math.Round(v), 1), math.MaxInt32))
}

// turns is how many turns a prompt has.
func (s *Set) turns(t load.Turn) int32 {
	if s.set.Kind != "conversation" || s.set.Turns.IsZero() {
		return 1
	}
	return whole(s.set.Turns.Sample(load.NewRand(s.set.Seed, "turns", strconv.FormatInt(t.PromptID, 10))))
}

// nonceWords are words that no other stage and seq of any apply begins with.
func (s *Set) nonceWords(t load.Turn, n int) []string {
	rng := load.NewRand(s.set.Seed, "nonce", s.nonce, strconv.Itoa(int(t.Stage)), strconv.FormatInt(t.Seq, 10))
	return s.fit.draw(rng, n)
}

// words is a made text of the wanted length: the opening, what it shares with others, its nonce, and words of its own.
// The length is of the whole prompt in a first turn, and of the text in a later one; 0 where none is wanted.
func (s *Set) words(t load.Turn) (text string, tokens int32) {
	target := float64(defaultLength)
	if d := s.set.PromptTokens; !d.IsZero() {
		tokens = whole(d.Sample(s.rand("length", t)))
		target = float64(tokens)
	}
	b := &builder{fit: &s.fit}
	if t.Turn == 0 {
		b.add(opening)
		b.tokens += s.fit.Overhead
		if s.shares(t) {
			b.fill(load.NewRand(s.set.Seed, "shared"), b.tokens+float64(s.set.SharedPrefix.Tokens))
		}
		if s.set.Cache == "cold" {
			for _, w := range s.nonceWords(t, nonceLength) {
				if b.tokens+s.fit.cost(w)/2 > target && b.words > 1 {
					break
				}
				b.add(w)
			}
		}
	}
	b.fill(s.rand("words", t), target)
	return b.text.String(), tokens
}

// defaultLength is of a made prompt whose length nobody has said.
const defaultLength = 128

func (s *Set) shares(t load.Turn) bool {
	p := s.set.SharedPrefix
	return p.Tokens > 0 && s.rand("share", t).Float64() < p.Ratio
}

// builder makes a text word by word, and keeps count of its tokens.
type builder struct {
	fit    *Fit
	text   strings.Builder
	words  int
	tokens float64
}

func (b *builder) add(w string) {
	if b.words > 0 {
		b.text.WriteByte(' ')
	}
	b.text.WriteString(w)
	b.words++
	b.tokens += b.fit.cost(w)
}

// fill adds words until the text is as near to the target as words can bring it.
func (b *builder) fill(rng *rand.Rand, target float64) {
	from := b.fit.vocabulary()
	for b.words == 0 || b.tokens < target {
		w := from[rng.IntN(len(from))]
		if b.words > 0 && b.tokens+b.fit.cost(w)/2 > target {
			return
		}
		b.add(w)
	}
}
