package wasm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

var _ embedded.Engine = (*Engine)(nil)

func TestWhatIsCarriedIsWhatTheDigestsSay(t *testing.T) {
	b, err := os.ReadFile("SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"gemma.wasm": guestCode, "model/tiny-austen-gemma3.gguf": carriedModel} {
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name); !strings.Contains(string(b), line) {
			t.Errorf("SHA256SUMS lacks the line\n%s", line)
		}
	}
}

func TestTheEngineSaysWhatItServes(t *testing.T) {
	got := newEngine(t, Options{ContextTokens: 512}).Model()
	want := embedded.Model{
		Name: CarriedModel, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(carriedModel)), Quantization: "F32",
		ContextTokens: 512, Parameters: 919_936, SizeBytes: int64(len(carriedModel)),
	}
	if got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	path := randomModel(t)
	if got := newEngine(t, Options{ModelPath: path}).Model(); got.Name != "random-gemma3" || got.ContextTokens != 2048 {
		t.Errorf("%+v", got)
	}
}

func TestTheGuestIsGivenNothing(t *testing.T) {
	g := newEngine(t, Options{}).guest
	compiled, err := g.runtime.CompileModule(t.Context(), guestCode)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(compiled.ImportedFunctions()) + len(compiled.ImportedMemories()); n != 0 {
		t.Errorf("the guest imports %d things", n)
	}
}

