package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/llmscen/llmscen/scenarios"
)

// decodeStages reads the stages of a shape: what is the name of what they reach.
func decodeStages(what string) func(*module, cty.Value, any) error {
	return func(m *module, v cty.Value, into any) error {
		values, err := elements(v, "a list of stages")
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return wrong("No stages", "There must be at least one stage, as in %s.", exampleStage(what))
		}
		stages := make([]scenarios.LoadStage, len(values))
		highest := 0.0
		for i, e := range values {
			if err := decodeStage(m, e, what, &stages[i]); err != nil {
				return inElement(i, err)
			}
			highest = max(highest, stages[i].RatePerSecond, float64(stages[i].Users))
		}
		if highest == 0 {
			return wrong("Stages without load", "No stage has a %s above 0.", what)
		}
		*into.(*[]scenarios.LoadStage) = stages
		return nil
	}
}

// decodeSearchStages reads the stages that follow a search.
func decodeSearchStages(m *module, v cty.Value, into any) error {
	values, err := elements(v, "a list of stages")
	if err != nil {
		return err
	}
	stages := make([]scenarios.SearchStage, len(values))
	for i, e := range values {
		found, err := stageWords(e, "capacity_ratio")
		if err == nil {
			stages[i].Over, err = parseDuration(found["over"], time.Nanosecond)
		}
		if err == nil {
			err = positive.decode(m, found["capacity_ratio"], &stages[i].CapacityRatio)
		}
		if err != nil {
			return inElement(i, err)
		}
	}
	*into.(*[]scenarios.SearchStage) = stages
	return nil
}

// exampleStage is how a stage is written.
func exampleStage(what string) string {
	n := 10
	if what == "capacity_ratio" {
		n = 2
	}
	return fmt.Sprintf("{ over = \"60s\", %s = %d }", what, n)
}

// stageWords are the values of a stage, which has over, what it reaches, and perhaps some more.
func stageWords(v cty.Value, what string, more ...string) (map[string]cty.Value, error) {
	if v.IsNull() {
		return nil, wrong("Not a stage", "A stage is null: write %s.", exampleStage(what))
	}
	found, err := entries(v, "a stage")
	if err != nil {
		return nil, err
	}
	words := append([]string{"over", what}, more...)
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(words, k) {
			return nil, wrong("Unknown word in a stage", "A stage has no %q.%s It has %s.", k, didYouMean("", k, words), strings.Join(words, ", "))
		}
	}
	for _, k := range words[:2] {
		if _, ok := found[k]; !ok {
			return nil, wrong("Stage that lacks something", "The stage has no %s: write %s.", k, exampleStage(what))
		}
	}
	return found, nil
}

func decodeStage(m *module, v cty.Value, what string, stage *scenarios.LoadStage) error {
	found, err := stageWords(v, what, "step")
	if err != nil {
		return err
	}
	if stage.Over, err = parseDuration(found["over"], time.Nanosecond); err != nil {
		return err
	}
	if what == "users" {
		err = countOrNone.decode(m, found[what], &stage.Users)
	} else {
		err = amount.decode(m, found[what], &stage.RatePerSecond)
	}
	if err != nil {
		return err
	}
	if step, ok := found["step"]; ok {
		step, err := convert.Convert(step, cty.Bool)
		if err != nil {
			return wrong("Not true or false", "step is true or false.")
		}
		stage.Step = step.True()
	}
	return nil
}
