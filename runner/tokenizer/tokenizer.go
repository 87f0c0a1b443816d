// Package tokenizer turns text into a model's tokens and back, exactly as llama.cpp does.
//
// It reads the tokenizer that a GGUF carries, where that is a sentencepiece one (tokenizer.ggml.model = "llama", as in
// the Gemma and Llama 1 and 2 families): pieces are merged by their scores, and what is in no piece becomes bytes.
package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

// None is the id of a special token that a tokenizer doesn't have.
const None int32 = -1

// kind is what a piece is for, as numbered in tokenizer.ggml.token_type.
type kind int8

const (
	normal kind = 1 + iota
	unknown
	control
	userDefined
	unused
	byteFallback
)

// space is how sentencepiece writes a blank.
const space = "\u2581"

// Tokenizer is safe for use by many goroutines at once.
type Tokenizer struct {
	pieces []string
	kinds  []kind
	scores []float32
	ids    map[string]int32

	bytes    [256]int32 // ids of the byte pieces; None where there is none
	specials specials
	joins    joins

	bos, eos, eot, unk int32
	addBOS             bool
	addSpacePrefix     bool
}

// Open reads the tokenizer out of a GGUF.
func Open(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t, err := Read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer of %s: %w", path, err)
	}
	return t, nil
}

// Read reads the tokenizer out of a GGUF of size bytes.
func Read(r io.ReaderAt, size int64) (*Tokenizer, error) {
	f, err := gguf.Read(r, size)
	if errors.Is(err, gguf.ErrNotGGUF) {
		return nil, fmt.Errorf("%w; a tokenizer can be read from a GGUF only, not from a tokenizer.json", err)
	}
	if err != nil {
		return nil, err
	}
	return FromGGUF(f)
}

// FromGGUF builds the tokenizer that a GGUF's metadata describe.
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	switch model := f.Text("tokenizer.ggml.model"); model {
	case "llama":
	case "":
		return nil, errors.New("the GGUF has no tokenizer: tokenizer.ggml.model is missing")
	default:
		return nil, fmt.Errorf("the GGUF has a tokenizer of model %q; only \"llama\" (sentencepiece) can be read", model)
	}
	t := &Tokenizer{
		pieces:         f.Texts("tokenizer.ggml.tokens"),
		addBOS:         f.Bool("tokenizer.ggml.add_bos_token", true),
		addSpacePrefix: f.Bool("tokenizer.ggml.add_space_prefix", true),
	}
	if len(t.pieces) == 0 {
		return nil, errors.New("the GGUF has no tokens: tokenizer.ggml.tokens is missing or empty")
	}
	if err := t.setKinds(f.Ints("tokenizer.ggml.token_type")); err != nil {
		return nil, err
	}
	if err := t.setScores(f.Floats("tokenizer.ggml.scores")); err != nil {
		return nil, err
	}
	t.index()
	for _, s := range []struct {
		key       string
		to        *int32
		otherwise int32 // llama.cpp's defaults for a sentencepiece model
	}{
		{"bos", &t.bos, 1}, {"eos", &t.eos, 2}, {"unknown", &t.unk, 0}, {"eot", &t.eot, t.find("<end_of_turn>")},
	} {
		key := "tokenizer.ggml." + s.key + "_token_id"
		id, ok := f.Int(key)
		if !ok {
			id = int64(s.otherwise)
		}
		if ok && (id < 0 || id >= int64(len(t.pieces))) {
			return nil, fmt.Errorf("%s is %d, but there are %d tokens", key, id, len(t.pieces))
		}
		if id >= int64(len(t.pieces)) {
			id = int64(None)
		}
		*s.to = int32(id)
	}
	return t, nil
}

func (t *Tokenizer) setKinds(numbers []int64) error {
	if len(numbers) != 0 && len(numbers) != len(t.pieces) {
		return fmt.Errorf("the GGUF has %d token types for %d tokens", len(numbers), len(t.pieces))
	}
	t.kinds = make([]kind, len(t.pieces))
	for i := range t.kinds {
		t.kinds[i] = normal
		if len(numbers) > 0 && numbers[i] >= int64(normal) && numbers[i] <= int64(byteFallback) {
			t.kinds[i] = kind(numbers[i])
		}
	}
	return nil
}

func (t *Tokenizer) setScores(numbers []float64) error {
	if len(numbers) != 0 && len(numbers) != len(t.pieces) {
		return fmt.Errorf("the GGUF has %d token scores for %d tokens", len(numbers), len(t.pieces))
	}
	t.scores = make([]float32, len(t.pieces))
	for i, n := range numbers {
		t.scores[i] = float32(n)
	}
	return nil
}

// index makes what Encode looks things up in.
func (t *Tokenizer) index() {
	t.ids = make(map[string]int32, len(t.pieces))
	for i, p := range t.pieces {
		t.ids[p] = int32(i)
	}
	for b := range t.bytes {
		t.bytes[b] = t.find(fmt.Sprintf("<0x%02X>", b))
		if t.bytes[b] == None {
			t.bytes[b] = t.find(string([]byte{byte(b)}))
		}
	}
	t.specials = newSpecials(t)
	t.joins = newJoins(t.pieces)
}

func (t *Tokenizer) find(piece string) int32 {
	if id, ok := t.ids[piece]; ok {
		return id
	}
	return None
}

// Size is the number of tokens.
func (t *Tokenizer) Size() int { return len(t.pieces) }

// BOS begins a text; EOS ends it; EOT ends a turn of a chat. Each is None where the model has none.
func (t *Tokenizer) BOS() int32 { return t.bos }

// EOS is the token that ends a text.
func (t *Tokenizer) EOS() int32 { return t.eos }

// EOT is the token that ends a turn of a chat.
func (t *Tokenizer) EOT() int32 { return t.eot }

// AddsBOS says whether the model wants its prompts to begin with BOS.
func (t *Tokenizer) AddsBOS() bool { return t.addBOS && t.bos != None }

// Piece is the token's text as it stands in the vocabulary; "" for an id that there isn't.
func (t *Tokenizer) Piece(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id]
}

// Count is the number of tokens of a text, control tokens in it taken for what they are.
func (t *Tokenizer) Count(text string) int { return len(t.Encode(text, true)) }

// appendText appends what a token says to a reader: nothing for control tokens, one byte for a byte token.
func (t *Tokenizer) appendText(to []byte, id int32) []byte {
	if id < 0 || int(id) >= len(t.pieces) {
		return to
	}
	switch piece := t.pieces[id]; t.kinds[id] {
	case control, unknown:
		return to
	case userDefined:
		return append(to, piece...)
	case byteFallback:
		if b, ok := byteOf(piece); ok {
			return append(to, b)
		}
		return append(to, piece...)
	default:
		return append(to, strings.ReplaceAll(piece, space, " ")...)
	}
}

// byteOf reads a piece like <0x0A>.
func byteOf(piece string) (byte, bool) {
	if len(piece) != 6 || piece[:3] != "<0x" || piece[5] != '>' {
		return 0, false
	}
	var b byte
	for _, c := range []byte(piece[3:5]) {
		switch {
		case c >= '0' && c <= '9':
			b = b<<4 | (c - '0')
		case c >= 'A' && c <= 'F':
			b = b<<4 | (c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return b, true
}

// Decode is the text of tokens; bytes that are no UTF-8 become U+FFFD.
func (t *Tokenizer) Decode(ids []int32) string {
	var text []byte
	for _, id := range ids {
		text = t.appendText(text, id)
	}
	if t.addSpacePrefix && len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return strings.ToValidUTF8(string(text), string(utf8.RuneError))
}