func TestLogitsDoNotDependOnWhatElseIsInTheBatch(t *testing.T) {
	g := newEngine(t, Options{Parallel: 4}).guest
	prompt := func(slot int) (batch []entry) {
		for i := range 7 {
			batch = append(batch, entry{token: int32(100*slot + 10*i), slot: slot, position: i, wanted: i == 6})
		}
		return batch
	}
	forward := func(batch []entry) []float32 {
		logits, err := g.forward(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(logits)
	}
	var alone [][]float32
	for slot := range 3 {
		var logits []float32
		for _, e := range prompt(slot) {
			logits = forward([]entry{e}) // token by token
		}
		alone = append(alone, logits[len(logits)-g.shape.vocab:])
	}
	var mixed []entry
	for i := range 7 {
		for slot := range 3 {
			mixed = append(mixed, prompt(slot)[i])
		}
	}
	if together := forward(mixed); !slices.Equal(together, slices.Concat(alone...)) {
		t.Error("the logits of three prompts in one batch differ from those of each alone")
	}
}

func TestAnswersToManyAtOnceAreThoseToOneAfterTheOther(t *testing.T) {
	e := newEngine(t, Options{Parallel: 3})
	ask := func(i int) embedded.Prompt {
		return embedded.Prompt{Messages: user(strings.Repeat("What happened next? ", 1+i)), MaxTokens: 20 + i, Temperature: 0.8, Seed: int64(i)}
	}
	var want [8]string
	for i := range want {
		want[i], _, _ = answer(t, e, ask(i))
	}
	var wg sync.WaitGroup
	for i := range want {
		wg.Go(func() {
			if got, _, _ := answer(t, e, ask(i)); got != want[i] {
				t.Errorf("request %d: %q, alone %q", i, got, want[i])
			}
		})
	}
	wg.Wait()
}

func TestTheSameSeedGivesTheSameAnswer(t *testing.T) {
	e := newEngine(t, Options{})
	p := embedded.Prompt{Text: "It was", MaxTokens: 40, Temperature: 1, TopP: 0.9, Seed: 7, IgnoreEOS: true}
	first, _, r := answer(t, e, p)
	again, _, _ := answer(t, e, p)
	p.Seed = 8
	other, _, _ := answer(t, e, p)
	if first != again || first == other {
		t.Errorf("seed 7: %q and %q; seed 8: %q", first, again, other)
	}
	if r.OutputTokens != 40 || r.Finish != "length" {
		t.Errorf("%+v", r)
	}
}

func TestAnAnswerEndsWhereTheContextIsFull(t *testing.T) {
	e := newEngine(t, Options{ContextTokens: 30})
	_, tokens, r := answer(t, e, embedded.Prompt{Text: "It was", IgnoreEOS: true})
	if r.PromptTokens+r.OutputTokens != 30 || tokens != r.OutputTokens || r.Finish != "length" {
		t.Errorf("%+v, chunks of %d tokens", r, tokens)
	}
}

func TestAPromptThatIsTooLongIsRefused(t *testing.T) {
	e := newEngine(t, Options{ContextTokens: 30})
	_, err := e.Generate(t.Context(), embedded.Prompt{Text: strings.Repeat("a", 29)}, func(embedded.Chunk) error {
		t.Error("a chunk was emitted")
		return nil
	})
	var refusal *embedded.Refusal
	if !errors.As(err, &refusal) || refusal.Status != 400 || refusal.Type != "exceed_context_size_error" {
		t.Fatalf("refused with %v", err)
	}
	if want := "request (30 tokens) exceeds the available context size (30 tokens), try increasing it"; refusal.Message != want {
		t.Errorf("%q, want %q", refusal.Message, want)
	}
}

func TestAnAnswerEndsWithItsContextOrItsReader(t *testing.T) {
	e := newEngine(t, Options{Parallel: 1})
	p := embedded.Prompt{Text: "It was", IgnoreEOS: true}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := e.Generate(ctx, p, func(embedded.Chunk) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	broken := errors.New("broken pipe")
	if _, err := e.Generate(t.Context(), p, func(embedded.Chunk) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	// The only slot is free again.
	p.MaxTokens = 3
	if _, _, r := answer(t, e, p); r.OutputTokens != 3 {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestTokenizeAddsNothing(t *testing.T) {
	e := newEngine(t, Options{})
	ids, err := e.Tokenize(t.Context(), "a very good man<end_of_turn>")
	if err != nil || len(ids) != 5 {
		t.Errorf("%v %v", ids, err)
	}
}

func TestEveryChunkIsWholeUTF8(t *testing.T) {
	e := newEngine(t, Options{})
	// A hot model also makes byte tokens.
	begun := false
	_, err := e.Generate(t.Context(), embedded.Prompt{Text: "a", Temperature: 50, IgnoreEOS: true}, func(c embedded.Chunk) error {
		if !begun {
			begun = c.Kind == embedded.Begun
			if !begun || c.Tokens != 0 {
				t.Errorf("the first chunk is %+v", c)
			}
			return nil
		}
		if !utf8.ValidString(c.Text) || c.Text == "" || c.Tokens < 1 {
			t.Errorf("%+v", c)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestModelsThatCannotBeRunSayWhy(t *testing.T) {
	carried, err := gguf.Read(strings.NewReader(string(carriedModel)), int64(len(carriedModel)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"general.architecture", "llama", `"llama"`},
		{"gemma3.block_count", nil, "doesn't say its gemma3.block_count"},
		{"gemma3.block_count", int64(1 << 40), "between 1 and 256"},
		{"gemma3.block_count", int64(5), `no tensor "blk.4.attn_norm.weight"`},
		{"gemma3.embedding_length", int64(-128), "between 1 and"},
		{"gemma3.embedding_length", int64(120), "no multiple of 16"},
		{"gemma3.embedding_length", int64(64), "has the shape"},
		{"gemma3.attention.head_count_kv", int64(3), "no multiple of its 3 key heads"},
		{"gemma3.rope.freq_base", -1.0, "must be positive"},
		{"gemma3.final_logit_softcapping", 30.0, "caps its logits"},
	} {
		f := &gguf.File{Metadata: map[string]any{}, Tensors: carried.Tensors}
		for k, v := range carried.Metadata {
			f.Metadata[k] = v
		}
		f.Metadata[c.key] = c.value
		s, err := newShape(f, 1024, Options{Parallel: 1})
		if err == nil {
			_, err = s.findWeights(f)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: %v doesn't say %q", c.key, c.value, err, c.want)
		}
	}
}

func TestOptionsThatCannotBeMetSayWhy(t *testing.T) {
	text := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(text, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{ModelPath: text}, "not a GGUF"},
		{Options{ModelPath: text + ".absent"}, "opening the model"},
		{Options{ContextTokens: 4096}, "made for 2048"},
		{Options{ContextTokens: -1}, "negative"},
		{Options{Parallel: 100_000}, "at most 1024 requests"},
		{Options{MemoryBytes: 1 << 20}, "don't fit into its 1 MiB"},
		{Options{MemoryBytes: 100}, "less than one page"},
	} {
		e, err := New(t.Context(), c.options)
		if err == nil {
			t.Errorf("%+v: started", c.options)
			_ = e.Close()
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q doesn't say %q", c.options, err, c.want)
		}
	}
}

func TestAClosedEngineAnswersNothing(t *testing.T) {
	e, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = e.Generate(t.Context(), embedded.Prompt{Text: "a"}, func(embedded.Chunk) error { return nil })
	if !errors.Is(err, ErrClosed) {
		t.Errorf("answered with %v", err)
	}
}
