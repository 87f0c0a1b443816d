package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// page is one page of the manual.
type page struct {
	name   string // from the root of the checkout
	text   string
	blocks []block
}

// block is a fenced block: info is what stands after the fence, as in "sh" or "hcl first.scen.hcl".
type block struct {
	info, text string
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	p := page{name: name, text: string(data)}
	var open *block
	for line := range strings.Lines(p.text) {
		info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{info: info}
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Errorf("%s: a block is not closed", name)
	}
	return p
}

// manual is every page that a user reads.
func manual(t *testing.T) []page {
	t.Helper()
	pages := []page{readPage(t, "README.md"), readPage(t, "CONTRIBUTING.md"), readPage(t, "notebooks/README.md")}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			name, _ := filepath.Rel(repository, path)
			pages = append(pages, readPage(t, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var inlineCode = regexp.MustCompile("`([^`\n]+)`")

// prose is a page without its fenced blocks.
func (p page) prose() string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(p.text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		} else if !inside {
			b.WriteString(line)
		}
	}
	return b.String()
}

// commands are the lines of sh and console blocks that call llmscen, joined where they are continued.
func (b block) commands() []string {
	if b.info != "sh" && b.info != "console" {
		return nil
	}
	var found []string
	for line := range strings.SplitSeq(strings.ReplaceAll(b.text, "\\\n", " "), "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "bin/")
		if strings.HasPrefix(line, "llmscen ") {
			found = append(found, line)
		}
	}
	return found
}

// words splits a command line as a shell does, up to a comment, a pipe or the like.
func words(line string) []string {
	var out []string
	var word strings.Builder
	begun, quote := false, rune(0)
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' && begun:
			out = append(out, word.String())
			word.Reset()
			begun = false
		case r == ' ':
		case strings.ContainsRune("|;&>", r), r == '#' && !begun:
			return out
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	return out
}

// misnamed says what is wrong with a command line as far as it can be told without running it; "" where nothing is.
func misnamed(line string) string {
	template := strings.ContainsAny(line, "[…")
	if template { // as a usage has it: each flag is to exist, whatever stands for the arguments
		line = strings.NewReplacer("[", " ", "]", " ", "|", " ", "'", " ").Replace(line)
	}
	cmd, rest, err := documentedRoot().Find(words(line)[1:])
	if err != nil {
		return err.Error()
	}
	err = cmd.ParseFlags(rest)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return ""
	case err != nil:
		return err.Error()
	case template:
		return ""
	case !cmd.HasParent() && cmd.Flags().NArg() > 0:
		return "there is no such command"
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err.Error()
	}
	return ""
}

func TestTheManualNamesCommandsAndFlagsThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, c := range append(documentedRoot().Commands(), documentedRoot()) {
		c.InheritedFlags()
		c.Flags().VisitAll(func(f *pflag.Flag) { known["--"+f.Name] = true })
	}
	found := 0
	for _, p := range manual(t) {
		ofEngines := p.name == "docs/reference/engines.md" // whose flags are those of other programs
		var lines []string
		for _, b := range p.blocks {
			lines = append(lines, b.commands()...)
		}
		for _, m := range inlineCode.FindAllStringSubmatch(p.prose(), -1) {
			if strings.HasPrefix(m[1], "llmscen ") {
				lines = append(lines, m[1])
			}
			if flag := strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == '=' }); strings.HasPrefix(m[1], "--") && !known[flag[0]] && !ofEngines {
				t.Errorf("%s: no command has a flag %s", p.name, flag[0])
			}
		}
		for _, line := range lines {
			if wrong := misnamed(line); wrong != "" {
				t.Errorf("%s: %s: %s", p.name, line, wrong)
			}
		}
		found += len(lines)
	}
	if found == 0 {
		t.Error("the manual names no command at all")
	}
}

