package engines

import (
	"slices"
	"strconv"
	"strings"
)

// line is a command line in the making.
type line struct {
	args  []string
	given []string // what the scenario says itself
}

// word adds an argument that is no flag, as in serve.
func (l *line) word(w string) {
	if !slices.Contains(l.given, w) {
		l.args = append(l.args, w)
	}
}

// flag adds a flag with its values, unless the scenario says it: some programs refuse one that comes twice.
func (l *line) flag(name string, values ...string) {
	said := slices.ContainsFunc(l.given, func(a string) bool { return a == name || strings.HasPrefix(a, name+"=") })
	if !said {
		l.args = append(append(l.args, name), values...)
	}
}

// number adds a flag with a number; 0 leaves it to the program.
func (l *line) number(name string, n int) {
	if n > 0 {
		l.flag(name, strconv.Itoa(n))
	}
}
