package load_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestAnEvenScheduleBeginsAtOnceAndKeepsItsDistance(t *testing.T) {
	p := newTrial(constantRate(5, 10*time.Second)).plan(t)
	all := arrivalsOf(p, load.Share{}, 50)
	if len(all) != 50 || p.Requests != 50 || p.Until != 10*time.Second {
		t.Fatalf("%d arrivals, planned %d until %v", len(all), p.Requests, p.Until)
	}
	seen := map[int64]bool{}
	for i, a := range all {
		if want := time.Duration(i) * 200 * time.Millisecond; a.After != want || a.Seq != int64(i) {
			t.Errorf("arrival %d is %+v, want it after %v", i, a, want)
		}
		seen[a.PromptID] = true
	}
	if len(seen) != 50 {
		t.Errorf("50 arrivals ask %d of 50 prompts", len(seen))
	}
}

func TestARateThatBinaryCannotWriteGivesTheArrivalsThatDecimalPromises(t *testing.T) {
	for _, c := range []struct {
		rate float64
		over time.Duration
		want int
	}{
		{0.1, 30 * time.Second, 3},
		{0.3, 10 * time.Second, 3},
		{1.1, 10 * time.Second, 11},
		{2.5, time.Second, 3}, // 0, 0.4, 0.8
		{1000, time.Hour / 100, 36000},
	} {
		if got := len(arrivalsOf(newTrial(constantRate(c.rate, c.over)).plan(t), load.Share{}, 1)); got != c.want {
			t.Errorf("%v per second over %v gives %d arrivals, want %d", c.rate, c.over, got, c.want)
		}
	}
}

func TestARampHasExactlyTheArrivalsOfItsIntegral(t *testing.T) {
	p := newTrial(scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
		{Over: 10 * time.Second, RatePerSecond: 10},
		{Over: 20 * time.Second, RatePerSecond: 40},
		{Over: 10 * time.Second, RatePerSecond: 5, Step: true},
		{Over: 10 * time.Second, RatePerSecond: 0},
		{Over: 5 * time.Second, RatePerSecond: 0},
		{Over: 2 * time.Second, RatePerSecond: 8, Step: true},
	}}).plan(t)
	count := map[int32]int{}
	var last time.Duration
	for _, a := range arrivalsOf(p, load.Share{}, 1) {
		count[a.Stage]++
		if s := p.Stages[a.Stage]; a.After < s.From || a.After > s.Until || a.After < last {
			t.Fatalf("%+v is outside of its stage %+v, or before %v", a, s, last)
		}
		last = a.After
	}
	for stage, want := range []int{100, 500, 50, 25, 0, 16} {
		if count[int32(stage)] != want {
			t.Errorf("stage %d has %d arrivals, want %d", stage, count[int32(stage)], want)
		}
	}
	if rate := p.Stages[1].RatePerSecond; rate.V != 25 || p.Stages[1].Kind != "ramp" || p.Stages[2].Kind != "constant" {
		t.Errorf("stages are %+v", p.Stages)
	}
}

func TestArrivalsOfARampLieWhereTheIntegralReachesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Float64Range(0.5, 50).Draw(t, "from")
		to := rapid.Float64Range(0.5, 50).Draw(t, "to")
		over := time.Duration(rapid.Int64Range(1e9, 1e11).Draw(t, "over"))
		p, err := load.NewPlan(scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
			{Over: time.Second, RatePerSecond: from}, {Over: over, RatePerSecond: to},
		}}, 0, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range arrivalsOf(p, load.Share{}, 1) {
			if a.Stage == 0 {
				continue
			}
			s := (a.After - time.Second).Seconds()
			mass := from + from*s + (to-from)*s*s/(2*over.Seconds())
			if math.Abs(mass-float64(i)) > 1e-6*float64(i+1) {
				t.Fatalf("arrival %d is due where the integral is %v", i, mass)
			}
		}
	})
}

