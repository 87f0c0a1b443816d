package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/warehouse"
)

type statusOptions struct {
	id    string
	watch bool
}

func newStatusCmd(e *Env) *cobra.Command {
	o := &statusOptions{}
	cmd := &cobra.Command{
		Use:   "status [ID] [--watch]",
		Short: "Show the apply under way, and what interrupted ones left",
		Long: `Shows the applies of this machine whose process runs (trial, phase, rate, TTFT, errors), and those that did not come
to their end, with what is left of them. --watch follows the apply under way until it ends.`,
		Example: "  llmscen status\n  llmscen status --watch",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.id = args[0]
			}
			return statusRun(cmd.Context(), e, o)
		},
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "follow until it ends")
	return cmd
}

// applyStatus is one apply in status -o json.
type applyStatus struct {
	ID        string `json:"id"`
	Scenario  string `json:"scenario"`
	Warehouse string `json:"warehouse"`
	// State is running, ended, unfinished (it died, and rows wait in its spool) or interrupted (it died, and no rows wait).
	State     string         `json:"state"`
	BegunAt   time.Time      `json:"begun_at"`
	Trials    int            `json:"trials"`
	Sealed    int            `json:"sealed"`
	Live      *liveStatus    `json:"live,omitempty"`
	Leftovers []runner.Entry `json:"leftovers,omitempty"`
}

func statusRun(ctx context.Context, e *Env, o *statusOptions) error {
	format, err := e.wants("text", "json")
	if err != nil {
		return err
	}
	found, err := applyStatuses(ctx, o.id)
	if err != nil {
		return err
	}
	if o.watch {
		for _, s := range found {
			if s.State == "running" && s.Live != nil {
				return watch(ctx, e, s)
			}
		}
		if !e.quiet {
			fmt.Fprintln(e.Stderr, "No apply is under way.")
		}
	}
	if format == "json" {
		if found == nil {
			found = []applyStatus{}
		}
		return writeJSON(e.Stdout, found)
	}
	shown := 0
	for _, s := range found {
		if o.id == "" && len(s.Leftovers) == 0 && (s.State == "ended" || s.State == "interrupted") {
			continue
		}
		drawStatus(e, s)
		shown++
	}
	if shown == 0 {
		fmt.Fprintln(e.Stdout, "No apply is under way, and none left anything.")
	}
	return nil
}

// applyStatuses reads the journals; id, or its beginning, limits them.
func applyStatuses(ctx context.Context, id string) ([]applyStatus, error) {
	states, err := journals(id)
	if err != nil {
		return nil, err
	}
	var all []applyStatus
	for _, s := range states {
		a := applyStatus{
			ID: s.ID, Scenario: s.Scenario, Warehouse: s.Warehouse, BegunAt: s.BegunAt,
			Trials: s.Trials, Sealed: s.Sealed, State: "interrupted",
		}
		switch {
		case s.Alive:
			a.State = "running"
			if l, err := fetchLive(ctx, s.Address); err == nil {
				a.Live = &l
			}
		case s.Ended != nil:
			a.State = "ended"
		case spooled(s):
			a.State = "unfinished"
		}
		if !s.Alive {
			a.Leftovers = local.Leftovers(s.Processes)
		}
		all = append(all, a)
	}
	return all, nil
}

// spooled tells whether an apply has rows that are not sealed.
func spooled(s runner.ApplyState) bool {
	w, err := warehouse.Open(s.Warehouse)
	if err != nil {
		return false // it is gone, and its rows with it
	}
	ids, err := w.Unfinished()
	return err != nil || slices.Contains(ids, s.ID)
}

// journals are the applies of this machine, the newest first; id limits them to those that begin with it.
func journals(id string) ([]runner.ApplyState, error) {
	dir, err := runner.StateDir()
	if err != nil {
		return nil, err
	}
	states, err := runner.ReadApplies(dir)
	if err != nil || id == "" {
		return states, err
	}
	var some []runner.ApplyState
	for _, s := range states {
		if strings.HasPrefix(s.ID, id) || id == "latest" && len(some) == 0 {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil, wrong("no apply here begins with %q: `%s status` lists those under way, `%s ls` what the warehouse holds", id, invoked(), invoked())
	}
	return some, nil
}

func fetchLive(ctx context.Context, address string) (liveStatus, error) {
	var s liveStatus
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

func drawStatus(e *Env, s applyStatus) {
	fmt.Fprintf(e.Stdout, "%s  %s  %s, %d of %d trials sealed\n", s.ID, s.Scenario, s.State, s.Sealed, s.Trials)
	if s.Live != nil {
		fmt.Fprintf(e.Stdout, "  %s %s\n", s.Live.Doing, s.Live.Trial)
		for _, line := range progressLines(*s.Live) {
			fmt.Fprintln(e.Stdout, line)
		}
	}
	for _, l := range s.Leftovers {
		fmt.Fprintf(e.Stdout, "  left: process %d (%s)\n", l.PID, l.Object)
	}
	if s.State == "unfinished" {
		fmt.Fprintf(e.Stdout, "  its rows: %s recover --warehouse %s %s\n", invoked(), s.Warehouse, s.ID)
	}
	if len(s.Leftovers) > 0 {
		fmt.Fprintf(e.Stdout, "  its processes: %s down %s\n", invoked(), s.ID)
	}
}

// watch follows an apply as its own display does.
func watch(ctx context.Context, e *Env, s applyStatus) error {
	states, err := journals(s.ID)
	if err != nil {
		return err
	}
	address := states[0].Address
	terminal := isTerminal(e.Stdout)
	every := time.Second
	drawn := 0
	fmt.Fprintf(e.Stdout, "%s  %s\n", s.ID, s.Scenario)
	for {
		l, err := fetchLive(ctx, address)
		if drawn > 0 && terminal {
			fmt.Fprintf(e.Stdout, "\x1b[%dA\x1b[J", drawn)
		}
		if gone := err != nil; gone || l.Doing == "done" {
			fmt.Fprintln(e.Stdout, "It has ended.")
			return nil //nolint:nilerr // an apply that does not answer has ended
		}
		lines := append([]string{"  " + l.Doing + " " + l.Trial}, progressLines(l)...)
		for _, line := range lines {
			fmt.Fprintln(e.Stdout, line)
		}
		drawn = len(lines)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}
