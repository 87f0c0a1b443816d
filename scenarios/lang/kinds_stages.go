package lang

import (
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
			return wrong("No stages", "There must be at least one stage, as in { over = \"60s\", %s = 10 }.", what)
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

func decodeStage(m *module, v cty.Value, what string, stage *scenarios.LoadStage) error {
	if v.IsNull() {
		return wrong("Not a stage", "A stage is null: write { over = \"60s\", %s = 10 }.", what)
	}
	found, err := entries(v, "a stage")
	if err != nil {
		return err
	}
	words := []string{"over", what, "step"}
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if k != "over" && k != what && k != "step" {
			return wrong("Unknown word in a stage", "A stage has no %q.%s It has %s.", k, didYouMean("", k, words), strings.Join(words, ", "))
		}
	}
	for _, k := range words[:2] {
		if _, ok := found[k]; !ok {
			return wrong("Stage that lacks something", "The stage has no %s: write { over = \"60s\", %s = 10 }.", k, what)
		}
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
