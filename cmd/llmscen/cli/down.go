package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner/local"
)

func newDownCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "down [ID]",
		Short: "Remove what interrupted applies left on this machine",
		Long: `Ends the processes that applies started and whose own process is gone, of all of them or of the one named. A process
is known by its id and its start time, so that a stranger with the same id is never ended. Results are not touched.`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return downRun(e, id)
		},
	}
}

func downRun(e *Env, id string) error {
	states, err := journals(id)
	if err != nil {
		return err
	}
	removed := 0
	for _, s := range states {
		if s.Alive {
			if id != "" {
				return wrong("apply %s is under way (process %d): interrupt it there", s.ID, s.PID)
			}
			continue
		}
		for _, p := range local.Leftovers(s.Processes) {
			if err := local.Kill(p); err != nil {
				return fmt.Errorf("ending process %d of %s: %w", p.PID, s.ID, err)
			}
			removed++
			fmt.Fprintf(e.Stdout, "Removed what was left of process %d (%s) of %s\n", p.PID, p.Object, s.ID)
		}
	}
	if removed == 0 {
		fmt.Fprintln(e.Stdout, "Nothing is left of any apply.")
	}
	return nil
}
