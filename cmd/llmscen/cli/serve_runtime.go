package cli

import (
	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/runner/local"
)

// newServeRuntimeCmd is the life of an embedded runtime's process.
func newServeRuntimeCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:    local.ServeRuntimeCommand,
		Short:  "Serve an embedded runtime (used by llmscen itself)",
		Hidden: true,
		Args:   exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.ServeRuntime(cmd.Context(), e.Stdin, e.Stdout)
		},
	}
}

// newSuperviseCmd is the life of the process between llmscen and a command that it starts.
func newSuperviseCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:    local.SuperviseCommand,
		Short:  "Start a command and leave nothing of it behind (used by llmscen itself)",
		Hidden: true,
		Args:   exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return local.Supervise(cmd.Context(), e.Stdin, e.Stdout)
		},
	}
}
