package lang

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
)

// defaultMaxInFlight is the cap of an open shape that has none of its own.
const defaultMaxInFlight = 512

// checkLoad checks what the attributes of a load say together.
func (m *module) checkLoad(b *block, l *scenarios.Load) {
	m.checkEnd(b, l)
	if l.Arrivals.Process == "gamma" {
		if l.Arrivals.Burstiness == 0 {
			l.Arrivals.Burstiness = 1
		}
	} else if l.Arrivals.Burstiness != 0 {
		m.found.errorf(b.rangeOf("burstiness"), "Attribute without effect", "burstiness is of arrivals = \"gamma\": write that, or leave it out.")
	}
	if l.FirstTokenTimeout > l.Timeout {
		m.found.errorf(b.rangeOf("first_token_timeout"), "Timeout that is never reached", "first_token_timeout (%s) is longer than timeout (%s), which ends the request before.", l.FirstTokenTimeout, l.Timeout)
	}
	if l.StallTimeout > l.Timeout {
		m.found.errorf(b.rangeOf("stall_timeout"), "Timeout that is never reached", "stall_timeout (%s) is longer than timeout (%s), which ends the request before.", l.StallTimeout, l.Timeout)
	}
	if l.MaxInFlight == 0 && l.Open() {
		l.MaxInFlight = defaultMaxInFlight
	}
	switch l.Shape {
	case "burst":
		m.checkBurst(b, l)
	case "sine":
		if l.Amplitude > l.MeanPerSecond {
			m.found.errorf(b.rangeOf("amplitude"), "Rate below zero", "The rate would fall to %g − %g a second: amplitude is at most mean_per_second.", l.MeanPerSecond, l.Amplitude)
		}
	case "closed_loop":
		m.checkClosedLoop(b, l)
	case "search":
		m.checkSearch(b, l)
	}
}

// checkEnd holds a load to one end: over, requests, or its stages.
func (m *module) checkEnd(b *block, l *scenarios.Load) {
	has := func(name string) bool { return b.rows.attribute(name) != nil }
	switch {
	case l.Shape == "replay" || l.Shape == "cold_start":
		// A trace ends by itself, and cold starts are counted.
	case len(l.Stages) > 0:
		for name, there := range map[string]bool{"over": l.Over > 0, "requests": l.Requests > 0} {
			if there {
				m.found.errorf(b.rangeOf(name), "Two ends", "The stages say how long the load goes on: leave %s out.", name)
			}
		}
		return
	case l.Over == 0 && l.Requests == 0:
		var ways []string
		if has("over") {
			ways = append(ways, `over = "60s"`)
		}
		if has("requests") {
			ways = append(ways, "requests = 500")
		}
		m.found.errorf(b.at, "Load without an end", "Say how long it goes on: %s.", strings.Join(ways, " or "))
		return
	}
	if l.Over > 0 && l.Requests > 0 && l.Shape != "replay" {
		m.found.errorf(b.rangeOf("requests"), "Two ends", "over and requests both say when the load ends: leave one out.")
	}
}

func (m *module) checkBurst(b *block, l *scenarios.Load) {
	if l.PeakPerSecond <= l.FloorPerSecond {
		m.found.errorf(b.rangeOf("peak_per_second"), "Spike below the floor", "peak_per_second (%g) must be above floor_per_second (%g).", l.PeakPerSecond, l.FloorPerSecond)
	}
	if l.Width >= l.Every {
		m.found.errorf(b.rangeOf("width"), "Spikes that run together", "width (%s) must be shorter than every (%s).", l.Width, l.Every)
	}
	if l.Over > 0 && l.Over < l.Every {
		m.found.warnf(b.rangeOf("over"), "Load that ends before its second spike", "over (%s) is shorter than every (%s).", l.Over, l.Every)
	}
}

func (m *module) checkClosedLoop(b *block, l *scenarios.Load) {
	switch {
	case l.Users == 0 && len(l.Stages) == 0:
		m.found.errorf(b.at, "Load without users", "Say how many users there are: users = 16, or stages = [{ over = \"60s\", users = 16 }].")
	case l.Users > 0 && len(l.Stages) > 0:
		m.found.errorf(b.rangeOf("users"), "Users said twice", "The stages say how many users there are: leave users out.")
	}
	if most := mostUsers(l); l.MaxInFlight > 0 && l.MaxInFlight < most {
		m.found.errorf(b.rangeOf("max_in_flight"), "Cap below the users", "%d users have up to %d requests on the way, and max_in_flight is %d: leave it out.", most, most, l.MaxInFlight)
	}
}

func (m *module) checkSearch(b *block, l *scenarios.Load) {
	if l.To <= l.From {
		m.found.errorf(b.rangeOf("to"), "Empty range", "to (%g) must be above from (%g).", l.To, l.From)
	}
	if l.Of != "users" {
		if l.ThinkTime > 0 {
			m.found.errorf(b.rangeOf("think_time"), "Attribute without effect", "think_time is of users: write of = \"users\", or leave it out.")
		}
		return
	}
	for name, v := range map[string]float64{"from": l.From, "to": l.To} {
		if v != math.Trunc(v) {
			m.found.errorf(b.rangeOf(name), "Not a whole number", "There are no %g users.", v)
		}
	}
	if l.MaxInFlight > 0 && float64(l.MaxInFlight) < l.To {
		m.found.errorf(b.rangeOf("max_in_flight"), "Cap below the users", "%g users have up to %[1]g requests on the way, and max_in_flight is %d: leave it out.", l.To, l.MaxInFlight)
	}
}

func mostUsers(l *scenarios.Load) int {
	most := l.Users
	for _, s := range l.Stages {
		most = max(most, s.Users)
	}
	return most
}

// checkSLO checks that each objective has limits, and only those that it can have.
func (m *module) checkSLO(b *block, s *scenarios.SLO) {
	if len(b.nested) == 0 {
		m.found.errorf(b.at, "Promise of nothing", "An slo has at least one objective, as in objective \"ttft\" { p99 = \"500ms\" }.")
	}
	decl := map[string]*nested{}
	hasLatency := false
	for _, n := range b.nested {
		decl[n.label] = n
		allowed := statsOf(n.label)
		if len(n.settings) == 0 {
			m.found.errorf(n.at, "Objective without a limit", "objective %q needs a limit: %s.", n.label, strings.Join(allowed, ", "))
		}
		for name, set := range n.settings {
			if !slices.Contains(allowed, name) {
				m.found.errorf(set.nameRange, "Limit that the objective can't have", "objective %q has %s, and no %s.%s", n.label, strings.Join(allowed, ", "), name, objectiveFor(name))
			}
		}
		hasLatency = hasLatency || slices.Contains(latencies, n.label)
	}
	if g := decl["goodput"]; g != nil && !hasLatency {
		m.found.errorf(g.at, "Goodput of nothing", "goodput counts the requests whose every latency is within its objective's limit: add an objective for %s.", strings.Join(latencies, ", "))
	}
	for i := range s.Objectives {
		o := &s.Objectives[i]
		if n := decl[o.Metric]; n != nil {
			o.Decl = m.found.place(n.rangeOf(o.Stat))
		}
	}
}

// objectiveFor says which objectives have a limit of that name.
func objectiveFor(stat string) string {
	var have []string
	for _, name := range objectiveNames {
		if slices.Contains(statsOf(name), stat) {
			have = append(have, name)
		}
	}
	return fmt.Sprintf(" %s is a limit of %s.", stat, strings.Join(have, ", "))
}
