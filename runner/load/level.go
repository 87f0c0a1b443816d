package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// level is how many users there are from an instant on.
type level struct {
	at    time.Duration
	users int
}

// planClosed lays out the users. Those of a stage come or go evenly from the number of the stage before; the first
// stage, and one that steps, begins with its own.
func (p *Plan) planClosed() error {
	l, warmUp, coolDown := p.load, p.MeasureFrom, p.coolDown
	stages := l.Stages
	if len(stages) == 0 {
		if l.Over <= 0 && l.Requests <= 0 {
			return errors.New("neither over nor requests says when it ends")
		}
		stages = []scenarios.LoadStage{{Over: l.Over, Users: l.Users}}
	}
	at, before := warmUp, stages[0].Users
	p.levels = []level{{0, before}}
	for i, s := range stages {
		if s.Users < 0 || s.Over <= 0 && len(l.Stages) > 0 {
			return fmt.Errorf("stage %d: %d users over %v are no load", i, s.Users, s.Over)
		}
		from := before
		if i == 0 || s.Step {
			from = s.Users
		}
		p.Stages = append(p.Stages, Stage{
			Kind: "users", From: at, Until: at + s.Over, Users: tables.Some(float64(from+s.Users) / 2),
		})
		p.levels = append(p.levels, climb(at, s.Over, from, s.Users)...)
		at, before = at+s.Over, s.Users
	}
	if !slices.ContainsFunc(p.levels, func(v level) bool { return v.users > 0 }) {
		return errors.New("it has no users")
	}
	if at > warmUp { // else only the requests decide
		p.MeasureUntil, p.Until = at, at+coolDown
	}
	if l.Requests > 0 && warmUp == 0 && coolDown == 0 {
		p.Requests = int64(l.Requests)
	}
	return nil
}

// climb goes from one number of users to another; each number holds for the time in which it is the nearest.
func climb(at, over time.Duration, from, to int) []level {
	levels := []level{{at, from}}
	n := from - to
	step := -1
	if n < 0 {
		n, step = -n, 1
	}
	for i := range n {
		share := (float64(i) + 0.5) / float64(n)
		levels = append(levels, level{at + time.Duration(math.Round(share*float64(over))), from + step*(i+1)})
	}
	return levels
}
