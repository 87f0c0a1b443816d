package protocol

import (
	"bytes"
	"unicode/utf8"
)

// template is a frame with a hole where its text stands, and perhaps one where a time stands before it. The frames of
// one stream mostly differ in these alone, and a string without escapes can take any other's place in JSON: so a frame
// that fits the template around such strings says what decoding it would say, without the decoding.
type template struct {
	// stamp is how the field with the time begins, as in `"created_at":"`; "": frames have none.
	stamp string

	start         []byte // up to the time; empty: there is none
	before, after []byte // around the text
	useless       int    // templates in a row that no frame fitted
}

// probe stands in for the strings of a frame to see whether decoding finds the text in the hole.
const probe = "\u00a4 llmscen \u00a4"

// match is the text of a frame that fits; nil: it must be decoded.
func (t *template) match(frame []byte) []byte {
	if len(t.before) == 0 {
		return nil
	}
	if len(t.start) > 0 {
		rest, ok := bytes.CutPrefix(frame, t.start)
		end := bytes.IndexByte(rest, '"')
		if !ok || end < 0 || !isBare(rest[:end]) {
			return nil
		}
		frame = rest[end:]
	}
	frame, ok := bytes.CutPrefix(frame, t.before)
	if !ok {
		return nil
	}
	text, ok := bytes.CutSuffix(frame, t.after)
	if !ok || len(text) == 0 || !isBare(text) {
		return nil
	}
	t.useless = 0
	return text
}

// learn makes the template of a frame that was decoded and says nothing but text. decode gives the text of a frame, or
// "" where it says more; it proves the holes.
func (t *template) learn(frame []byte, text string, decode func([]byte) string) {
	const patience = 3 // a stream whose frames differ in more is not worth more attempts
	if t.useless >= patience || !isBare([]byte(text)) {
		return
	}
	t.useless++
	quoted := []byte(`"` + text + `"`)
	for from := 0; ; {
		i := bytes.Index(frame[from:], quoted)
		if i < 0 {
			t.before = t.before[:0]
			return
		}
		hole := from + i + 1
		t.cut(frame, hole, hole+len(text))
		if decode(t.fill(probe)) == probe {
			return
		}
		from = hole
	}
}

// cut makes the template of a frame whose text lies from hole to end.
func (t *template) cut(frame []byte, hole, end int) {
	t.start = t.start[:0]
	t.before = append(t.before[:0], frame[:hole]...)
	t.after = append(t.after[:0], frame[end:]...)
	if t.stamp == "" {
		return
	}
	head, rest, ok := bytes.Cut(frame[:hole], []byte(t.stamp))
	close := bytes.IndexByte(rest, '"')
	if !ok || close < 0 {
		return
	}
	t.start = append(append(t.start, head...), t.stamp...)
	t.before = append(t.before[:0], rest[close:]...)
}

// fill is the frame with s in each hole.
func (t *template) fill(s string) []byte {
	var b []byte
	if len(t.start) > 0 {
		b = append(append(b, t.start...), s...)
	}
	b = append(append(b, t.before...), s...)
	return append(b, t.after...)
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
