package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Encode is the ids of a text. No BOS is put before it. With parseSpecial, control tokens that are written out in the
// text, as <start_of_turn>, are those tokens; otherwise they are text like any other.
//
// The time is linear in the length of the text for the vocabularies that sentencepiece trains, which don't merge over
// the beginnings of words, and n·log(n) for any.
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	var (
		ids          = make([]int32, 0, len(text)/3+1)
		m            = merger{t: t}
		afterSpecial = true
	)
	for len(text) > 0 {
		at, id, length := t.specials.next(text, parseSpecial)
		if at > 0 {
			plain := strings.ReplaceAll(text[:at], " ", space)
			if t.addSpacePrefix && afterSpecial {
				plain = space + plain
			}
			ids = m.appendTokens(ids, plain)
			afterSpecial = false
		}
		if length > 0 {
			ids = append(ids, id)
			afterSpecial = true
		}
		text = text[at+length:]
	}
	return ids
}

// joins holds the pairs of neighbouring characters that occur within a piece. Between two characters that are no such
// pair nothing can ever be merged, so a text falls there into parts that are merged each for itself. That keeps the
// queue of merges short, and its result is the same.
type joins map[[2]rune]struct{}

func newJoins(pieces []string) joins {
	j := make(joins)
	for _, p := range pieces {
		last := rune(-1)
		for _, r := range p {
			if last >= 0 {
				j[[2]rune{last, r}] = struct{}{}
			}
			last = r
		}
	}
	return j
}

// part is the length of the first part of text; text is not empty.
func (j joins) part(text string) int {
	last, at := utf8.DecodeRuneInString(text)
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if _, ok := j[[2]rune{last, r}]; !ok {
			break
		}
		last, at = r, at+n
	}
	return at
}

// symbol is a piece of the text that is being merged, in a doubly linked list.
type symbol struct {
	start, length  int32 // length 0: merged into its left neighbour
	previous, next int32 // -1: none
}

// merge is a pair of neighbours that makes a piece of the vocabulary.
type merge struct {
	score       float32
	left, right int32
	length      int32 // of both together; differs from theirs when one of them has changed since
}

// before says whether m is done before o: the better score, then the one further to the left.
func (m merge) before(o merge) bool {
	return m.score > o.score || m.score == o.score && m.left < o.left
}

// merger does llama.cpp's llm_tokenizer_spm: of all neighbours that make a piece, the pair with the best score is
// merged first. It is reused from part to part for its memory.
type merger struct {
	t       *Tokenizer
	text    string
	symbols []symbol
	queue   []merge // a binary heap
}

func (m *merger) appendTokens(ids []int32, text string) []int32 {
	for len(text) > 0 {
		n := m.t.joins.part(text)
		m.text, text = text[:n], text[n:]
		if id, ok := m.t.ids[m.text]; ok && utf8.RuneCountInString(m.text) == 1 {
			ids = append(ids, id)
			continue
		}
		ids = m.appendPart(ids)
	}
	return ids
}

func (m *merger) appendPart(ids []int32) []int32 {
	m.split()
	for i := 1; i < len(m.symbols); i++ {
		m.try(int32(i-1), int32(i))
	}
	for len(m.queue) > 0 {
		best := m.pop()
		left, right := &m.symbols[best.left], &m.symbols[best.right]
		if left.length == 0 || right.length == 0 || left.length+right.length != best.length {
			continue
		}
		left.length, right.length = best.length, 0
		left.next = right.next
		if right.next >= 0 {
			m.symbols[right.next].previous = best.left
		}
		m.try(left.previous, best.left)
		m.try(best.left, left.next)
	}
	for i := int32(0); i >= 0; i = m.symbols[i].next {
		s := m.symbols[i]
		ids = m.t.appendPiece(ids, m.text[s.start:s.start+s.length])
	}
	return ids
}

// split makes a symbol of each character; bytes that are no UTF-8 are characters too.
func (m *merger) split() {
	m.symbols, m.queue = m.symbols[:0], m.queue[:0]
	for at := 0; at < len(m.text); {
		_, n := utf8.DecodeRuneInString(m.text[at:])
		i := int32(len(m.symbols))
		m.symbols = append(m.symbols, symbol{start: int32(at), length: int32(n), previous: i - 1, next: i + 1})
		at += n
	}
	m.symbols[len(m.symbols)-1].next = -1
}

// try queues the merge of two neighbours if there is such a piece.
func (m *merger) try(left, right int32) {
	if left < 0 || right < 0 {
		return
	}
	length := m.symbols[left].length + m.symbols[right].length
	start := m.symbols[left].start
	if id, ok := m.t.ids[m.text[start:start+length]]; ok {
		m.push(merge{score: m.t.scores[id], left: left, right: right, length: length})
	}
}

func (m *merger) push(x merge) {
	m.queue = append(m.queue, x)
	q, i := m.queue, len(m.queue)-1
	for i > 0 && q[i].before(q[(i-1)/2]) {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
		i = (i - 1) / 2
	}
}

func (m *merger) pop() merge {
	q := m.queue
	best, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && q[child+1].before(q[child]) {
			child++
		}
		if child >= last || !q[child].before(q[i]) {
			break
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
	m.queue = q
	return best
}

// appendPiece appends the id of a piece, or else of its bytes, or else of the unknown token.
func (t *Tokenizer) appendPiece(ids []int32, piece string) []int32 {
	if id, ok := t.ids[piece]; ok {
		return append(ids, id)
	}
	for i := range len(piece) {
		switch id := t.bytes[piece[i]]; {
		case id != None:
			ids = append(ids, id)
		case t.unk != None:
			return append(ids, t.unk)
		}
	}
	return ids
}
