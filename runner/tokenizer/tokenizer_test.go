package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

const carriedModel = "../embedded/wasm/model/tiny-austen-gemma3.gguf"

func open(t testing.TB) *Tokenizer {
	t.Helper()
	k, err := Open(carriedModel)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// vocabulary is the metadata of a small tokenizer: control pieces, all bytes, then pieces with scores that fall.
func vocabulary(pieces ...string) *gguf.File {
	texts := []string{"<unk>", "<s>", "</s>", "<mark>"}
	kinds := []int64{int64(unknown), int64(control), int64(control), int64(userDefined)}
	scores := []float64{0, 0, 0, 0}
	for b := range 256 {
		texts = append(texts, fmt.Sprintf("<0x%02X>", b))
		kinds = append(kinds, int64(byteFallback))
		scores = append(scores, 0)
	}
	for i, p := range pieces {
		texts = append(texts, p)
		kinds = append(kinds, int64(normal))
		scores = append(scores, -float64(i))
	}
	return &gguf.File{Metadata: map[string]any{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": texts, "tokenizer.ggml.token_type": kinds,
		"tokenizer.ggml.scores": scores, "tokenizer.ggml.add_space_prefix": false,
	}}
}

func fromVocabulary(t testing.TB, f *gguf.File) *Tokenizer {
	t.Helper()
	k, err := FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pieces(k *Tokenizer, ids []int32) (all []string) {
	for _, id := range ids {
		all = append(all, k.Piece(id))
	}
	return all
}

func TestPromptsHaveAsManyTokensAsInTheOtherRuntimes(t *testing.T) {
	b, err := os.ReadFile("../embedded/wasm/testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Models []struct {
			Model string
			Chat  []struct {
				User         string
				PromptTokens int `json:"prompt_tokens"`
			}
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	k, compared := open(t), 0
	for _, m := range golden.Models {
		if m.Model != filepath.Base(carriedModel) {
			continue
		}
		for _, c := range m.Chat {
			prompt := "<bos><start_of_turn>user\n" + c.User + "<end_of_turn>\n<start_of_turn>model\n"
			if n := k.Count(prompt); n != c.PromptTokens {
				t.Errorf("%q: %d tokens, the others counted %d", c.User, n, c.PromptTokens)
			}
			compared++
		}
	}
	if compared == 0 {
		t.Error("golden.json says nothing about the carried model")
	}
}

func TestTheBestScoreIsMergedFirst(t *testing.T) {
	// "bc" scores better than "ab", and of equal ones the left is first.
	k := fromVocabulary(t, vocabulary("bc", "ab", "aa", "a", "b", "c"))
	for text, want := range map[string][]string{
		"abc":  {"a", "bc"},
		"ab":   {"ab"},
		"aaa":  {"aa", "a"},
		"abab": {"ab", "ab"},
		"é":    {"<0xC3>", "<0xA9>"},
		"aéb":  {"a", "<0xC3>", "<0xA9>", "b"},
		"\xff": {"<0xFF>"},
		" ":    {"<0xE2>", "<0x96>", "<0x81>"},
		"":     nil,
	} {
		if got := pieces(k, k.Encode(text, false)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSpecialTokensAreParsedOnlyWhereAsked(t *testing.T) {
	k := fromVocabulary(t, vocabulary("a", "b", "<", "s", ">", "</s>b"))
	for _, c := range []struct {
		text  string
		parse bool
		want  []string
	}{
		{"a<s>b", true, []string{"a", "<s>", "b"}},
		{"a<s>b", false, []string{"a", "<", "s", ">", "b"}},
		{"<s><s>", true, []string{"<s>", "<s>"}},
		{"a<mark>", false, []string{"a", "<mark>"}}, // the model's makers want this one always
		{"<unk>", true, []string{"<unk>"}},
		{"<<s>", true, []string{"<", "<s>"}},
	} {
		if got := pieces(k, k.Encode(c.text, c.parse)); !slices.Equal(got, c.want) {
			t.Errorf("%q, %t: %q, want %q", c.text, c.parse, got, c.want)
		}
	}
}

func TestASpaceIsPutBeforeAWordWhereTheModelWantsIt(t *testing.T) {
	f := vocabulary("\u2581a", "\u2581", "a", "b")
	f.Metadata["tokenizer.ggml.add_space_prefix"] = true
	k := fromVocabulary(t, f)
	if got, want := pieces(k, k.Encode("a<s>a b", true)), []string{"\u2581a", "<s>", "\u2581a", "\u2581", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := k.Decode(k.Encode("a b", false)); got != "a b" {
		t.Errorf("decoded %q", got)
	}
}

// slowly is the merging as one would write it without thinking of time.
func slowly(k *Tokenizer, text string) []int32 {
	var parts []string
	for text = strings.ReplaceAll(text, " ", space); len(text) > 0; {
		_, n := utf8.DecodeRuneInString(text)
		parts, text = append(parts, text[:n]), text[n:]
	}
	for {
		best := -1
		var score float32
		for i := range len(parts) - 1 {
			if id, ok := k.ids[parts[i]+parts[i+1]]; ok && (best < 0 || k.scores[id] > score) {
				best, score = i, k.scores[id]
			}
		}
		if best < 0 {
			break
		}
		parts[best] += parts[best+1]
		parts = slices.Delete(parts, best+1, best+2)
	}
	var ids []int32
	for _, p := range parts {
		ids = k.appendPiece(ids, p)
	}
	return ids
}

func TestMergingInPartsIsMergingTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.RuneFrom([]rune("abc é")), 1, 12, -1)
		words := rapid.SliceOfNDistinct(letters, 0, 12, func(s string) string { return s }).Draw(t, "pieces")
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], " ", space)
		}
		k, err := FromGGUF(vocabulary(append(words, "ab", "ca", space+"a")...))
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc éd")), 0, 60, -1).Draw(t, "text")
		if got, want := k.Encode(text, false), slowly(k, text); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", text, pieces(k, got), pieces(k, want))
		}
	})
}

