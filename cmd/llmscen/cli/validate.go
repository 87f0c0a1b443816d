package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/scenarios/diag"
	"github.com/llmscen/llmscen/scenarios/lang"
)

func newValidateCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "Tell every mistake in scenarios; touch nothing",
		Long: `Reads scenarios and tells every mistake at once, each with its line and what to do. A PATH is a file, or a folder whose
*.scen.hcl files make one scenario; without one it is the current folder. -o json writes the findings as one document.`,
		Example: "  llmscen validate quickstart.scen.hcl\n  llmscen validate -o json .",
		RunE:    func(cmd *cobra.Command, args []string) error { return validateRun(cmd.Context(), e, args) },
	}
}

// validation is the document of validate -o json.
type validation struct {
	Valid       bool      `json:"valid"`
	Diagnostics diag.List `json:"diagnostics"`
}

func validateRun(ctx context.Context, e *Env, paths []string) error {
	format, err := e.wants("text", "json")
	if err != nil {
		return err
	}
	o, err := e.langOptions(paths)
	if err != nil {
		return err
	}
	list, diags, err := lang.Load(ctx, o)
	if err != nil {
		return err
	}
	if format == "json" {
		if diags == nil {
			diags = diag.List{}
		}
		if err := writeJSON(e.Stdout, validation{!diags.HasErrors(), diags}); err != nil {
			return err
		}
	} else {
		e.tell(diags)
	}
	if diags.HasErrors() {
		return told(exitWrong)
	}
	if format == "text" && !e.quiet {
		for _, s := range list {
			cells := 0
			for _, r := range s.Runs {
				cells += len(r.Cells)
			}
			fmt.Fprintf(e.Stdout, "Scenario %q is right: %s, %s.\n", s.Name, count(len(s.Runs), "run"), count(cells, "cell"))
		}
	}
	return nil
}

// langOptions are the flags that reading a scenario needs.
func (e *Env) langOptions(paths []string) (lang.Options, error) {
	vars, err := e.variables()
	if err != nil {
		return lang.Options{}, err
	}
	return lang.Options{Paths: paths, Vars: vars, VarFiles: e.varFiles, Env: os.LookupEnv}, nil
}

func count(n int, noun string) string { return counted(n, noun, noun+"s") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func writeJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
