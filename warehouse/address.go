package warehouse

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Address names trials, from the left as much as is needed: APPLY/RUN[KEY="v",…]#N.
type Address struct {
	// Apply is an ID or its beginning, latest, latest~1 or label:k=v; "" means latest.
	Apply string
	// Run is a run's name; "" means all.
	Run string
	// Cell limits the trials to those whose matrix keys have these values.
	Cell map[string]string
	// Repetition is from 1; 0 means all.
	Repetition int32
}

var addressForm = regexp.MustCompile(`^([^/]*)(?:/([^\[#/]+)(?:\[([^\]]*)\])?(?:#(\d+))?)?$`)

// ParseAddress reads an address.
func ParseAddress(text string) (Address, error) {
	m := addressForm.FindStringSubmatch(text)
	if m == nil {
		return Address{}, fmt.Errorf("%q is no address: want APPLY/RUN[KEY=\"v\",…]#N, from the left as much as is needed", text)
	}
	a := Address{Apply: m[1], Run: m[2]}
	if m[3] != "" {
		a.Cell = map[string]string{}
		for _, pair := range splitPairs(m[3]) {
			k, v, ok := strings.Cut(pair, "=")
			if !ok {
				return Address{}, fmt.Errorf("%q is no address: want KEY=\"v\" in the brackets, not %q", text, pair)
			}
			v = strings.TrimSpace(v)
			if unquoted, err := strconv.Unquote(v); err == nil {
				v = unquoted
			}
			a.Cell[strings.TrimSpace(k)] = v
		}
	}
	if m[4] != "" {
		n, err := strconv.ParseInt(m[4], 10, 32)
		if err != nil {
			return Address{}, fmt.Errorf("%q is no address: %w", text, err)
		}
		a.Repetition = int32(n)
	}
	return a, nil
}

// splitPairs cuts at the commas that are not within quotes.
func splitPairs(s string) []string {
	var pairs []string
	quoted, start := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case s[i] == ',' && !quoted:
			pairs = append(pairs, s[start:i])
			start = i + 1
		}
	}
	return append(pairs, s[start:])
}

// Selection is the trials that an address names.
type Selection struct {
	// Applies in the order of their beginning.
	Applies []string
	Trials  []TrialInfo
	// whole: everything of the applies is meant, also what belongs to no trial.
	whole bool
}

// Condition is the selection as an SQL condition on the columns apply and trial_id.
func (s *Selection) Condition() string {
	if s.whole {
		return "apply IN (" + quoteAll(s.Applies) + ")"
	}
	byApply := map[string][]string{}
	for _, t := range s.Trials {
		byApply[t.Apply] = append(byApply[t.Apply], t.TrialID)
	}
	var conditions []string
	for _, id := range s.Applies {
		if ids := byApply[id]; len(ids) > 0 {
			conditions = append(conditions, "(apply = "+quote(id)+" AND trial_id IN ("+quoteAll(ids)+"))")
		}
	}
	if len(conditions) == 0 {
		return "false"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return strings.Join(quoted, ", ")
}

// Resolve finds the trials that an address names. Naming none is an error that says what there is instead.
func (w *Warehouse) Resolve(ctx context.Context, address string) (*Selection, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	all, err := w.Trials(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("finding %q: there is no trial in %s yet", address, w.dir)
	}
	ids, err := findApplies(a.Apply, all)
	if err != nil {
		return nil, fmt.Errorf("finding %q: %w", address, err)
	}
	s := &Selection{Applies: ids, whole: a.Run == ""}
	runs := map[string]bool{}
	for _, t := range all {
		if !slices.Contains(ids, t.Apply) {
			continue
		}
		runs[t.Run] = true
		if a.matches(t.Trial) {
			s.Trials = append(s.Trials, t)
		}
	}
	if len(s.Trials) == 0 {
		return nil, fmt.Errorf("finding %q: no trial of that name; the runs of %s are %s", address, strings.Join(ids, ", "), sortedKeys(runs))
	}
	return s, nil
}

func (a Address) matches(t tables.Trial) bool {
	if a.Run != "" && a.Run != t.Run || a.Repetition != 0 && a.Repetition != t.Repetition {
		return false
	}
	for k, v := range a.Cell {
		if t.Cell[k] != v {
			return false
		}
	}
	return true
}

// findApplies gives the applies that the first part of an address names. all is in the order of beginning.
func findApplies(name string, all []TrialInfo) ([]string, error) {
	var ids []string
	for _, t := range all {
		if !slices.Contains(ids, t.Apply) {
			ids = append(ids, t.Apply)
		}
	}
	if label, ok := strings.CutPrefix(name, "label:"); ok {
		k, v, _ := strings.Cut(label, "=")
		var labelled []string
		for _, t := range all {
			if have, ok := t.Labels[k]; ok && have == v && !slices.Contains(labelled, t.Apply) {
				labelled = append(labelled, t.Apply)
			}
		}
		if len(labelled) == 0 {
			return nil, fmt.Errorf("no apply has the label %s", label)
		}
		return labelled, nil
	}
	if name == "" || name == "latest" || strings.HasPrefix(name, "latest~") {
		back := 0
		if _, n, ok := strings.Cut(name, "~"); ok {
			var err error
			if back, err = strconv.Atoi(n); err != nil || back < 0 {
				return nil, fmt.Errorf("after latest~ comes a number, not %q", n)
			}
		}
		if back >= len(ids) {
			return nil, fmt.Errorf("there are only %d applies", len(ids))
		}
		return []string{ids[len(ids)-1-back]}, nil
	}
	var found []string
	for _, id := range ids {
		if id == name {
			return []string{id}, nil
		}
		if strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no apply begins with %s; the latest is %s", name, ids[len(ids)-1])
	case 1:
		return found, nil
	}
	return nil, fmt.Errorf("%s is the beginning of %d applies: %s", name, len(found), strings.Join(found, ", "))
}
