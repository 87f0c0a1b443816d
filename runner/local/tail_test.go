package local

import (
	"fmt"
	"strings"
	"testing"
)

func TestATailKeepsTheLastLines(t *testing.T) {
	var out tail
	for i := range 200 {
		fmt.Fprintf(&out, "line %d\nha", i)
		fmt.Fprint(&out, "lf ")
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != tailLines+1 || lines[0] != "half line 150" || lines[tailLines-1] != "half line 199" || lines[tailLines] != "half " {
		t.Errorf("%d lines, %q … %q", len(lines), lines[0], lines[len(lines)-1])
	}
}

func TestATailCutsLongLinesAndControlCharacters(t *testing.T) {
	var out tail
	fmt.Fprintf(&out, "%s\n\x1b]0;owned\a\tçà\xff\u009b\r\n", strings.Repeat("x", 10_000))
	if want := strings.Repeat("x", tailLineBytes) + "\n]0;owned\tçà�"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}
