package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner"
)

func newRootCmd(e *Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "llmscen",
		Short: "Benchmark and stress-test LLM runtimes by checked-in scenarios",
		Long: `llmscen runs declarative scenarios against LLM runtimes and keeps every request, every token's time and every
resource sample in Parquet, with verdicts that say whether a number may be believed.

Begin with:
  llmscen init hello && llmscen apply hello --yes

` + exitHelp(),
		Version:       runner.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			near := cmd.SuggestionsFor(args[0])
			if len(near) > 0 {
				return wrong("there is no command %q. Did you mean llmscen %s?", args[0], strings.Join(near, " or "))
			}
			return wrong("there is no command %q: see `llmscen --help`", args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			switch e.color {
			case "auto", "always", "never":
			default:
				return wrong("--color %s: it is auto, always or never", e.color)
			}
			if e.dir != "" {
				if err := os.Chdir(e.dir); err != nil {
					return wrong("-C %s: %v", e.dir, err)
				}
			}
			return nil
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return wrong("%v; see `%s --help`", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&e.warehouse, "warehouse", "", "folder of the results (LLMSCEN_WAREHOUSE; else the scenario's, else ./results)")
	f.StringVarP(&e.output, "output", "o", "", "output format: table|wide|json|jsonl|csv|md|html, where the command has it")
	f.StringArrayVar(&e.vars, "var", nil, "set a variable, as in --var rate=5")
	f.StringArrayVar(&e.varFiles, "var-file", nil, "read variables from a .scenvars.hcl file")
	f.StringVarP(&e.dir, "dir", "C", "", "change to this folder first")
	f.StringVar(&e.color, "color", "auto", "auto, always or never")
	f.BoolVarP(&e.quiet, "quiet", "q", false, "no progress, only results and mistakes")
	f.BoolVarP(&e.verbose, "verbose", "v", false, "say more")

	root.AddCommand(
		newInitCmd(e), newValidateCmd(e), newFmtCmd(e), newPlanCmd(e), newApplyCmd(e), newStatusCmd(e),
		newLsCmd(e), newShowCmd(e), newQueryCmd(e), newCompareCmd(e), newReportCmd(e), newExportCmd(e),
		newDownCmd(e), newRecoverCmd(e), newVerifyCmd(e),
		newServeRuntimeCmd(e), newSuperviseCmd(e), newServeQueryCmd(e),
	)
	return root
}
