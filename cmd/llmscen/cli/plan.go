package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner"
)

type planOptions struct {
	paths    []string
	out      string
	runs     []string
	exitCode bool
}

func newPlanCmd(e *Env) *cobra.Command {
	o := &planOptions{}
	cmd := &cobra.Command{
		Use:   "plan [PATH…]",
		Short: "Show the trials, and the time and requests expected; start nothing",
		Long: `Shows what an apply would do, in its order. --out saves the plan: apply then refuses it when the scenario, a file it
reads or a variable has changed since.`,
		Example: "  llmscen plan quickstart.scen.hcl\n  llmscen plan --out quickstart.plan quickstart.scen.hcl\n  llmscen plan -o json .",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return planRun(cmd.Context(), e, o)
		},
	}
	cmd.Flags().StringVar(&o.out, "out", "", "save the plan in this file, which llmscen apply takes")
	cmd.Flags().StringArrayVar(&o.runs, "run", nil, "only this run (may be repeated)")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit 3 where an apply would have something to do")
	return cmd
}

// savedPlan is a plan's file. An apply reads the scenario again from Paths and refuses unless the digests are equal, so
// what is applied is what was looked at.
type savedPlan struct {
	Format   string            `json:"format"` // llmscen-plan/1
	Version  string            `json:"llmscen_version"`
	Paths    []string          `json:"paths"` // absolute
	Runs     []string          `json:"runs,omitempty"`
	Vars     map[string]string `json:"vars,omitempty"` // those that are not sensitive
	VarFiles []string          `json:"var_files,omitempty"`
	Plans    []*runner.Plan    `json:"plans"`
}

const planFormat = "llmscen-plan/1"

func planRun(ctx context.Context, e *Env, o *planOptions) error {
	format, err := e.wants("text", "json")
	if err != nil {
		return err
	}
	all, err := e.plans(ctx, o.paths, o.runs)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := savePlan(e, o, all); err != nil {
			return err
		}
	}
	trials := 0
	for _, p := range all {
		trials += len(p.plan.Trials)
		if format == "text" {
			drawPlan(e.Stdout, p.plan)
		}
	}
	if format == "json" {
		plans := make([]*runner.Plan, len(all))
		for i, p := range all {
			plans[i] = p.plan
		}
		if err := writeJSON(e.Stdout, plans); err != nil {
			return err
		}
	}
	if o.out != "" && format == "text" {
		fmt.Fprintf(e.Stdout, "\nSaved. To apply exactly this:\n  %s apply %s\n", invoked(), o.out)
	}
	if o.exitCode && trials > 0 {
		return told(exitDifference)
	}
	return nil
}

func savePlan(e *Env, o *planOptions, all []planned) error {
	s := savedPlan{Format: planFormat, Version: runner.Version(), Runs: o.runs, Vars: map[string]string{}}
	for _, paths := range []struct {
		from []string
		to   *[]string
	}{{o.paths, &s.Paths}, {e.varFiles, &s.VarFiles}} {
		for _, p := range paths.from {
			abs, err := filepath.Abs(p)
			if err != nil {
				return err
			}
			*paths.to = append(*paths.to, abs)
		}
	}
	if len(s.Paths) == 0 {
		wd, err := os.Getwd()
		if err != nil {
			return err
		}
		s.Paths = []string{wd}
	}
	vars, err := e.variables()
	if err != nil {
		return err
	}
	for name, value := range vars {
		sensitive := slices.ContainsFunc(all, func(p planned) bool { return p.scenario.Variables[name] == "(sensitive)" })
		if !sensitive {
			s.Vars[name] = value
		}
	}
	for _, p := range all {
		s.Plans = append(s.Plans, p.plan)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return replaceFile(o.out, text, 0o600)
}

// readPlan reads a saved plan, plans its scenario again and refuses it where anything has changed.
func readPlan(ctx context.Context, e *Env, path string) ([]planned, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("reading the plan: %v", err)
	}
	var s savedPlan
	if err := json.Unmarshal(text, &s); err != nil || s.Format != planFormat {
		return nil, wrong("%s is neither a scenario (*.scen.hcl) nor a saved plan of this version", path)
	}
	for name, value := range s.Vars {
		e.vars = append(e.vars, name+"="+value)
	}
	e.varFiles = append(slices.Clone(s.VarFiles), e.varFiles...)
	all, err := e.plans(ctx, s.Paths, s.Runs)
	if err != nil {
		return nil, err
	}
	if len(all) != len(s.Plans) {
		return nil, wrong("the saved plan %s is stale: it has %s and its paths now have %d: plan again", path, count(len(s.Plans), "scenario"), len(all))
	}
	for i, p := range all {
		then := s.Plans[i]
		if p.plan.ScenarioSHA256 != then.ScenarioSHA256 {
			return nil, wrong("the saved plan %s is stale: scenario %q, a file that it reads or a variable has changed since: plan again", path, p.plan.ScenarioName)
		}
		same := slices.EqualFunc(p.plan.Trials, then.Trials, func(a, b runner.Trial) bool {
			return a.ID == b.ID && a.Seed == b.Seed && a.Deployment == b.Deployment
		})
		if !same {
			return nil, wrong("the saved plan %s was made by llmscen %s, and this version plans other trials: plan again", path, s.Version)
		}
		p.plan.Warehouse = then.Warehouse
	}
	return all, nil
}

