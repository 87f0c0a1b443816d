package prompts

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/tokenizer"
)

// Fit is how long words are for one model: what a prompt's tokens are made of. It is learned with prefixes of the word
// list that grow. As no word is less than a token, a prefix that has no more tokens than words has words of one token
// each, and prompts made of them are as long as they should be, to the token. Where no prefix does, prompts are made of
// words with the same number of letters, which differ the least, or, with a tokenizer to ask, each word is counted.
type Fit struct {
	// Method is calibrate, runtime, the path of a tokenizer, or assumed.
	Method string `json:"method"`
	// Words is how many words, from the list's start, prompts are made of; Letters is how many letters those have that are
	// used, 0 for all.
	Words   int `json:"words"`
	Letters int `json:"letters,omitempty"`
	// Overhead is what a prompt has before its first word: the chat template and the system message.
	Overhead float64 `json:"overhead_tokens"`
	// PerWord is the mean length of a word; 1 where each word is one token.
	PerWord float64 `json:"tokens_per_word"`
	// Costs are the lengths of the words one by one, where they are known and differ.
	Costs []float64 `json:"tokens_of_words,omitempty"`
	// Probes are what was asked to learn this.
	Probes []Probe `json:"probes,omitempty"`
	// Note says what could not be learned, and why.
	Note string `json:"note,omitempty"`
}

// Probe is one thing that was asked to learn lengths.
type Probe struct {
	Words  int `json:"words"`
	Tokens int `json:"tokens"`
}

// vocabulary is the words that prompts are made of.
func (f *Fit) vocabulary() []string {
	switch {
	case f.Letters > 0:
		return sameLength
	case f.Words > 0:
		return words[:f.Words]
	}
	return words
}

// cost is how many tokens a word of the vocabulary has.
func (f *Fit) cost(word string) float64 {
	if f.Costs != nil {
		return f.Costs[indexOf[word]]
	}
	return f.PerWord
}

// draw picks n words of the vocabulary.
func (f *Fit) draw(rng *rand.Rand, n int) []string {
	from := f.vocabulary()
	all := make([]string, n)
	for i := range all {
		all[i] = from[rng.IntN(len(from))]
	}
	return all
}

// letters is the length of word of which the list has the most.
const letters = 4

var sameLength = func() []string {
	var same []string
	for _, w := range words {
		if len(w) == letters {
			same = append(same, w)
		}
	}
	return same
}()

var indexOf = func() map[string]int {
	m := make(map[string]int, len(words))
	for i, w := range words {
		m[w] = i
	}
	return m
}()

// prefixes are the lengths of the word list's prefixes that are asked for. The words of the first two are tokens even in
// a vocabulary of a thousand.
var prefixes = []int{16, 64, 128, 256}

// learn finds the fit of a set of made prompts.
func learn(ctx context.Context, o Options) (Fit, error) {
	assumed := Fit{Method: "assumed", PerWord: 1}
	if o.Set.PromptTokens.IsZero() {
		assumed.Note = "no length is wanted"
		return assumed, nil
	}
	method := o.Set.Tokenizer
	var fit Fit
	var err error
	switch method {
	case "", "calibrate":
		if o.Client == nil {
			assumed.Note = "there is nobody to ask"
			return assumed, nil
		}
		method = "calibrate"
		fit, err = measure(func(text string) (int, bool, error) { return ask(ctx, o, text) }, shuffled(o.Nonce))
	case "runtime":
		if o.Tokenizer == nil {
			return Fit{}, errors.New("the runtime has no /tokenize that is known")
		}
		fit, err = count(func(text string) (int, error) { return o.Tokenizer.Tokenize(ctx, text) })
	default:
		var t *tokenizer.Tokenizer
		if t, err = tokenizer.Open(method); err != nil {
			return Fit{}, err
		}
		fit, err = count(func(text string) (int, error) { return len(t.Encode(text, false)), nil })
	}
	if err != nil {
		return Fit{}, err
	}
	if len(fit.Probes) == 0 {
		assumed.Note = "the server did not say how long a prompt was"
		return assumed, nil
	}
	fit.Method = method
	if method != "calibrate" {
		err = fit.learnOverhead(ctx, o)
	}
	return fit, err
}

// ask makes one request of a single token and returns how long its prompt was; false: the answer does not tell.
func ask(ctx context.Context, o Options, text string) (int, bool, error) {
	r := load.Request{Prompt: load.Prompt{OutputTokens: 1}}
	if o.Set.System != "" {
		r.Prompt.Messages = append(r.Prompt.Messages, load.Message{Role: "system", Content: o.Set.System})
	}
	r.Prompt.Messages = append(r.Prompt.Messages, load.Message{Role: "user", Content: text})
	r.Prompt.SHA256 = Digest(r.Prompt.Messages)
	var t load.Timeline
	t.Reset()
	answer, err := o.Client.Generate(ctx, r, &t)
	if err != nil {
		return 0, false, err
	}
	// An answer that failed may tell as well: the only token may have been the end.
	told := answer.PromptTokens.V > 0 && !answer.PromptTruncated.V
	return int(answer.PromptTokens.V), told, ctx.Err()
}

