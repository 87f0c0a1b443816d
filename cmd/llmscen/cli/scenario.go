package cli

import (
	"context"
	"strings"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/scenarios/diag"
	"github.com/llmscen/llmscen/scenarios/lang"
)

// variables are those of the --var flags.
func (e *Env) variables() (map[string]string, error) {
	vars := map[string]string{}
	for _, v := range e.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, wrong("--var %s: write it as --var NAME=VALUE", v)
		}
		vars[name] = value
	}
	return vars, nil
}

// tell draws findings.
func (e *Env) tell(diags diag.List) {
	_ = diags.Text(e.Stderr, e.colored(e.Stderr)) // a reader that went away wants no findings
}

// load reads scenarios and tells every mistake; with one it ends the command with exit 2.
func (e *Env) load(ctx context.Context, paths []string) ([]*scenarios.Scenario, error) {
	o, err := e.langOptions(paths)
	if err != nil {
		return nil, err
	}
	list, diags, err := lang.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	e.tell(diags)
	if diags.HasErrors() {
		return nil, told(exitWrong)
	}
	return list, nil
}

// planned is a scenario and its plan.
type planned struct {
	scenario *scenarios.Scenario
	plan     *runner.Plan
}

// plans reads scenarios and plans each; runs limits them to the runs of those names.
func (e *Env) plans(ctx context.Context, paths, runs []string) ([]planned, error) {
	list, err := e.load(ctx, paths)
	if err != nil {
		return nil, err
	}
	var all []planned
	for _, s := range list {
		path, err := e.warehousePath(s.Warehouse.Path, s.Dir)
		if err != nil {
			return nil, err
		}
		p, err := runner.NewPlan(s, path, runs...)
		if err != nil {
			return nil, &exitError{exitWrong, err}
		}
		p.NotExecutable = append(p.NotExecutable, local.Preflight(ctx, p.Deployments, "")...)
		all = append(all, planned{s, p})
	}
	return all, nil
}
