package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/llmscen/llmscen/collectors/procfs"
	"github.com/llmscen/llmscen/scenarios/lang"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/exporter"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

var update = flag.Bool("update", false, "write the pages of docs/reference instead of comparing them")

// repository is the root of the checkout, as seen from this package.
const repository = "../../.."

func TestTheReferenceIsWhatTheCodeSays(t *testing.T) {
	for name, page := range map[string]string{
		"cli.md":      commandReference(),
		"language.md": lang.Reference(),
		"tables.md":   tableReference(),
		"views.md":    viewReference(),
		"series.md":   seriesReference(),
		"verdicts.md": verdictReference(),
		"metrics.md":  metricReference(t),
		"engines.md":  engineReference(),
	} {
		path := filepath.Join(repository, "docs", "reference", name)
		if *update {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if string(got) != page {
			t.Errorf("docs/reference/%s is not what the code says: run `make docs` and read the difference", name)
		}
	}
}

// cell makes a text fit into a table: one line, and no bar that would end it.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// row writes a row of a table.
func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		fmt.Fprintf(b, "| %s ", cell(c))
	}
	b.WriteString("|\n")
}

// head writes the head of a table.
func head(b *strings.Builder, names ...string) {
	row(b, names...)
	b.WriteString(strings.Repeat("|---", len(names)) + "|\n")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// documentedRoot is the command tree with the commands and flags that cobra adds when it runs.
func documentedRoot() *cobra.Command {
	root := newRootCmd(&Env{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.InitDefaultVersionFlag()
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		c.InitDefaultHelpFlag()
	}
	return root
}

// environment is what the program reads from its environment; a scenario's secrets name others.
var environment = []struct{ name, meaning string }{
	{"LLMSCEN_WAREHOUSE", "folder of the results, where --warehouse does not say"},
	{"LLMSCEN_VAR_NAME", "the value of the scenario's variable NAME, where --var and files don't say"},
	{"LLMSCEN_STATE_DIR", "where applies keep their journals; else llmscen in XDG_STATE_HOME, else ~/.local/state/llmscen"},
	{"NO_COLOR", "set to anything: no colour, unless --color always"},
	{"TERM", "dumb: no colour, no progress line that is drawn over"},
}

var environmentRead = regexp.MustCompile(`(?:Getenv|LookupEnv)\("((?:LLMSCEN|XDG)_[A-Z_]+)"\)`)

func TestTheReferenceHasEveryVariableThatIsRead(t *testing.T) {
	page := commandReference()
	found := 0
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return cmp.Or(err, fs.SkipDir)
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range environmentRead.FindAllStringSubmatch(string(source), -1) {
			found++
			if !strings.Contains(page, m[1]) {
				t.Errorf("%s reads %s, which the reference does not have", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("no variable was found at all")
	}
}

func commandReference() string {
	root := documentedRoot()
	var b strings.Builder
	b.WriteString("# The command line: reference\n\nStandard output is the result; progress and mistakes go to standard error.\n\n## Exit codes\n\n")
	head(&b, "exit", "meaning")
	for _, e := range exitCodes {
		row(&b, e.code, e.meaning)
	}
	b.WriteString("\nWhere several hold, the first of 2, 130/143, 1, 5, 4, 6, 3 wins.\n\n## Environment\n\n")
	head(&b, "variable", "meaning")
	for _, v := range environment {
		row(&b, code(v.name), v.meaning)
	}
	b.WriteString("\n## Flags of every command\n")
	writeFlags(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		fmt.Fprintf(&b, "\n## llmscen %s\n\n%s.\n\n```text\n%s\n```\n", c.Name(), strings.TrimSuffix(c.Short, "."), c.UseLine())
		if long := strings.TrimSpace(strings.ReplaceAll(c.Long, exitHelp(), "")); long != "" && c.Name() != "completion" {
			fmt.Fprintf(&b, "\n%s\n", asMarkdown(long))
		}
		writeFlags(&b, c.LocalNonPersistentFlags())
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", unindented(c.Example))
		}
		if c.HasSubCommands() {
			b.WriteString("\n")
		}
		for _, sub := range c.Commands() {
			fmt.Fprintf(&b, "- `%s`: %s.\n", sub.CommandPath(), strings.TrimSuffix(sub.Short, "."))
		}
	}
	return b.String()
}

func unindented(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// asMarkdown keeps the paragraphs of a help text, and its indented lists as they are drawn.
func asMarkdown(s string) string {
	var out []string
	in := false
	for line := range strings.SplitSeq(s, "\n") {
		if drawn := strings.HasPrefix(line, "  "); drawn != in {
			if drawn {
				out = append(out, "", "```text")
			} else {
				out = append(out, "```")
			}
			in = drawn
		}
		out = append(out, line)
	}
	if in {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

// writeFlags writes a table of flags, but for --help, which all commands have.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			b.WriteString("\n")
			head(b, "flag", "without it", "")
			first = false
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		without := f.DefValue
		if without == "false" || without == "[]" {
			without = ""
		}
		row(b, code(strings.TrimSpace(name+" "+kind)), code(without), usage)
	})
}

func tableReference() string {
	var b strings.Builder
	b.WriteString(`# Tables: reference

A warehouse has these tables; a row of Go's package ` + "`warehouse/tables`" + ` is a row of the table. Instants (` + "`…_at`, `at`" + `) are
nanoseconds since 1970-01-01 UTC by the client's clock, durations say their unit in their name. A value that is not known
is NULL and never zero.

Every table also has these columns, which come from the path of its files:

`)
	head(&b, "column", "type", "meaning")
	for _, c := range tables.Keys {
		row(&b, code(c.Name), c.SQLType, c.Comment)
	}
	for _, t := range tables.All() {
		fmt.Fprintf(&b, "\n## %s\n\nOne row is %s\n\n", t.Name, t.Comment)
		head(&b, "column", "type", "NULL", "meaning")
		for _, c := range t.Columns {
			null := ""
			if c.Nullable {
				null = "may be"
			}
			row(&b, code(c.Name), c.SQLType, null, c.Comment)
		}
	}
	return b.String()
}

func viewReference() string {
	var b strings.Builder
	b.WriteString("# Views: reference\n\nViews and macros over the [tables](tables.md). Every figure that llmscen prints can be asked here again.\n")
	for _, v := range warehouse.Views() {
		_, statement, _ := strings.Cut(v.SQL, "CREATE ")
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```sql\nCREATE %s\n```\n", v.Name, v.Comment, strings.TrimSpace(statement))
	}
	return b.String()
}

func seriesReference() string {
	var b strings.Builder
	b.WriteString(`# Series: reference

What ` + "`collect \"procfs\"`" + ` samples, by the names in the table ` + "`series`" + `. A series that could not be read is missing: it is
never written as zero. The label ` + "`source`" + ` says where a series was read.

`)
	head(&b, "series", "unit", "of", "meaning")
	for _, d := range procfs.Definitions() {
		row(&b, code(d.Name), d.Unit, strings.Join(d.Targets, ", "), d.Doc)
	}
	return b.String()
}

func verdictReference() string {
	var b strings.Builder
	b.WriteString(`# Verdicts and columns: reference

## When a measurement is flagged or invalid

The rules are about the measurement. What the server does wrong (errors, time-outs, no free slot) is a finding and not
among them. A runtime that died flags its trial too: under stress that is a finding.

`)
	head(&b, "rule", "what is measured", "flagged", "invalid", "when")
	for _, r := range warehouse.Rules() {
		row(&b, code(r.Name), r.What, r.Flagged, r.Invalid, r.When)
	}
	b.WriteString(`
## The columns of the table of trials

` + "`-o wide`" + ` adds those that are marked so. In ` + "`-o json`, `jsonl` and `csv`" + ` all of them are there, by their key.

`)
	columnReference(&b, report.Columns())
	b.WriteString(`
## The columns of the table of searches

It follows the table of trials where some of them searched, on a terminal and in markdown.

`)
	columnReference(&b, report.SearchColumns())
	return b.String()
}

func columnReference(b *strings.Builder, columns []report.Column) {
	head(b, "key", "in the table as", "wide only", "meaning")
	for _, c := range columns {
		header, wide := c.Header, ""
		if header == "" {
			header = c.Key
		}
		if c.Wide {
			wide = "yes"
		}
		row(b, code(c.Key), header, wide, c.Doc)
	}
}

// metricReference scrapes an exporter that has seen a trial.
func metricReference(t *testing.T) string {
	e := exporter.New(exporter.Options{Version: "v", Live: func() exporter.Live {
		return exporter.Live{TargetRatePerSecond: 1, TargetUsers: 1}
	}})
	trial := exporter.Trial{Scenario: "s", Apply: "a", TrialID: "t#1", Run: "r", Runtime: "runtime.x", Model: "m"}
	e.BeginTrial(trial)
	e.ObserveRequests([]tables.Request{{Phase: tables.PhaseMeasure, Final: true}})
	e.EndTrial(tables.Trial{})
	e.BeginTrial(trial)
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))

	var b strings.Builder
	b.WriteString(`# Metrics: reference

What ` + "`llmscen apply`" + ` serves at ` + "`/metrics`" + ` while it runs (` + "`--listen`" + ` chooses the address), beside the usual ` + "`go_*` and `process_*`" + `.
Histograms are native; a server that knows only classic ones reads those of the same name with ` + "`_classic_`" + `. Labels never
hold prompts, ids of requests or texts of errors, and the number of different ones is bounded.

`)
	head(&b, "metric", "type", "labels", "meaning")
	help, kind := map[string]string{}, map[string]string{}
	labels := map[string][]string{}
	var names []string
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), " ", 4)
		switch {
		case fields[0] == "#" && fields[1] == "HELP":
			help[fields[2]] = fields[3]
		case fields[0] == "#" && fields[1] == "TYPE" && strings.HasPrefix(fields[2], "llmscen_"):
			names = append(names, fields[2])
			kind[fields[2]] = fields[3]
		case len(names) > 0 && strings.HasPrefix(fields[0], names[len(names)-1]):
			name := names[len(names)-1]
			for _, l := range labelNames(fields[0]) {
				if !slices.Contains(labels[name], l) {
					labels[name] = append(labels[name], l)
				}
			}
		}
	}
	for _, name := range names {
		row(&b, code(name), kind[name], strings.Join(labels[name], ", "), help[name])
	}
	return b.String()
}

// labelNames are those of a sample's line, but for the buckets' own.
func labelNames(sample string) []string {
	_, list, _ := strings.Cut(strings.TrimSuffix(sample, "}"), "{")
	var names []string
	for pair := range strings.SplitSeq(list, ",") {
		if name, _, ok := strings.Cut(pair, "="); ok && name != "le" {
			names = append(names, name)
		}
	}
	return names
}
