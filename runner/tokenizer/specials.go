package tokenizer

import (
	"slices"
	"strings"
)

// specials finds the tokens that are taken out of a text before the rest is merged: control tokens and those that a
// model's makers defined. Of several that begin at one place the longest is meant. (llama.cpp looks for the longest
// token everywhere first, then for the next one; the two differ only where special tokens overlap.)
type specials struct {
	first   string               // the bytes that any of them begin with
	lengths [256][]int           // by first byte, the longest first
	ids     map[string]specialID // by their text
}

type specialID struct {
	id int32
	// parsed: found only where a caller asks for special tokens.
	parsed bool
}

func newSpecials(t *Tokenizer) specials {
	s := specials{ids: make(map[string]specialID)}
	for i, piece := range t.pieces {
		k := t.kinds[i]
		if piece == "" || k != control && k != userDefined && k != unknown {
			continue
		}
		s.ids[piece] = specialID{id: int32(i), parsed: k != userDefined}
		b := piece[0]
		if len(s.lengths[b]) == 0 {
			s.first += string([]byte{b})
		}
		if !slices.Contains(s.lengths[b], len(piece)) {
			s.lengths[b] = append(s.lengths[b], len(piece))
		}
	}
	for _, l := range s.lengths {
		slices.SortFunc(l, func(a, b int) int { return b - a })
	}
	return s
}

// next is the first special token in text: where it is, which, and how long; length 0 and at = len(text) if there is
// none.
func (s *specials) next(text string, parseSpecial bool) (at int, id int32, length int) {
	for at < len(text) {
		i := s.indexFirst(text[at:])
		if i < 0 {
			break
		}
		at += i
		for _, n := range s.lengths[text[at]] {
			if n > len(text)-at {
				continue
			}
			if found, ok := s.ids[text[at:at+n]]; ok && (parseSpecial || !found.parsed) {
				return at, found.id, n
			}
		}
		at++
	}
	return len(text), None, 0
}

// indexFirst is where in text a special token may begin.
func (s *specials) indexFirst(text string) int {
	if len(s.first) == 1 {
		return strings.IndexByte(text, s.first[0])
	}
	for i := range len(text) {
		if len(s.lengths[text[i]]) > 0 {
			return i
		}
	}
	return -1
}