func TestWordsThatTheManualMayNotSayAreFound(t *testing.T) {
	for line, right := range map[string]bool{
		"llmscen apply --yes x.scen.hcl   # runs it": true,
		"llmscen query 'select 1 | 2' --rows 3":      true,
		"llmscen verify [ID] [--recompute]":          true,
		"llmscen --version":                          true,
		"llmscen completion bash > llmscen.bash":     true,
		"llmscen applies":                            false,
		"llmscen apply --keep":                       false,
		"llmscen verify [ID] [--all]":                false,
		"llmscen down a b":                           false,
	} {
		if wrong := misnamed(line); (wrong == "") != right {
			t.Errorf("%s: %q", line, wrong)
		}
	}
}

var exitMention = regexp.MustCompile(`(?i)\bexit(?:s|ed)?(?: (?:code|codes|status|with|of|and|by))*:? ` + "`?" + `(\d+)`)

func TestTheManualNamesExitCodesThatExist(t *testing.T) {
	var known []string
	for _, e := range exitCodes {
		known = append(known, strings.Split(e.code, ", ")...)
	}
	for _, p := range manual(t) {
		for _, m := range exitMention.FindAllStringSubmatch(p.text, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: %q is not in the table of exit codes", p.name, m[0])
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestTheManualLinksToWhatIsThere(t *testing.T) {
	for _, p := range manual(t) {
		for _, m := range link.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := filepath.Join(repository, filepath.Dir(p.name), target)
			if target == "" {
				path = filepath.Join(repository, p.name)
			}
			data, err := os.ReadFile(path)
			if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s links to %s: %v", p.name, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(string(data)), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", p.name, m[1], target)
			}
		}
	}
}

// anchors are the names that headings get: lower case, without punctuation, with - for spaces.
func anchors(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.Map(func(r rune) rune {
				if strings.ContainsRune("`,.?!:;'\"()/", r) {
					return -1
				}
				return r
			}, strings.ToLower(strings.TrimSpace(title)))
			out = append(out, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return out
}

// mayExit is with which codes a command of the manual may end: whether a measurement is valid, and so whether there is
// something to compare, depends on how busy the machine is.
var mayExit = map[string][]int{
	"apply":   {exitDone, exitMissed, exitInvalid, exitUndecided},
	"compare": {exitDone, exitWrong, exitDifference, exitUndecided},
}

// TestWhatTheManualShowsRuns follows the pages in their order, in one folder: hcl blocks with a name are written as that
// file, those without are held against fmt, the lines of sh blocks that call llmscen are run, and sql blocks are asked.
func TestWhatTheManualShowsRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := append(os.Environ(), "NO_COLOR=1", "LLMSCEN_WAREHOUSE=", "LLMSCEN_STATE_DIR="+filepath.Join(dir, "state"))
	run := func(p page, stdin, line string) (string, int) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir, cmd.Env, cmd.Stdin = dir, env, strings.NewReader(stdin)
		out, err := cmd.Output()
		ended, failed := errors.AsType[*exec.ExitError](err)
		switch {
		case err == nil:
			return string(out), exitDone
		case !failed:
			t.Fatalf("%s: %s: %v", p.name, line, err)
		}
		if code := ended.ExitCode(); slices.Contains(mayExit[words(line)[1]], code) {
			return string(out), code
		}
		t.Errorf("%s: %s\nended with %d:\n%s%s", p.name, line, ended.ExitCode(), out, ended.Stderr)
		return "", ended.ExitCode()
	}
	for _, name := range []string{"docs/getting-started.md", "docs/measuring.md", "docs/warehouse.md", "docs/runtimes.md", "docs/comparing.md"} {
		p := readPage(t, name)
		for _, b := range p.blocks {
			kind, file, named := strings.Cut(b.info, " ")
			switch {
			case kind == "hcl" && named:
				if err := os.WriteFile(filepath.Join(dir, file), []byte(b.text), 0o600); err != nil {
					t.Fatal(err)
				}
				run(p, "", "llmscen fmt --check "+file)
			case kind == "hcl":
				if out, _ := run(p, b.text, "llmscen fmt -"); out != b.text {
					t.Errorf("%s: a block is not in canonical form, which is\n%s", name, out)
				}
			case kind == "sql":
				run(p, b.text, "llmscen query")
			}
			if name == "docs/runtimes.md" {
				continue // its commands need servers
			}
			for _, line := range b.commands() {
				run(p, "", line)
			}
		}
	}
}
