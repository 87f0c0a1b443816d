package load_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/load"
)

func TestNoPacerReturnsBeforeTheInstant(t *testing.T) {
	for _, p := range []load.Pacer{load.TimerPacer{}, load.FinePacer()} {
		t.Run(p.Name(), func(t *testing.T) {
			defer p.Begin()()
			at := time.Now()
			for i := range 40 {
				at = at.Add(time.Duration(i) * 200 * time.Microsecond)
				if err := p.Wait(t.Context(), at); err != nil || time.Now().Before(at) {
					t.Errorf("it returned %v too early (%v)", time.Until(at), err)
				}
			}
		})
	}
}

func TestAPacerWaitsNoLongerThanItsContext(t *testing.T) {
	for _, p := range []load.Pacer{load.TimerPacer{}, load.FinePacer()} {
		t.Run(p.Name(), func(t *testing.T) {
			defer p.Begin()()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if err := p.Wait(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
