package main

import "testing"

func TestAFigureIsWrongWhereTheTwoDiffer(t *testing.T) {
	one := func(v float64) map[string]float64 { return map[string]float64{"measure": v} }
	for name, c := range map[string]struct {
		ratio                 float64
		prometheus, warehouse map[string]float64
		wrong                 bool
	}{
		"equal":                                    {0, one(160), one(160), false},
		"equal but for rounding":                   {0, one(0.1 + 0.2), one(0.3), false},
		"one request less":                         {0, one(159), one(160), true},
		"a phase is missing":                       {0, map[string]float64{}, one(160), true},
		"a phase too many":                         {0, map[string]float64{"measure": 1, "warm_up": 1}, one(1), true},
		"a phase in which nothing happened":        {0, map[string]float64{"measure": 1, "cool_down": 0}, one(1), false},
		"the warehouse has nothing to compare":     {0, map[string]float64{}, map[string]float64{}, true},
		"a median in the bucket":                   {1.21, one(0.033), one(0.030), false},
		"a median above the bucket":                {1.21, one(0.038), one(0.030), true},
		"a median below the bucket":                {1.21, one(0.022), one(0.030), true},
		"a sum that differs by more than rounding": {0, one(1.001), one(1), true},
	} {
		if got := (figure{ratio: c.ratio}).compare(c.prometheus, c.warehouse); (got != "") != c.wrong {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOnlyAServerThatKeepsNativeHistogramsIsAskedForThem(t *testing.T) {
	classic, native := figuresOf(false), figuresOf(true)
	if len(native)-len(classic) != 3*len(latencies) {
		t.Errorf("%d and %d figures of %d latencies", len(classic), len(native), len(latencies))
	}
}