func TestABurstHasItsSpikesInTheMiddleOfEachPeriod(t *testing.T) {
	p := newTrial(scenarios.Load{
		Shape: "burst", FloorPerSecond: 1, PeakPerSecond: 100,
		Width: 2 * time.Second, Every: 10 * time.Second, Over: 30 * time.Second,
	}).plan(t)
	var kinds []string
	for _, s := range p.Stages {
		kinds = append(kinds, s.Kind)
	}
	if want := []string{"floor", "burst", "floor", "burst", "floor", "burst", "floor"}; !slices.Equal(kinds, want) {
		t.Fatalf("stages are %v", kinds)
	}
	if s := p.Stages[3]; s.From != 14*time.Second || s.Until != 16*time.Second {
		t.Errorf("the second spike is %+v", s)
	}
	if p.Requests != 624 || len(arrivalsOf(p, load.Share{}, 1)) != 624 {
		t.Errorf("planned %d requests, want 24 + 600", p.Requests)
	}
}

func TestASineAsksItsMeanOverAPeriod(t *testing.T) {
	p := newTrial(scenarios.Load{Shape: "sine", MeanPerSecond: 20, Amplitude: 15, Period: 10 * time.Second, Over: 20 * time.Second}).plan(t)
	all := arrivalsOf(p, load.Share{}, 1)
	first := 0
	for _, a := range all {
		if a.After < 5*time.Second {
			first++
		}
	}
	// The upper half wave: 20·5 + 15·10/π.
	if len(all) != 400 || first != 148 {
		t.Errorf("%d arrivals, %d in the first half wave", len(all), first)
	}
}

func TestRequestsEndAShapeExactly(t *testing.T) {
	for _, process := range []string{"even", "poisson", "gamma"} {
		for name, l := range map[string]scenarios.Load{
			"constant": {Shape: "constant_rate", RatePerSecond: 7, Requests: 123},
			"both":     {Shape: "constant_rate", RatePerSecond: 7, Requests: 123, Over: time.Hour},
			"sine":     {Shape: "sine", MeanPerSecond: 7, Amplitude: 7, Period: time.Minute, Requests: 123},
			"burst":    {Shape: "burst", PeakPerSecond: 50, Every: time.Minute, Width: time.Second, Requests: 123},
		} {
			l.Arrivals = scenarios.Arrivals{Process: process, Burstiness: 0.5}
			tr := newTrial(l)
			tr.warmUp, tr.coolDown = 3*time.Second, time.Second
			p := tr.plan(t)
			n := 0
			for _, a := range arrivalsOf(p, load.Share{}, 1) {
				if a.Phase != tables.PhaseMeasure {
					continue
				}
				n++
				if a.After < p.MeasureFrom || a.After > p.MeasureUntil {
					t.Errorf("%s, %s: %+v is outside of what is measured", name, process, a)
				}
			}
			if n != 123 {
				t.Errorf("%s, %s: %d requests", name, process, n)
			}
		}
	}
}

func TestAWarmUpDoesNotReshuffleWhatIsMeasured(t *testing.T) {
	measured := func(warmUp time.Duration) []load.Arrival {
		tr := newTrial(scenarios.Load{Shape: "constant_rate", RatePerSecond: 20, Over: 10 * time.Second, Arrivals: scenarios.Arrivals{Process: "poisson"}})
		tr.warmUp, tr.coolDown = warmUp, time.Second
		var all []load.Arrival
		for _, a := range arrivalsOf(tr.plan(t), load.Share{}, 99) {
			if a.Phase == tables.PhaseMeasure {
				a.After -= warmUp
				a.Seq = 0
				all = append(all, a)
			}
		}
		return all
	}
	if !slices.Equal(measured(0), measured(7*time.Second)) {
		t.Error("the measured arrivals differ")
	}
}

func TestPhasesAreAskedAtTheShapesFirstAndLastRate(t *testing.T) {
	tr := newTrial(scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
		{Over: 10 * time.Second, RatePerSecond: 2}, {Over: 10 * time.Second, RatePerSecond: 10},
	}})
	tr.warmUp, tr.coolDown = 5*time.Second, 3*time.Second
	count := map[tables.Phase]int{}
	for _, a := range arrivalsOf(tr.plan(t), load.Share{}, 1) {
		count[a.Phase]++
		if a.Phase == tables.PhaseCoolDown && a.Stage != 1 {
			t.Errorf("the cool-down is in stage %d", a.Stage)
		}
	}
	if count[tables.PhaseWarmUp] != 10 || count[tables.PhaseMeasure] != 80 || count[tables.PhaseCoolDown] != 30 {
		t.Errorf("phases have %v", count)
	}
}

