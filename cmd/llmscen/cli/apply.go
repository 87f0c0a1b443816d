package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/warehouse/tables"
)

type applyOptions struct {
	paths  []string
	runs   []string
	yes    bool
	strict bool
	labels []string
	listen string
}

func newApplyCmd(e *Env) *cobra.Command {
	o := &applyOptions{}
	cmd := &cobra.Command{
		Use:   "apply [PATH…|PLANFILE]",
		Short: "Run scenarios and keep what was measured",
		Long: `Starts each runtime, makes its load, samples its resources, and leaves every request in the warehouse, judged.
The first Ctrl-C stops new requests, waits for those on their way, seals the rows and stops the runtimes; the second
leaves at once, and ` + "`llmscen recover`" + ` seals the rows later. While it runs, /metrics is served on loopback.

` + exitHelp(),
		Example: "  llmscen apply quickstart.scen.hcl\n  llmscen apply --yes --label branch=main .\n  llmscen apply quickstart.plan",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return applyRun(cmd.Context(), e, o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.strict, "strict", false, "exit 5 also where a trial is flagged")
	f.StringArrayVar(&o.runs, "run", nil, "only this run (may be repeated)")
	f.StringArrayVar(&o.labels, "label", nil, "store a label with every trial, as in --label branch=main")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "where /metrics and /status are served")
	return cmd
}

func applyRun(ctx context.Context, e *Env, o *applyOptions) error {
	format, err := e.wants("table", "wide", "json", "jsonl", "csv", "md")
	if err != nil {
		return err
	}
	labels, err := parseLabels(o.labels)
	if err != nil {
		return err
	}
	all, err := o.plans(ctx, e)
	if err != nil {
		return err
	}
	var cannot []string
	trials := 0
	for _, p := range all {
		cannot = append(cannot, p.plan.NotExecutable...)
		trials += len(p.plan.Trials)
	}
	if len(cannot) > 0 {
		return fmt.Errorf("nothing was started: %s", strings.Join(cannot, " "))
	}
	if trials == 0 {
		return wrong("there is nothing to apply: the scenario has no run")
	}
	if err := o.confirm(e, all); err != nil {
		return err
	}
	code := exitDone
	for _, p := range all {
		c, err := applyOne(ctx, e, o, format, p, labels)
		code = worst(code, c)
		if err != nil {
			return err
		}
		if c == exitInterrupted || c == exitTerminated {
			break
		}
	}
	return told(code)
}

// plans plans the scenarios, or reads the saved plan, that the arguments name.
func (o *applyOptions) plans(ctx context.Context, e *Env) ([]planned, error) {
	if len(o.paths) == 1 && !strings.HasSuffix(o.paths[0], ".hcl") {
		if info, err := os.Stat(o.paths[0]); err == nil && info.Mode().IsRegular() {
			if len(o.runs) > 0 {
				return nil, wrong("--run does not go with a saved plan: give it to `plan`")
			}
			return readPlan(ctx, e, o.paths[0])
		}
	}
	return e.plans(ctx, o.paths, o.runs)
}

// confirm asks on a terminal; elsewhere nobody can be asked.
func (o *applyOptions) confirm(e *Env, all []planned) error {
	if o.yes {
		return nil
	}
	if !isTerminal(e.Stdin) || !isTerminal(e.Stderr) {
		return wrong("apply asks before it starts, and here nobody can be asked: add --yes")
	}
	for _, p := range all {
		drawPlan(e.Stderr, p.plan)
	}
	fmt.Fprint(e.Stderr, "\nStart? Only yes is taken: ")
	answer, _ := bufio.NewReader(e.Stdin).ReadString('\n') // the end of input is a no
	if strings.TrimSpace(answer) != "yes" {
		fmt.Fprintln(e.Stderr, "Nothing was started.")
		return told(exitFailed)
	}
	return nil
}

func parseLabels(list []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, l := range list {
		k, v, ok := strings.Cut(l, "=")
		if !ok || k == "" {
			return nil, wrong("--label %s: write it as --label KEY=VALUE", l)
		}
		labels[k] = v
	}
	return labels, nil
}

// newApplyID is the time, so that ids sort, and four hex digits against two applies in one second.
func newApplyID(now time.Time) string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// gitCommit is the commit of the scenario's folder, where it lies in a checkout.
func gitCommit(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// exitOf is the code that the verdicts of an apply ask for.
func exitOf(verdicts []runner.Verdict, strict bool) int {
	code := exitDone
	for _, v := range verdicts {
		if v.Status == tables.StatusFailed || v.Status == tables.StatusAborted || v.Validity == tables.Invalid || strict && v.Validity == tables.Flagged {
			code = worst(code, exitInvalid)
		}
		switch v.SLO {
		case tables.SLOFail:
			code = worst(code, exitMissed)
		case tables.SLOIndeterminate:
			code = worst(code, exitUndecided)
		}
	}
	return code
}

// eventLines writes events as JSON lines.
func eventLines(e *Env) func(runner.Event) {
	var mu sync.Mutex
	enc := json.NewEncoder(e.Stdout)
	enc.SetEscapeHTML(false)
	return func(ev runner.Event) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(ev) // a reader that went away does not end the apply
	}
}