// mostTrials is how many trials a person is shown.
const mostTrials = 40

func drawPlan(w io.Writer, p *runner.Plan) {
	fmt.Fprintf(w, "Scenario %q: %s, %s %s and %s requests\n", p.ScenarioName, count(len(p.Trials), "trial"), aboutOrAtMost(p), about(p.EstimatedDuration), thousands(p.EstimatedRequests))
	if p.Description != "" {
		fmt.Fprintf(w, "%s\n", printable(p.Description))
	}
	fmt.Fprintln(w, "\nRuntimes:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range p.Deployments {
		where := "this machine"
		if d.NodePool != nil {
			where = d.NodePool.Addr + " (" + d.NodePool.Kind + ")"
		}
		fmt.Fprintf(tw, "  + %s\t%s\t%s\t%s\n", d.Runtime.Addr, d.Runtime.Engine, where, d.Runtime.Model)
	}
	_ = tw.Flush()
	fmt.Fprintln(w, "\nTrials, in order:")
	tw = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  \tTRIAL\tRUNTIME\tPROMPTS\tLOAD\tTIME\tREQUESTS")
	for i, t := range p.Trials[:min(len(p.Trials), mostTrials)] {
		fmt.Fprintf(tw, "  %d\t%s\t%s\t%s\t%s\t%s\t%s\n", i+1, t.ID, t.Cell.Runtime.Addr, t.Cell.PromptSet.Addr, t.Cell.Load.Addr, about(t.EstimatedDuration), thousands(t.EstimatedRequests))
	}
	_ = tw.Flush()
	if more := len(p.Trials) - mostTrials; more > 0 {
		fmt.Fprintf(w, "  … and %d more: -o json has them all\n", more)
	}
	fmt.Fprintf(w, "\nResults go to %s\n", p.Warehouse)
	if len(p.EnvRead) > 0 {
		fmt.Fprintf(w, "Environment variables read: %s\n", strings.Join(p.EnvRead, ", "))
	}
	for _, s := range p.NotExecutable {
		fmt.Fprintf(w, "Cannot be applied: %s\n", s)
	}
}

// aboutOrAtMost says what an estimate is: that of a search is a bound.
func aboutOrAtMost(p *runner.Plan) string {
	if slices.ContainsFunc(p.Trials, func(t runner.Trial) bool { return t.Cell.Load.Shape == "search" }) {
		return "at most"
	}
	return "about"
}

// about is a duration as people say it.
func about(d time.Duration) string {
	switch {
	case d == 0:
		return "?"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 10*time.Minute:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// thousands groups digits: 12,345; 0 is not known.
func thousands(n int64) string {
	if n == 0 {
		return "?"
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
