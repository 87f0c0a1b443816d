package load_test

import (
	"fmt"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

func ExampleNewPlan() {
	plan, err := load.NewPlan(scenarios.Load{
		Shape: "ramping_rate",
		Stages: []scenarios.LoadStage{
			{Over: 10 * time.Second, RatePerSecond: 2},
			{Over: 10 * time.Second, RatePerSecond: 6},
		},
	}, 5*time.Second, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Requests, "requests in", plan.Until)
	for _, s := range plan.Stages {
		fmt.Printf("%s from %v to %v at %v per second\n", s.Kind, s.From, s.Until, s.RatePerSecond.V)
	}
	// Output:
	// 70 requests in 25s
	// constant from 5s to 15s at 2 per second
	// ramp from 15s to 25s at 4 per second
}

func ExamplePlan_Schedule() {
	plan, err := load.NewPlan(scenarios.Load{Shape: "constant_rate", RatePerSecond: 4, Requests: 3}, 0, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for s := plan.Schedule(load.Share{}, 3); ; {
		a, ok := s.Next()
		if !ok {
			break
		}
		fmt.Println(a.Seq, a.After, a.Phase)
	}
	// Output:
	// 0 0s measure
	// 1 250ms measure
	// 2 500ms measure
}
