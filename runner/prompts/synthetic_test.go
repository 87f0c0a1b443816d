package prompts

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/tokenizer"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// model is a server that counts a word as it likes, and adds a chat template.
type model struct {
	cost     func(first bool, word string) int
	overhead int
	silent   func(asked int) bool // whether the answer lacks its usage
	asked    int
	texts    []string
}

func (m *model) tokens(messages []load.Message) int {
	n := m.overhead
	for _, msg := range messages {
		n += 2
		for i, w := range strings.Fields(msg.Content) {
			n += m.cost(i == 0, w)
		}
	}
	return n
}

func (m *model) Generate(_ context.Context, r load.Request, t *load.Timeline) (load.Answer, error) {
	m.asked++
	for _, msg := range r.Prompt.Messages {
		m.texts = append(m.texts, msg.Content)
	}
	if m.silent != nil && m.silent(m.asked) {
		return load.Answer{}, nil
	}
	return load.Answer{TokenSource: tables.TokensFromUsage, PromptTokens: tables.Some(int32(m.tokens(r.Prompt.Messages)))}, nil
}

// Tokenize counts a text without a template.
func (m *model) Tokenize(_ context.Context, text string) (int, error) {
	return m.tokens([]load.Message{{Content: text}}) - m.overhead - 2, nil
}

func eachOne(bool, string) int { return 1 }

// The kinds of vocabularies: what a word costs in each.
var vocabularies = map[string]func(first bool, word string) int{
	"every word a token":    eachOne,
	"two at the start":      func(first bool, _ string) int { return map[bool]int{true: 2, false: 1}[first] },
	"letters":               func(first bool, w string) int { return len(w) + map[bool]int{false: 1}[first] },
	"three letters a token": func(_ bool, w string) int { return (len(w) + 2) / 3 },
	"common words only": func(_ bool, w string) int {
		if slices.Index(words, w) < 100 {
			return 1
		}
		return 3
	},
}

func lognormal() scenarios.Distribution {
	return scenarios.Distribution{Kind: "lognormal", Mean: 200, StdDev: 120, Min: 30, Max: 2000}
}

func open(t testing.TB, o Options) (*Set, Facts) {
	t.Helper()
	s, facts, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, facts
}

func prompt(t testing.TB, s *Set, turn load.Turn) load.Prompt {
	t.Helper()
	p, ok, err := s.Prompt(turn)
	if err != nil || !ok {
		t.Fatalf("turn %+v has no prompt: %v", turn, err)
	}
	return p
}

// medianError is how far prompts are from their wanted length, as a share of it.
func medianError(t testing.TB, s *Set, tokens func([]load.Message) int) float64 {
	t.Helper()
	var all []float64
	for id := range min(s.Len(), 300) {
		p := prompt(t, s, load.Turn{PromptID: id, Seq: id})
		all = append(all, math.Abs(float64(tokens(p.Messages))/float64(p.PromptTokens)-1))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func TestCalibrationReachesTheWantedLengths(t *testing.T) {
	for name, cost := range vocabularies {
		for _, cache := range []string{"cold", "as_is"} {
			t.Run(name+" "+cache, func(t *testing.T) {
				m := &model{cost: cost, overhead: 11}
				s, facts := open(t, Options{
					Set:    scenarios.PromptSet{Kind: "synthetic", PromptTokens: lognormal(), Cache: cache, System: "be brief", Tokenizer: "calibrate"},
					Client: m,
				})
				if e := medianError(t, s, m.tokens); e > 0.02 {
					t.Errorf("the median error is %.2f %% with %+v", 100*e, facts.Lengths)
				}
				if m.asked < 2 || m.asked > 8 || facts.Lengths.Method != "calibrate" {
					t.Errorf("%d requests gave %+v", m.asked, facts.Lengths)
				}
			})
		}
	}
}

func TestATokenizerReachesTheWantedLengthsAndOnlyTheTemplateIsAsked(t *testing.T) {
	for name, cost := range vocabularies {
		t.Run(name, func(t *testing.T) {
			m := &model{cost: cost, overhead: 23}
			s, facts := open(t, Options{
				Set:    scenarios.PromptSet{Kind: "synthetic", PromptTokens: lognormal(), Tokenizer: "runtime"},
				Client: m, Tokenizer: m,
			})
			if e := medianError(t, s, m.tokens); e > 0.01 {
				t.Errorf("the median error is %.2f %% with %+v", 100*e, facts.Lengths)
			}
			if m.asked != 1 {
				t.Errorf("%d requests were made", m.asked)
			}
		})
	}
}

func TestTheCarriedModelsTokenizerGivesLengthsToTheToken(t *testing.T) {
	path, err := filepath.Abs("../embedded/wasm/model/tiny-austen-gemma3.gguf")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tokens := func(messages []load.Message) int {
		n := 1 // bos
		for _, m := range messages {
			n += len(tok.Encode("<start_of_turn>"+m.Role+"\n"+m.Content+"<end_of_turn>\n", true))
		}
		return n + len(tok.Encode("<start_of_turn>model\n", true))
	}
	m := &gemma{tokens}
	for _, method := range []string{"calibrate", path} {
		s, facts := open(t, Options{
			Set:    scenarios.PromptSet{Kind: "synthetic", PromptTokens: lognormal(), Cache: "cold", Tokenizer: method},
			Client: m,
		})
		if e := medianError(t, s, tokens); e != 0 {
			t.Errorf("%s: the median error is %.2f %% with %+v", method, 100*e, facts.Lengths)
		}
		if facts.Lengths.Method != method || facts.Lengths.Words < 128 {
			t.Errorf("%+v", facts.Lengths)
		}
	}
}

type gemma struct{ tokens func([]load.Message) int }

func (g *gemma) Generate(_ context.Context, r load.Request, _ *load.Timeline) (load.Answer, error) {
	return load.Answer{TokenSource: tables.TokensFromUsage, PromptTokens: tables.Some(int32(g.tokens(r.Prompt.Messages)))}, nil
}

func TestACountThatFailsIsTriedOnceMore(t *testing.T) {
	m := &model{cost: eachOne, silent: func(asked int) bool { return asked == 2 }}
	s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: lognormal()}, Client: m})
	if e := medianError(t, s, m.tokens); e != 0 || facts.Lengths.Words != len(words) || m.asked != 5 {
		t.Errorf("after %d requests the error is %v with %+v", m.asked, e, facts.Lengths)
	}
}

