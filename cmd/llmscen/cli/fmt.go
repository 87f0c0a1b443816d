package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/scenarios/lang"
)

// maxFileBytes is what the language takes of a file; a larger one is refused before it is read.
const maxFileBytes = 1 << 20

type fmtOptions struct {
	paths       []string
	check, diff bool
}

func newFmtCmd(e *Env) *cobra.Command {
	o := &fmtOptions{}
	cmd := &cobra.Command{
		Use:   "fmt [PATH…|-]",
		Short: "Write scenarios in canonical form",
		Long: `Rewrites *.scen.hcl and *.scenvars.hcl files in canonical form and names those that changed. A PATH is a file or a
folder (not the folders in it); - reads standard input and writes standard output. What does not parse is refused.`,
		Example: "  llmscen fmt\n  llmscen fmt --check --diff scenarios/",
		RunE: func(_ *cobra.Command, args []string) error {
			o.paths = args
			return fmtRun(e, o)
		},
	}
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 3 where something would change")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "show what changes")
	return cmd
}

func fmtRun(e *Env, o *fmtOptions) error {
	if len(o.paths) == 1 && o.paths[0] == "-" {
		return fmtStdin(e, o)
	}
	if len(o.paths) == 0 {
		o.paths = []string{"."}
	}
	var files []string
	for _, p := range o.paths {
		found, err := formattable(p)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	code := exitDone
	for _, path := range files {
		changed, err := fmtFile(e, o, path)
		if err != nil {
			code = worst(code, codeOf(err))
			if ee, ok := errors.AsType[*exitError](err); !ok || ee.err != nil {
				fmt.Fprintf(e.Stderr, "Error: %s\n", printable(err.Error()))
			}
			continue
		}
		if changed && o.check {
			code = worst(code, exitDifference)
		}
	}
	return told(code)
}

// formattable is the scenario files that a path names.
func formattable(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, wrong("%v: name a file or a folder that is there", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := fs.ReadDir(os.DirFS(path), ".")
	if err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", path, err)
	}
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".scen.hcl") || strings.HasSuffix(name, ".scenvars.hcl") {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files, nil
}

func fmtFile(e *Env, o *fmtOptions, path string) (changed bool, _ error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, wrong("%v: name a file or a folder that is there", err)
	}
	if info.Size() > maxFileBytes {
		return false, wrong("%s has %d bytes: a scenario file has at most %d", path, info.Size(), maxFileBytes)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", path, err)
	}
	out, diags := lang.Format(path, src)
	e.tell(diags)
	if diags.HasErrors() {
		return false, told(exitWrong)
	}
	if bytes.Equal(src, out) {
		return false, nil
	}
	if o.diff {
		_, _ = e.Stdout.Write(diff.Diff(path, src, path+" (canonical)", out))
	} else {
		fmt.Fprintln(e.Stdout, path)
	}
	if o.check {
		return true, nil
	}
	return true, replaceFile(path, out, info.Mode())
}

func fmtStdin(e *Env, o *fmtOptions) error {
	src, err := io.ReadAll(io.LimitReader(e.Stdin, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("reading standard input: %w", err)
	}
	if len(src) > maxFileBytes {
		return wrong("standard input has more than %d bytes, which is the limit of a scenario file", maxFileBytes)
	}
	out, diags := lang.Format("<stdin>", src)
	e.tell(diags)
	if diags.HasErrors() {
		return told(exitWrong)
	}
	same := bytes.Equal(src, out)
	switch {
	case o.diff:
		if !same {
			_, _ = e.Stdout.Write(diff.Diff("<stdin>", src, "<stdin> (canonical)", out))
		}
	case !o.check:
		if _, err := e.Stdout.Write(out); err != nil {
			return err
		}
	}
	if o.check && !same {
		return told(exitDifference)
	}
	return nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".llmscen-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(mode.Perm())
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