func TestWorkersTogetherMakeTheScheduleOfOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 7).Draw(t, "workers")
		l := scenarios.Load{
			Shape: "constant_rate", RatePerSecond: rapid.Float64Range(0.5, 30).Draw(t, "rate"), Over: 20 * time.Second,
			Arrivals: scenarios.Arrivals{Process: rapid.SampledFrom([]string{"even", "poisson", "gamma"}).Draw(t, "process"), Burstiness: 2},
		}
		p, err := load.NewPlan(l, 2*time.Second, time.Second, rapid.Int64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		var together []load.Arrival
		for w := range workers {
			together = append(together, arrivalsOf(p, load.Share{Worker: w, Workers: workers}, 13)...)
		}
		slices.SortFunc(together, func(a, b load.Arrival) int { return int(a.Seq - b.Seq) })
		if !slices.Equal(together, arrivalsOf(p, load.Share{}, 13)) {
			t.Fatal("the shares are not the schedule")
		}
	})
}

func TestTheSameSeedGivesTheSameScheduleAndAnotherADifferentOne(t *testing.T) {
	tr := newTrial(scenarios.Load{Shape: "constant_rate", RatePerSecond: 20, Over: 10 * time.Second, Arrivals: scenarios.Arrivals{Process: "poisson"}})
	one := arrivalsOf(tr.plan(t), load.Share{}, 10)
	again := arrivalsOf(tr.plan(t), load.Share{}, 10)
	tr.seed = 2
	other := arrivalsOf(tr.plan(t), load.Share{}, 10)
	tr.Load.Seed = 2
	tr.seed = 99
	own := arrivalsOf(tr.plan(t), load.Share{}, 10)
	if !slices.Equal(one, again) || slices.Equal(one, other) || !slices.Equal(other, own) {
		t.Error("schedules do not follow their seed")
	}
	// What was stored years ago must be what is made today.
	if got := one[0].After; got != goldenFirstArrival {
		t.Errorf("the first arrival of seed 0 is after %d ns", got)
	}
}

func TestGapsHaveTheMomentsOfTheirProcess(t *testing.T) {
	for _, c := range []struct {
		arrivals scenarios.Arrivals
		cv2      float64 // variance of the gaps by their mean squared
	}{
		{scenarios.Arrivals{Process: "poisson"}, 1},
		{scenarios.Arrivals{Process: "gamma", Burstiness: 0.25}, 4},
		{scenarios.Arrivals{Process: "gamma", Burstiness: 1}, 1},
		{scenarios.Arrivals{Process: "gamma", Burstiness: 8}, 0.125},
	} {
		l := scenarios.Load{Shape: "constant_rate", RatePerSecond: 100, Requests: 100_000, Arrivals: c.arrivals}
		all := arrivalsOf(newTrial(l).plan(t), load.Share{}, 1)
		var sum, squares float64
		for i := 1; i < len(all); i++ {
			gap := (all[i].After - all[i-1].After).Seconds()
			sum += gap
			squares += gap * gap
		}
		n := float64(len(all) - 1)
		mean := sum / n
		cv2 := (squares/n - mean*mean) / (mean * mean)
		if math.Abs(mean-0.01) > 0.0003 || math.Abs(cv2/c.cv2-1) > 0.05 {
			t.Errorf("%+v: gaps of %v s on average, with a squared coefficient of variation of %v, want 0.01 and %v", c.arrivals, mean, cv2, c.cv2)
		}
	}
}

func TestADayIsPlannedWithoutItsArrivals(t *testing.T) {
	tr := newTrial(scenarios.Load{Shape: "soak", RatePerSecond: 1000, Over: 24 * time.Hour, Arrivals: scenarios.Arrivals{Process: "poisson"}})
	allocs := testing.AllocsPerRun(10, func() {
		if p := tr.plan(t); p.Requests != 86_400_000 || p.Until != 24*time.Hour {
			t.Errorf("planned %d requests", p.Requests)
		}
	})
	if allocs > 100 {
		t.Errorf("planning took %v allocations", allocs)
	}
}

