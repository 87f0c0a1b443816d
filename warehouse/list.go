package warehouse

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// ScenarioInfo is a scenario of which the warehouse has trials.
type ScenarioInfo struct {
	Scenario string         `col:"scenario" json:"scenario"`
	Applies  int64          `col:"applies" json:"applies"`
	Runs     int64          `col:"runs" json:"runs"`
	Trials   int64          `col:"trials" json:"trials"`
	LastAt   tables.Instant `col:"last_at" json:"last_at"`
}

// Scenarios lists the scenarios, the one that was applied last at the end.
func (w *Warehouse) Scenarios(ctx context.Context) ([]ScenarioInfo, error) {
	return list[ScenarioInfo](ctx, w, "scenarios", `
		SELECT scenario, count(DISTINCT apply) AS applies, count(DISTINCT run) AS runs, count(*) AS trials, max(started_at) AS last_at
		FROM trials GROUP BY scenario ORDER BY last_at, scenario`)
}

// RunInfo is a run of an apply.
type RunInfo struct {
	Scenario  string         `col:"scenario" json:"scenario"`
	Apply     string         `col:"apply" json:"apply"`
	Run       string         `col:"run" json:"run"`
	Trials    int64          `col:"trials" json:"trials"`
	Completed int64          `col:"completed" json:"completed"`
	Valid     int64          `col:"valid" json:"valid"`
	Flagged   int64          `col:"flagged" json:"flagged"`
	Invalid   int64          `col:"invalid" json:"invalid"`
	SLOPass   int64          `col:"slo_pass" json:"slo_pass"`
	SLOFail   int64          `col:"slo_fail" json:"slo_fail"`
	StartedAt tables.Instant `col:"started_at" json:"started_at"`
	EndedAt   tables.Instant `col:"ended_at" json:"ended_at"`
}

// Runs lists the runs of all applies in the order of their beginning.
func (w *Warehouse) Runs(ctx context.Context) ([]RunInfo, error) {
	return list[RunInfo](ctx, w, "runs", `
		SELECT scenario, apply, run, count(*) AS trials,
			count(*) FILTER (status = 'completed') AS completed,
			count(*) FILTER (validity = 'valid') AS valid, count(*) FILTER (validity = 'flagged') AS flagged,
			count(*) FILTER (validity = 'invalid') AS invalid,
			count(*) FILTER (slo = 'pass') AS slo_pass, count(*) FILTER (slo = 'fail') AS slo_fail,
			min(started_at) AS started_at, max(ended_at) AS ended_at
		FROM trials GROUP BY scenario, apply, run ORDER BY started_at, apply, run`)
}

// TrialInfo is a trial with the columns that come from its file's path.
type TrialInfo struct {
	Scenario string `col:"scenario" json:"scenario"`
	Apply    string `col:"apply" json:"apply"`
	tables.Trial
}

// Trials lists all trials, apply by apply in the order of beginning.
func (w *Warehouse) Trials(ctx context.Context) ([]TrialInfo, error) {
	return list[TrialInfo](ctx, w, "trials", `
		SELECT *, min(started_at) OVER (PARTITION BY apply) AS begun_at FROM trials
		ORDER BY begun_at NULLS FIRST, apply, started_at, trial_id`)
}

func list[T any](ctx context.Context, w *Warehouse, what, query string) ([]T, error) {
	db, err := w.DB(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", what, err)
	}
	defer db.Close()
	all, err := Rows[T](ctx, db, query)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", what, err)
	}
	return all, nil
}

// TableInfo is a table, view or macro.
type TableInfo struct {
	Name string `json:"name"`
	// Kind is table or view; a macro is a view that takes arguments.
	Kind    string `json:"kind"`
	Comment string `json:"comment"`
	Rows    int64  `json:"rows"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
}

// Tables lists the tables with what lies in them, then the views and macros.
func (w *Warehouse) Tables(ctx context.Context) ([]TableInfo, error) {
	db, err := w.DB(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	defer db.Close()
	var all []TableInfo
	for _, t := range tables.All() {
		info := TableInfo{Name: t.Name, Kind: "table", Comment: t.Comment}
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+ident(t.Name)).Scan(&info.Rows); err != nil {
			return nil, fmt.Errorf("listing tables: counting %s: %w", t.Name, err)
		}
		files, err := filepath.Glob(filepath.Join(globEscape(w.dir), t.Name, "scenario=*", "apply=*", "*.parquet"))
		if err != nil {
			return nil, fmt.Errorf("listing tables: %w", err)
		}
		for _, f := range files {
			s, err := os.Stat(f)
			if err != nil {
				return nil, fmt.Errorf("listing tables: %w", err)
			}
			info.Files++
			info.Bytes += s.Size()
		}
		all = append(all, info)
	}
	for _, v := range Views() {
		first, _, _ := strings.Cut(v.Comment, "\n")
		all = append(all, TableInfo{Name: v.Name, Kind: "view", Comment: first})
	}
	return all, nil
}

// ApplyInfo is the manifest of an apply; false: it has none, because it is unfinished.
func (w *Warehouse) ApplyInfo(id string) (ApplyManifest, bool, error) {
	var m ApplyManifest
	if err := checkID(id); err != nil {
		return m, false, err
	}
	path := w.applyManifest(id)
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return m, false, nil
	}
	_, err := readManifest(path, &m)
	return m, err == nil, err
}

// Size is the number of bytes that the warehouse takes on disk.
func (w *Warehouse) Size() (int64, error) {
	n, err := sizeOf(w.dir)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("measuring the warehouse: %w", err)
	}
	return n, nil
}

func sortedKeys[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
