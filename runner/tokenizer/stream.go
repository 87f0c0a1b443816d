package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one by one into text that is whole UTF-8 at every step. Its zero value is of no use: see
// Tokenizer.Stream.
type Stream struct {
	t       *Tokenizer
	pending []byte // the beginning of a character
}

// Stream starts a text.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Next is the text that a further token completes; "" while a character's bytes are still to come, and for control
// tokens. Bytes that can't become UTF-8 are U+FFFD.
func (s *Stream) Next(id int32) string {
	s.pending = s.t.appendText(s.pending, id)
	whole := len(s.pending)
	for i := max(0, whole-utf8.UTFMax+1); i < whole; i++ {
		if utf8.RuneStart(s.pending[i]) && !utf8.FullRune(s.pending[i:]) {
			whole = i
		}
	}
	text := strings.ToValidUTF8(string(s.pending[:whole]), string(utf8.RuneError))
	s.pending = append(s.pending[:0], s.pending[whole:]...)
	return text
}

// Flush is what is left when the text is over: U+FFFD for a character that was never completed, or "".
func (s *Stream) Flush() string {
	text := strings.ToValidUTF8(string(s.pending), string(utf8.RuneError))
	s.pending = s.pending[:0]
	return text
}