func TestShapesForLaterArePlannedAndRefused(t *testing.T) {
	for _, shape := range []string{"replay", "search"} {
		tr := newTrial(scenarios.Load{Shape: shape, Over: time.Minute})
		p := tr.plan(t)
		if len(p.Stages) != 1 || p.Until != time.Minute {
			t.Errorf("%s: planned %+v", shape, p)
		}
		if _, err := tr.tryRun(t, t.Context()); !errors.Is(err, load.ErrNotExecutable) || len(tr.server.asked) > 0 {
			t.Errorf("%s: %v", shape, err)
		}
	}
}

func TestALoadThatAsksNothingIsNotPlanned(t *testing.T) {
	for _, l := range []scenarios.Load{
		{Shape: "spiral"},
		{Shape: "constant_rate", RatePerSecond: 1},
		{Shape: "constant_rate", Over: time.Second},
		{Shape: "constant_rate", RatePerSecond: math.NaN(), Over: time.Second},
		{Shape: "ramping_rate"},
		{Shape: "ramping_rate", Stages: []scenarios.LoadStage{{Over: time.Second}}},
		{Shape: "burst", PeakPerSecond: 1, Every: time.Second, Width: 2 * time.Second, Over: time.Minute},
		{Shape: "sine", MeanPerSecond: 1, Amplitude: 2, Period: time.Second, Over: time.Minute},
		{Shape: "closed_loop", Over: time.Second},
		{Shape: "closed_loop", Users: 3},
	} {
		if p, err := load.NewPlan(l, 0, 0, 1); err == nil {
			t.Errorf("%+v is planned: %+v", l, p)
		}
	}
}

func TestUsersComeAndGoEvenly(t *testing.T) {
	p := newTrial(scenarios.Load{Shape: "closed_loop", Stages: []scenarios.LoadStage{
		{Over: 10 * time.Second, Users: 2}, {Over: 80 * time.Second, Users: 10}, {Over: 10 * time.Second, Users: 1, Step: true},
	}}).plan(t)
	if p.Until != 100*time.Second || p.Requests != 0 {
		t.Errorf("planned %+v", p)
	}
	for i, want := range []float64{2, 6, 1} {
		if got := p.Stages[i].Users; got.V != want || p.Stages[i].RatePerSecond.Valid {
			t.Errorf("stage %d has %v users, want %v", i, got, want)
		}
	}
}

func FuzzASchedule(f *testing.F) {
	f.Add(5.0, 2.0, int64(1e9), int64(10), uint8(0), int64(1))
	f.Fuzz(func(t *testing.T, a, b float64, ns, requests int64, process uint8, seed int64) {
		l := scenarios.Load{
			Shape: []string{"constant_rate", "burst", "sine", "ramping_rate"}[process%4], Over: time.Duration(ns),
			Requests: int(requests % 5000), RatePerSecond: a, FloorPerSecond: b, PeakPerSecond: a, Width: time.Second, Every: 3 * time.Second,
			MeanPerSecond: a, Amplitude: b, Period: time.Minute, Stages: []scenarios.LoadStage{{Over: time.Duration(ns), RatePerSecond: a}, {Over: time.Second, RatePerSecond: b}},
			Arrivals: scenarios.Arrivals{Process: []string{"even", "poisson", "gamma"}[process/4%3], Burstiness: b},
		}
		if ns > int64(time.Hour) || requests < 0 {
			return
		}
		p, err := load.NewPlan(l, 0, 0, seed)
		if err != nil {
			return
		}
		s := p.Schedule(load.Share{}, 7)
		var last time.Duration
		for range 5000 {
			a, ok := s.Next()
			if !ok {
				return
			}
			if a.After < last || a.After > p.Until || a.PromptID < 0 || a.PromptID >= 7 {
				t.Fatalf("%+v after %v in a load until %v", a, last, p.Until)
			}
			last = a.After
		}
	})
}

// goldenFirstArrival is of a Poisson process at 20 per second.
const goldenFirstArrival = 15805888
