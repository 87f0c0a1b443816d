package procfs

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestACounterNeverFallsAndGrowsByWhatWasCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c counter
		var raw, grown, first float64
		for i := range rapid.IntRange(1, 50).Draw(t, "readings") {
			if rapid.Bool().Draw(t, "reset") {
				raw = 0
			}
			step := float64(rapid.IntRange(0, 1000).Draw(t, "step"))
			// A reset that grows past the last reading can't be seen.
			if seen := raw + step; i > 0 && raw == 0 && seen >= c.last {
				step, raw = 0, c.last
			}
			raw += step
			got := c.next(raw)
			if i == 0 {
				first = raw
			} else {
				grown += step
			}
			if got != first+grown {
				t.Fatalf("reading %d is %v, want %v", i, got, first+grown)
			}
		}
	})
}

func TestARateNeedsTwoReadingsThatAreNotTooClose(t *testing.T) {
	start := time.Unix(1, 0)
	r := rate{least: 50 * time.Millisecond}
	for _, step := range []struct {
		name  string
		after time.Duration
		value float64
		want  float64
		ok    bool
	}{
		{"the first reading has none before it", 0, 5, 0, false},
		{"a tenth of a second", 100 * time.Millisecond, 5.2, 2, true},
		{"too close to the one before", 110 * time.Millisecond, 5.3, 0, false},
		{"and so measured from the one before that", 200 * time.Millisecond, 5.3, 1, true},
		{"a counter that fell was reset", 300 * time.Millisecond, 1, 0, false},
		{"and goes on from there", 400 * time.Millisecond, 1.1, 1, true},
	} {
		got, ok := r.next(start.Add(step.after), step.value)
		if ok != step.ok || got-step.want > 1e-9 || step.want-got > 1e-9 {
			t.Errorf("%s: got %v, %v", step.name, got, ok)
		}
	}
}
