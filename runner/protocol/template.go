package protocol

import (
	"bytes"
	"unicode/utf8"
)

// template is a frame with a hole where its text stands. The frames of one stream mostly differ in their text alone, and
// a string without escapes can take any other's place in JSON: so a frame that fits the template around such a string
// says what decoding it would say, without the decoding.
type template struct {
	before, after []byte
	useless       int // templates in a row that no frame fitted
}

// probe stands in for a text to see whether decoding finds it in the hole.
const probe = "\u00a4 llmscen \u00a4"

// match is the text of a frame that fits; nil: it must be decoded.
func (t *template) match(frame []byte) []byte {
	end := len(frame) - len(t.after)
	if len(t.before) == 0 || end <= len(t.before) {
		return nil
	}
	if !bytes.HasPrefix(frame, t.before) || !bytes.Equal(frame[end:], t.after) {
		return nil
	}
	text := frame[len(t.before):end]
	if !isBare(text) {
		return nil
	}
	t.useless = 0
	return text
}

// learn makes the template of a frame that was decoded and says nothing but text. decode gives the text of a frame, or
// "" where it says more; it proves the hole.
func (t *template) learn(frame []byte, text string, decode func([]byte) string) {
	const patience = 3 // a stream whose frames differ in more, as by a time, is not worth more attempts
	if t.useless >= patience || !isBare([]byte(text)) {
		return
	}
	t.useless++
	t.before = t.before[:0]
	quoted := []byte(`"` + text + `"`)
	for from := 0; ; {
		i := bytes.Index(frame[from:], quoted)
		if i < 0 {
			return
		}
		hole := from + i + 1
		end := hole + len(text)
		if decode(bytes.Join([][]byte{frame[:hole], frame[end:]}, []byte(probe))) == probe {
			t.before = append(t.before, frame[:hole]...)
			t.after = append(t.after[:0], frame[end:]...)
			return
		}
		from = hole
	}
}

// isBare tells whether a string stands in JSON as it is, and decodes to itself.
func isBare(text []byte) bool {
	ascii := true
	for _, b := range text {
		switch {
		case b < ' ' || b == '"' || b == '\\':
			return false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.Valid(text)
}
