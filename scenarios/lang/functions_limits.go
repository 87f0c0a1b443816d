package lang

import (
	"fmt"
	"math"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	errTooMuchText  = fmt.Errorf("the result would have more than %d MiB of text", maxValueBytes>>20)
	errTooManyParts = fmt.Errorf("the result would have more than %d elements", int(maxElements))
)

const (
	maxRegexText    = 1 << 20 // bytes that a regular expression looks through
	maxDistinct     = 5000    // elements that are compared each with each
	maxFormatDigits = 3       // of a width or precision in a format
	maxIntegerText  = 1000    // characters of a number to parse
)

func textOf(v cty.Value) string {
	if s, err := convert.Convert(v, cty.String); err == nil && !s.IsNull() {
		return s.AsString()
	}
	return ""
}

func shortText(args []cty.Value) error {
	if len(textOf(args[0])) > maxIntegerText {
		return function.NewArgErrorf(0, "a number has at most %d digits here", maxIntegerText)
	}
	return nil
}

// formatFits bounds what a format makes: each verb may write its argument, and widths write blanks.
func formatFits(args []cty.Value) error {
	format := textOf(args[0])
	verbs := strings.Count(format, "%")
	digits := 0
	for _, c := range format {
		if c < '0' || c > '9' {
			digits = 0
		} else if digits++; digits > maxFormatDigits && verbs > 0 {
			return function.NewArgErrorf(0, "widths have at most %d digits", maxFormatDigits)
		}
	}
	largest, rows := 0, 1
	for i, a := range args[1:] {
		w, _ := weigh(a)
		largest = max(largest, w.bytes+24*w.elements)
		if t := a.Type(); t.IsListType() || t.IsTupleType() || t.IsSetType() {
			rows = max(rows, a.LengthInt())
		}
		// %d and %f write out all digits of a number that comes as a text.
		if s := textOf(a); a.Type() == cty.String && strings.ContainsAny(s, "eE") {
			if n, err := cty.ParseNumberVal(s); err == nil {
				if _, problem := weigh(n); problem != "" {
					return function.NewArgErrorf(i+1, "%s", lowerFirst(problem))
				}
			}
		}
	}
	if len(format)+verbs*(largest+int(math.Pow10(maxFormatDigits))) > maxValueBytes/rows {
		return errTooMuchText
	}
	return nil
}

func indentFits(args []cty.Value) error {
	n, _ := args[0].AsBigFloat().Float64()
	if n*float64(1+strings.Count(textOf(args[1]), "\n")) > maxValueBytes {
		return errTooMuchText
	}
	return nil
}

func joinFits(args []cty.Value) error {
	total := 0
	for _, list := range args[1:] {
		for it := list.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if total += len(textOf(e)) + len(textOf(args[0])); total > maxValueBytes {
				return errTooMuchText
			}
		}
	}
	return nil
}

func replaceFits(args []cty.Value) error {
	s, old, with := textOf(args[0]), textOf(args[1]), textOf(args[2])
	if strings.Count(s, old)*len(with)+len(s) > maxValueBytes {
		return errTooMuchText
	}
	return nil
}

func splitFits(args []cty.Value) error {
	if strings.Count(textOf(args[1]), textOf(args[0])) >= maxElements {
		return errTooManyParts
	}
	return nil
}

func regexFits(args []cty.Value) error {
	if len(textOf(args[1])) > maxRegexText {
		return function.NewArgErrorf(1, "a regular expression looks through at most %d bytes", maxRegexText)
	}
	return nil
}

func regexReplaceFits(args []cty.Value) error {
	s, with := textOf(args[0]), textOf(args[2])
	if len(s) > maxRegexText {
		return function.NewArgErrorf(0, "a regular expression looks through at most %d bytes", maxRegexText)
	}
	// Each $name in the replacement may stand for all that was matched.
	if (len(s)+1)*(len(with)+1)+strings.Count(with, "$")*len(s) > 16*maxValueBytes {
		return errTooMuchText
	}
	return nil
}

func distinctFits(args []cty.Value) error {
	if args[0].LengthInt() > maxDistinct {
		return function.NewArgErrorf(0, "at most %d elements are compared: use toset", maxDistinct)
	}
	return nil
}

func productFits(args []cty.Value) error {
	product := 1
	for _, a := range args {
		if t := a.Type(); !t.IsCollectionType() && !t.IsTupleType() {
			return nil // the function has its own words
		}
		if n := a.LengthInt(); n > 0 {
			if product *= n; product > maxElements {
				return errTooManyParts
			}
		}
	}
	return nil
}

func csvFits(args []cty.Value) error {
	s := textOf(args[0])
	if strings.Count(s, ",")+strings.Count(s, "\n") > maxElements {
		return errTooManyParts
	}
	return nil
}

// jsonFits bounds the nesting and the elements of a JSON text, before a decoder that recurses sees it.
func jsonFits(args []cty.Value) error {
	depth, parts, inText := 0, 0, false
	s := textOf(args[0])
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '[', c == '{':
			if depth++; depth > maxDepth {
				return function.NewArgError(0, fmt.Errorf("the JSON nests more than %d deep", maxDepth))
			}
		case c == ']', c == '}':
			depth--
		case c == ',':
			if parts++; parts > maxElements {
				return errTooManyParts
			}
		}
	}
	return nil
}
