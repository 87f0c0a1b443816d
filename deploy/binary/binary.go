// Package binary runs the program llmscen as a user does, for the checks and measurements that lie in deploy.
package binary

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program is the path of the program llmscen.
type Program string

// Home is a folder in which the program keeps all that it writes, but for its cache of compiled code.
type Home string

// Warehouse is where the results lie.
func (h Home) Warehouse() string { return filepath.Join(string(h), "results") }

// command is the program with its state in the home.
func (p Program) command(ctx context.Context, h Home, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, string(p), append([]string{"--warehouse", h.Warehouse(), "--dir", string(h)}, args...)...)
	cmd.Env = append(os.Environ(), "LLMSCEN_STATE_DIR="+filepath.Join(string(h), "state"))
	return cmd
}

// Query runs an SQL statement over the warehouse and decodes its rows, one JSON object each, into rows, a pointer to a
// slice.
func (p Program) Query(ctx context.Context, h Home, sql string, rows any) error {
	out, err := output(p.command(ctx, h, "--output", "json", "query", sql))
	if err != nil {
		return fmt.Errorf("asking the warehouse: %w", err)
	}
	if err := json.Unmarshal(out, rows); err != nil {
		return fmt.Errorf("reading what the warehouse answers: %w", err)
	}
	return nil
}

// Recover seals what an apply that was killed has left.
func (p Program) Recover(ctx context.Context, h Home) error {
	if _, err := output(p.command(ctx, h, "recover")); err != nil {
		return fmt.Errorf("recovering: %w", err)
	}
	return nil
}

func output(cmd *exec.Cmd) ([]byte, error) {
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(told.Bytes()))
	}
	return out, nil
}