// shuffled puts a list in an order of its own for each apply, so that no cache shortens what is counted.
func shuffled(nonce string) func([]string) []string {
	return func(list []string) []string {
		w := slices.Clone(list)
		load.NewRand(int64(len(w)), "probe", nonce).Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
		return w
	}
}

// measure learns from counts of whole texts, whose overhead is not known. Two counts that fail are tried once more: a
// server may be made to fail now and then.
func measure(tokens func(text string) (int, bool, error), order func([]string) []string) (Fit, error) {
	var fit Fit
	spare := 2
	probe := func(list []string) (bool, error) {
		text := opening + " " + strings.Join(order(list), " ")
		got, ok, err := tokens(text)
		for ; err == nil && !ok && spare > 0; spare-- {
			got, ok, err = tokens(text)
		}
		if ok && err == nil {
			n := len(list) + 1 // the opening is one of them
			fit.Probes = append(fit.Probes, Probe{Words: n, Tokens: got})
		}
		return ok, err
	}
	for _, n := range prefixes {
		ok, err := probe(words[:n])
		if err != nil {
			return Fit{}, err
		}
		if !ok {
			break
		}
		first, last := fit.Probes[0], fit.Probes[len(fit.Probes)-1]
		if last.Tokens-first.Tokens != last.Words-first.Words {
			break // some word has more than a token
		}
		fit.Words = n
	}
	if len(fit.Probes) == 0 {
		return fit, nil
	}
	if fit.Words > prefixes[0] || len(fit.Probes) == 1 {
		// Where the server told of the first only, so few words would make prompts alike.
		fit.Words = max(fit.Words, prefixes[1])
		fit.PerWord, fit.Overhead = 1, float64(fit.Probes[0].Tokens-fit.Probes[0].Words)
		return fit, nil
	}
	fit.Words, fit.Letters = len(words), letters
	begin := len(fit.Probes)
	for _, n := range prefixes[:2] {
		if _, err := probe(sameLength[:n]); err != nil {
			return Fit{}, err
		}
	}
	fit.line(fit.Probes[begin:])
	return fit, nil
}

// line draws tokens = overhead + words·perWord through the first and the last of some probes.
func (f *Fit) line(probes []Probe) {
	if len(probes) > 1 {
		p, q := probes[0], probes[len(probes)-1]
		f.PerWord = float64(q.Tokens-p.Tokens) / float64(q.Words-p.Words)
		f.Overhead = float64(p.Tokens) - f.PerWord*float64(p.Words)
	}
	if f.PerWord < 0.1 {
		f.Overhead, f.PerWord = 0, 1
		f.Note = "the server's counts do not grow with the prompt: a word is taken for a token"
	}
}

// count learns from a tokenizer, which can also be asked word by word.
func count(tokens func(text string) (int, error)) (Fit, error) {
	fit, err := measure(
		func(text string) (int, bool, error) { n, err := tokens(text); return n, err == nil, err },
		func(list []string) []string { return list },
	)
	if err != nil || fit.Letters == 0 {
		return fit, err
	}
	alone, err := tokens(opening)
	if err != nil {
		return Fit{}, err
	}
	fit.Letters, fit.PerWord, fit.Overhead = 0, 0, 0
	for _, w := range words {
		n, err := tokens(opening + " " + w)
		if err != nil {
			return Fit{}, err
		}
		fit.Costs = append(fit.Costs, float64(max(n-alone, 1)))
		fit.PerWord += fit.Costs[len(fit.Costs)-1] / float64(len(words))
	}
	fit.Overhead = float64(alone) - fit.cost(opening)
	return fit, nil
}

// learnOverhead asks once what the server adds to a text: a tokenizer doesn't know its chat template.
func (f *Fit) learnOverhead(ctx context.Context, o Options) error {
	if o.Client == nil {
		f.Note = "there is nobody to ask what a chat template adds"
		return nil
	}
	list := append([]string{opening}, shuffled(o.Nonce)(words[:prefixes[0]])...)
	text := strings.Join(list, " ")
	got, ok, err := ask(ctx, o, text)
	if err != nil {
		return err
	}
	if !ok {
		f.Note = "the server did not say how long a prompt was, so that what its chat template adds is not known"
		return nil
	}
	f.Probes = append(f.Probes, Probe{Words: len(list), Tokens: got})
	f.Overhead = float64(got)
	for _, w := range list {
		f.Overhead -= f.cost(w)
	}
	return nil
}
