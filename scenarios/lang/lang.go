// Package lang is the scenario language: it reads *.scen.hcl files and gives scenarios, or findings that show the line
// and say what to do.
//
// The stages are: read (source.go), guard against what would overflow a parser (guard.go), parse, compare with the
// schema (schema.go, structure.go), check every name before anything is evaluated (references.go), evaluate within
// limits (evaluate.go, budget.go), decode into plain values (decode.go) and check what they mean (check_*.go). Each
// stage tells all that it finds and goes on with the rest.
package lang

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/scenarios/diag"
)

// Limits on what is read and evaluated.
const (
	maxFileBytes    = 1 << 20  // of one source file
	maxDepth        = 64       // of brackets and templates
	maxChain        = 256      // operators and indexes in one expression, between its brackets
	maxSteps        = 1e6      // of evaluation, for a scenario
	maxElements     = 1e5      // of a value
	maxValueBytes   = 16 << 20 // of the strings in a value
	maxCells        = 1e5      // of all runs of a scenario
	maxInstances    = 1e5      // that for_each makes of all blocks of a scenario
	maxErrors       = 100      // that are told
	maxKeyBytes     = 128      // of a for_each key
	maxNumberBits   = 1100     // of a number's binary exponent: that of a float64 and a little
	maxFindingsKept = 10_000
)

// Options say what to load; the zero Options load the folder that the process is in.
type Options struct {
	// Paths are files and folders, relative to Dir: a file is a scenario, and so is a folder with all its *.scen.hcl.
	// None means Dir itself; "-" is Stdin.
	Paths []string
	// Dir is the folder that relative paths start from; "" means the current one.
	Dir string
	// Vars are values of variables by name, as in --var: texts for variables of type string, else HCL expressions.
	Vars map[string]string
	// VarFiles are files of values, relative to Dir, the later over the earlier.
	VarFiles []string
	// Env looks an environment variable up; nil means that there are none.
	Env func(name string) (value string, ok bool)
	// Stdin is what "-" reads; nil means that it is empty.
	Stdin io.Reader
}

// Load reads the scenarios in the order of the paths. What people wrote wrong is in the list, and then there are no
// scenarios; the error is for what the world did wrong, or the end of ctx.
func Load(ctx context.Context, o Options) ([]*scenarios.Scenario, diag.List, error) {
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	base, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("finding the folder %q: %w", o.Dir, err)
	}
	paths := o.Paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	found := newFindings()
	given := newGivenValues(o, base, found)
	var loaded []*scenarios.Scenario
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("loading %s: %w", path, err)
		}
		s, err := loadOne(ctx, o, base, path, given, found)
		if err != nil {
			return nil, nil, fmt.Errorf("loading %s: %w", path, err)
		}
		loaded = append(loaded, s)
	}
	given.tellUnused(found)
	list := found.finish()
	if list.HasErrors() {
		return nil, list, nil
	}
	return loaded, list, nil
}

// loadOne loads one scenario; nil where there were findings that leave nothing to load.
func loadOne(ctx context.Context, o Options, base, path string, given *givenValues, found *findings) (*scenarios.Scenario, error) {
	set, err := readSet(o, base, path, found)
	if err != nil || set == nil {
		return nil, err
	}
	root, err := os.OpenRoot(set.dir)
	if err != nil {
		return nil, fmt.Errorf("opening the scenario's folder: %w", err)
	}
	defer root.Close() // it was only read
	m := newModule(ctx, set, root, o.Env, found)
	m.declare()
	m.checkReferences()
	m.setVariables(given)
	m.evaluate()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.scenario(), nil
}