func TestWithoutAnyUsageAWordIsTakenForAToken(t *testing.T) {
	m := &model{cost: eachOne, silent: func(int) bool { return true }}
	s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(50)}, Client: m})
	if n := len(strings.Fields(prompt(t, s, load.Turn{}).Messages[0].Content)); n != 50 || facts.Lengths.Method != "assumed" || facts.Lengths.Note == "" {
		t.Errorf("%d words with %+v", n, facts.Lengths)
	}
	if m.asked > 8 {
		t.Errorf("%d requests were made", m.asked)
	}
}

func TestAServerThatCountsNonsenseDoesNotMakeEndlessPrompts(t *testing.T) {
	for name, cost := range map[string]func(bool, string) int{
		"nothing":  func(bool, string) int { return 0 },
		"negative": func(bool, string) int { return -1 },
	} {
		m := &model{cost: cost, overhead: 900}
		s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(50)}, Client: m})
		if n := len(strings.Fields(prompt(t, s, load.Turn{}).Messages[0].Content)); n != 50 || facts.Lengths.Note == "" {
			t.Errorf("%s: %d words with %+v", name, n, facts.Lengths)
		}
	}
}

func TestWhereNoLengthIsWantedNobodyIsAsked(t *testing.T) {
	m := &model{cost: eachOne}
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic"}, Client: m})
	if p := prompt(t, s, load.Turn{}); m.asked != 0 || p.PromptTokens != 0 || p.Messages[0].Content == "" {
		t.Errorf("%d requests, prompt %+v", m.asked, p)
	}
}

func TestAClientThatFailsEndsTheLearning(t *testing.T) {
	refused := errors.New("the address is refused")
	_, _, err := New(t.Context(), Options{
		Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(9)}, Client: failing{refused},
	})
	if !errors.Is(err, refused) {
		t.Errorf("it ended with %v", err)
	}
}

type failing struct{ err error }

func (f failing) Generate(context.Context, load.Request, *load.Timeline) (load.Answer, error) {
	return load.Answer{}, f.err
}

func TestProbesDifferFromApplyToApply(t *testing.T) {
	asked := func(nonce string) []string {
		m := &model{cost: eachOne}
		open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(9)}, Client: m, Nonce: nonce})
		return m.texts
	}
	if slices.Equal(asked("a"), asked("b")) || !slices.Equal(asked("a"), asked("a")) {
		t.Error("the order of the words does not follow the nonce")
	}
}

func TestColdPromptsBeginAsNoOtherAndAreEqualInCellsThatAreCompared(t *testing.T) {
	set := scenarios.PromptSet{Kind: "synthetic", Cache: "cold", Prompts: 3, PromptTokens: scenarios.Constant(40)}
	begin := func(nonce string, turn load.Turn) string {
		s, _ := open(t, Options{Set: set, Nonce: nonce})
		return strings.Join(strings.Fields(prompt(t, s, turn).Messages[0].Content)[:1+nonceLength], " ")
	}
	seen := map[string]string{}
	for _, nonce := range []string{"apply 1", "apply 2"} {
		for seq := range int64(200) {
			turn := load.Turn{PromptID: seq % 3, Seq: seq, Stage: int32(seq / 50)}
			b := begin(nonce, turn)
			if other, ok := seen[b]; ok {
				t.Errorf("%s and %s both begin with %q", other, nonce, b)
			}
			seen[b] = nonce
			if again := begin(nonce, turn); again != b {
				t.Errorf("the same turn begins with %q and %q", b, again)
			}
		}
	}
}