func TestDecodingGivesTheTextBack(t *testing.T) {
	k := open(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		text = strings.ReplaceAll(text, space, " ")
		ids := k.Encode(text, false)
		if got := k.Decode(ids); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
		var streamed strings.Builder
		s := k.Stream()
		for _, id := range ids {
			piece := s.Next(id)
			if !utf8.ValidString(piece) {
				t.Fatalf("%q: the piece %q is no UTF-8", text, piece)
			}
			streamed.WriteString(piece)
		}
		streamed.WriteString(s.Flush())
		if streamed.String() != text {
			t.Fatalf("%q was streamed as %q", text, streamed.String())
		}
	})
}

func TestAStreamHoldsACharacterBackUntilItIsWhole(t *testing.T) {
	k := fromVocabulary(t, vocabulary("a"))
	byteID := func(b byte) int32 { return k.bytes[b] }
	s := k.Stream()
	for _, c := range []struct {
		id   int32
		want string
	}{
		{byteID(0xe2), ""}, {byteID(0x82), ""}, {byteID(0xac), "€"},
		{k.find("a"), "a"},
		{k.find("<s>"), ""},            // control tokens say nothing
		{byteID(0x80), "\ufffd"},       // what can't become a character isn't waited for
		{byteID(0xe2), ""},             // this could,
		{k.find("a"), "\ufffda"},       // but doesn't
		{byteID(0xf0), ""}, {9999, ""}, // ids that there aren't say nothing
	} {
		if got := s.Next(c.id); got != c.want {
			t.Errorf("%q gives %q, want %q", k.Piece(c.id), got, c.want)
		}
	}
	if got := s.Flush(); got != "\ufffd" {
		t.Errorf("the rest is %q", got)
	}
	if got := s.Flush(); got != "" {
		t.Errorf("the rest of the rest is %q", got)
	}
}

func TestTheCarriedTokenizerKnowsItsSpecialTokens(t *testing.T) {
	k := open(t)
	if k.Piece(k.BOS()) != "<bos>" || k.Piece(k.EOS()) != "<eos>" || k.Piece(k.EOT()) != "<end_of_turn>" || !k.AddsBOS() {
		t.Errorf("BOS %q, EOS %q, EOT %q", k.Piece(k.BOS()), k.Piece(k.EOS()), k.Piece(k.EOT()))
	}
	if k.Size() != 1024 || k.Piece(-1) != "" || k.Piece(1024) != "" {
		t.Errorf("%d pieces", k.Size())
	}
}

func TestTokenizersThatCannotBeReadSayWhy(t *testing.T) {
	folder := t.TempDir()
	json := filepath.Join(folder, "tokenizer.json")
	if err := os.WriteFile(json, []byte(`{"version":"1.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(json); err == nil || !strings.Contains(err.Error(), "not from a tokenizer.json") {
		t.Errorf("a tokenizer.json: %v", err)
	}
	if _, err := Open(filepath.Join(folder, "absent.gguf")); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"tokenizer.ggml.model", "gpt2", `only "llama"`},
		{"tokenizer.ggml.model", nil, "no tokenizer"},
		{"tokenizer.ggml.tokens", []string{}, "no tokens"},
		{"tokenizer.ggml.scores", []float64{1}, "1 token scores"},
		{"tokenizer.ggml.token_type", []int64{1}, "1 token types"},
		{"tokenizer.ggml.bos_token_id", int64(1 << 40), "bos_token_id is 1099511627776"},
		{"tokenizer.ggml.eos_token_id", int64(-5), "eos_token_id is -5"},
	} {
		f := vocabulary("a")
		f.Metadata[c.key] = c.value
		if _, err := FromGGUF(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %v: %v doesn't say %q", c.key, c.value, err, c.want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	k := open(f)
	f.Add("It was a fine morning, and <start_of_turn>user\n", true)
	f.Add("Mr. Darcy 42 €\n\xff", false)
	f.Fuzz(func(t *testing.T, text string, special bool) {
		for _, id := range k.Encode(text, special) {
			if id < 0 || int(id) >= k.Size() {
				t.Fatalf("%q: id %d", text, id)
			}
		}
		if utf8.ValidString(text) && !strings.Contains(text, space) && !special {
			if got := k.Decode(k.Encode(text, false)); got != text {
				t.Fatalf("%q came back as %q", text, got)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	k := open(b)
	text := strings.Repeat("It is a truth universally acknowledged, that a single man in possession. ", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		k.Encode(text, true)
	}
}

func ExampleTokenizer_Encode() {
	k, err := Open(carriedModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := k.Encode("a very good man<end_of_turn>", true)
	for _, id := range ids {
		fmt.Printf("%q ", k.Piece(id))
	}
	fmt.Println(len(ids), "tokens")
	// Output: "a" "▁very" "▁good" "▁man" "<end_of_turn>" 5 tokens
}
