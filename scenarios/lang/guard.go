package lang

import (
	"fmt"
	"math"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// guard looks at the tokens of a text before it is parsed. The parser and the evaluator recurse where brackets and
// templates nest and where operators and indexes chain, and Go can't recover from a stack that overflows; a number's
// exponent is limited because its digits are written out where it becomes a text.
//
// summary is "" where the text may be parsed.
func guard(text []byte, name string) (at hcl.Range, summary, detail string) {
	// The lexer does not recurse. What it finds wrong the parser tells again.
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos)
	chains := []chain{{newlines: true}} // one for each bracket that is open
	directives := 0                     // %{ if } and %{ for } that are open: they nest without brackets
	for i, t := range tokens {
		top := &chains[len(chains)-1]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if t.Type == hclsyntax.TokenOBrack {
				top.length++ // it may be an index
			}
			chains = append(chains, chain{newlines: t.Type == hclsyntax.TokenOBrace})
			directives += directive(tokens, i)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if len(chains) > 1 {
				chains = chains[:len(chains)-1]
			}
		case hclsyntax.TokenComma:
			top.length = 0
		case hclsyntax.TokenNewline:
			if top.newlines {
				top.length = 0
			}
		case hclsyntax.TokenNumberLit:
			if v, err := strconv.ParseFloat(string(t.Bytes), 64); err != nil || v != 0 && math.Abs(v) < 1e-300 {
				return t.Range, "Number out of range", "Numbers lie between 1e-300 and 1.8e308, as 64-bit floating point has them."
			}
		default:
			if isLink(t.Type) {
				top.length++
			}
		}
		if len(chains)-1+max(directives, 0) > maxDepth {
			return t.Range, "Nesting too deep",
				fmt.Sprintf("Brackets, quotes and templates nest at most %d deep: move the inner parts to locals.", maxDepth)
		}
		if top.length > maxChain {
			return t.Range, "Expression too long",
				fmt.Sprintf("An expression has at most %d operators and indexes: move some to locals, or use a list.", maxChain)
		}
	}
	return hcl.Range{}, "", ""
}

// chain is how far an expression goes on between two brackets.
type chain struct {
	length   int
	newlines bool // a newline ends it
}

// directive is 1 where a template directive opens a level, -1 where it closes one.
func directive(tokens hclsyntax.Tokens, i int) int {
	if tokens[i].Type != hclsyntax.TokenTemplateControl || i+1 >= len(tokens) {
		return 0
	}
	switch string(tokens[i+1].Bytes) {
	case "if", "for":
		return 1
	case "endif", "endfor":
		return -1
	}
	return 0
}

// isLink tells the tokens that make the tree of an expression one deeper.
func isLink(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenQuestion, hclsyntax.TokenBang, hclsyntax.TokenPlus, hclsyntax.TokenMinus,
		hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr,
		hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq:
		return true
	}
	return false
}