func TestPromptsAsTheyAreDoNotDependOnTheTurn(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", Cache: "as_is", Prompts: 3}, Nonce: "n"})
	one, two := prompt(t, s, load.Turn{PromptID: 1, Seq: 4}), prompt(t, s, load.Turn{PromptID: 1, Seq: 7, Stage: 2})
	if one.SHA256 != two.SHA256 || one.SHA256 == prompt(t, s, load.Turn{PromptID: 2, Seq: 4}).SHA256 {
		t.Error("prompts do not follow their id")
	}
}

func TestAShareOfThePromptsBeginsAlike(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{
		Kind: "synthetic", Cache: "cold", PromptTokens: scenarios.Constant(100), Prompts: 1000,
		SharedPrefix: scenarios.SharedPrefix{Tokens: 30, Ratio: 0.4},
	}})
	starts, wholes := map[string]int{}, map[string]bool{}
	for id := range s.Len() {
		w := strings.Fields(prompt(t, s, load.Turn{PromptID: id, Seq: id}).Messages[0].Content)
		if len(w) != 100 {
			t.Fatalf("prompt %d has %d words", id, len(w))
		}
		starts[strings.Join(w[:31], " ")]++
		wholes[strings.Join(w[:31+nonceLength], " ")] = true
	}
	most := 0
	for _, n := range starts {
		most = max(most, n)
	}
	if most < 350 || most > 450 || len(wholes) != 1000 {
		t.Errorf("%d of 1000 prompts begin alike, and %d begin as no other behind that", most, len(wholes))
	}
}

func TestShortPromptsAreAsShortAsTheyCanBe(t *testing.T) {
	for _, n := range []float64{1, 2, 5} {
		s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", Cache: "cold", PromptTokens: scenarios.Constant(n)}})
		if w := strings.Fields(prompt(t, s, load.Turn{}).Messages[0].Content); math.Abs(float64(len(w))-n) > 1 {
			t.Errorf("%v tokens are %d words", n, len(w))
		}
	}
}

func TestLengthsOfAnswersFollowTheirDistribution(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", OutputTokens: scenarios.Distribution{Kind: "uniform", Min: 5, Max: 9}}})
	seen := map[int32]bool{}
	for id := range int64(100) {
		seen[prompt(t, s, load.Turn{PromptID: id}).OutputTokens] = true
	}
	if len(seen) != 5 || seen[4] || seen[10] {
		t.Errorf("answers are to have %v tokens", seen)
	}
}

func TestAConversationCarriesWhatWasSaid(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{
		Kind: "conversation", Turns: scenarios.Constant(3), PromptTokens: scenarios.Constant(20), System: "be kind", Cache: "cold", ThinkTime: 5,
	}})
	turn := load.Turn{PromptID: 4, Seq: 9}
	var p load.Prompt
	for i := range int32(3) {
		turn.Turn = i
		p = prompt(t, s, turn)
		if p.HasNext != (i < 2) || len(p.Messages) != 2+2*int(i) || p.ThinkTime != 5 {
			t.Fatalf("turn %d is %+v", i, p)
		}
		if (p.PromptTokens == 20) != (i == 0) {
			t.Errorf("turn %d wants %d tokens", i, p.PromptTokens)
		}
		turn.Before, turn.Answer, turn.Seq = p.Messages, "indeed", turn.Seq+50
	}
	var roles []string
	for _, m := range p.Messages {
		roles = append(roles, m.Role)
	}
	if want := "system user assistant user assistant user"; strings.Join(roles, " ") != want || p.Messages[2].Content != "indeed" {
		t.Errorf("the third turn is %+v", p.Messages)
	}
	turn.Turn = 3
	if _, ok, err := s.Prompt(turn); ok || err != nil {
		t.Errorf("there is a fourth turn (%v)", err)
	}
}

func TestThereIsNoPromptBeyondTheLast(t *testing.T) {
	s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "inline", Inline: []string{"one", "two"}}})
	if facts.Prompts != 2 {
		t.Errorf("%+v", facts)
	}
	for _, id := range []int64{-1, 2} {
		if _, ok, err := s.Prompt(load.Turn{PromptID: id}); ok || err != nil {
			t.Errorf("prompt %d: %v %v", id, ok, err)
		}
	}
}

func TestAPromptThatIsTooLongIsRefused(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(1000), MaxPromptBytes: 100}})
	if _, _, err := s.Prompt(load.Turn{}); err == nil || !strings.Contains(err.Error(), "max_prompt_bytes") {
		t.Errorf("it is let through: %v", err)
	}
}

func BenchmarkPrompt(b *testing.B) {
	s, _, err := New(b.Context(), Options{Set: scenarios.PromptSet{Kind: "synthetic", Cache: "cold", PromptTokens: scenarios.Constant(512)}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		if _, _, err := s.Prompt(load.Turn{PromptID: int64(i % 1000), Seq: int64(i)}); err != nil {
			b.Fatal(err)
		}
	}
}
