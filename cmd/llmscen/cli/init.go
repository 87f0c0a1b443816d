package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/scenarios/examples"
)

type initOptions struct {
	dir     string
	example string
}

func newInitCmd(e *Env) *cobra.Command {
	o := &initOptions{}
	var list strings.Builder
	for _, ex := range examples.List() {
		fmt.Fprintf(&list, "  %-18s  %s\n", ex.Name, ex.About)
	}
	cmd := &cobra.Command{
		Use:     "init [DIR] [--example NAME]",
		Short:   "Write a scenario that runs as it is",
		Long:    "Writes an example scenario, with the files that it reads, into DIR (the current folder). It overwrites nothing.\n\nExamples:\n" + list.String(),
		Example: "  llmscen init bench\n  llmscen init bench --example quickstart",
		Args:    atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) == 1 {
				o.dir = args[0]
			}
			return initRun(e, o)
		},
	}
	cmd.Flags().StringVar(&o.example, "example", examples.Default, "which one")
	return cmd
}

func initRun(e *Env, o *initOptions) error {
	example, ok := examples.Find(o.example)
	if !ok {
		return wrong("there is no example %q: `%s init --help` lists them", o.example, invoked())
	}
	for _, f := range example.Files {
		path := filepath.Join(o.dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making the folder: %w", err)
		}
		if err := writeNew(path, []byte(f.Text)); err != nil {
			return err
		}
		fmt.Fprintf(e.Stdout, "Wrote %s\n", path)
	}
	main := filepath.Join(o.dir, example.Files[0].Path)
	fmt.Fprintf(e.Stdout, "\nNext:\n  %s plan %s\n  %s apply %s\n", invoked(), main, invoked(), main)
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return wrong("%s is there already: move it, or name another folder", path)
	}
	if err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
