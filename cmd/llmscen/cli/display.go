package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/llmscen/llmscen/runner"
)

// display shows an apply to whoever watches: two lines that are drawn anew on a terminal, plain lines elsewhere.
type display struct {
	w        io.Writer
	live     *live
	terminal bool
	color    bool
	drawn    int // lines on the screen that will be drawn over
	stop     chan struct{}
	stopped  chan struct{}
	events   chan runner.Event
}

// newDisplay begins to show; it writes to w until Close.
func newDisplay(w io.Writer, l *live, terminal, color bool) *display {
	d := &display{
		w: w, live: l, terminal: terminal, color: color,
		stop: make(chan struct{}), stopped: make(chan struct{}), events: make(chan runner.Event),
	}
	go d.run()
	return d
}

// event shows an event; after Close it does nothing.
func (d *display) event(e runner.Event) {
	select {
	case d.events <- e:
	case <-d.stopped:
	}
}

// Close shows the last and stops.
func (d *display) Close() {
	close(d.stop)
	<-d.stopped
}

func (d *display) run() {
	defer close(d.stopped)
	every := 10 * time.Second
	if d.terminal {
		every = 250 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case e := <-d.events:
			d.erase()
			if line := eventLine(e, d.color); line != "" {
				fmt.Fprintln(d.w, line)
			}
		case <-tick.C:
			s := d.live.now()
			if s.Doing != loading {
				d.erase()
				if d.terminal && s.Doing != "done" && s.Doing != "" {
					fmt.Fprintf(d.w, "  %s…\n", s.Doing)
					d.drawn = 1
				}
				continue
			}
			d.erase()
			lines := progressLines(s)
			for _, line := range lines {
				fmt.Fprintln(d.w, line)
			}
			if d.terminal {
				d.drawn = len(lines)
			}
		case <-d.stop:
			d.erase()
			return
		}
	}
}

// erase takes the drawn lines off the screen.
func (d *display) erase() {
	if d.drawn > 0 {
		fmt.Fprintf(d.w, "\x1b[%dA\x1b[J", d.drawn)
		d.drawn = 0
	}
}

const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

func paint(color bool, style, s string) string {
	if !color {
		return s
	}
	return style + s + plain
}

func eventLine(e runner.Event, color bool) string {
	switch e.Type {
	case runner.ApplyStarted:
		return fmt.Sprintf("Apply %s of %s; live at %s, or `%s status --watch`", e.Apply, count(e.Of, "trial"), e.Detail, invoked())
	case runner.DeploymentStarting:
		return fmt.Sprintf("Starting %s …", e.Detail)
	case runner.DeploymentReady:
		return fmt.Sprintf("%s is ready after %s", e.Detail, about(e.Took))
	case runner.TrialStarted:
		return fmt.Sprintf("%s %s", paint(color, bold, fmt.Sprintf("Trial %d of %d", e.Index+1, e.Of)), e.Trial)
	case runner.TrialJudged:
		return "  " + verdictLine(*e.Verdict, color)
	case runner.Note:
		return "  " + printable(e.Detail)
	case runner.Warning:
		return paint(color, yellow, "Warning: ") + printable(e.Detail)
	}
	return ""
}

// verdictLine is a trial's verdicts in one line, with the names of the rules behind them; the table tells the rest.
func verdictLine(v runner.Verdict, color bool) string {
	parts := []string{styled(string(v.Status), color)}
	if v.Validity != "" {
		parts = append(parts, styled(string(v.Validity), color))
	}
	if v.SLO != "" {
		parts = append(parts, "SLO "+styled(string(v.SLO), color))
	}
	line := strings.Join(parts, ", ")
	var rules []string
	for _, reason := range v.Reasons {
		if rule, _, named := strings.Cut(reason, ":"); named && !strings.Contains(rule, " ") {
			rules = append(rules, rule)
		}
	}
	if len(rules) > 0 {
		line += " (" + printable(strings.Join(rules, ", ")) + ")"
	}
	return line
}

func styled(verdict string, color bool) string {
	switch verdict {
	case "completed", "valid", "pass":
		return paint(color, green, verdict)
	case "flagged", "indeterminate", "interrupted":
		return paint(color, yellow, verdict)
	}
	return paint(color, red, verdict)
}

// progressLines are the state of a trial's load, in two lines.
func progressLines(s liveStatus) []string {
	l := s.Load
	what := orDash(string(l.Phase))
	if l.Window != "" {
		what = l.Window + " · " + what
	}
	first := fmt.Sprintf("  trial %d of %d · %s · %s left here, %s in all · %.4g/s · %d in flight",
		s.Index+1, s.Of, what, clock(s.Here), clock(s.Left), l.RequestsPerSecond, l.InFlight)
	second := fmt.Sprintf("  TTFT p50 %s p99 %s · %.0f tok/s · %d done · %d errors",
		milliseconds(l.TTFTp50), milliseconds(l.TTFTp99), l.OutputTokensPerSecond, l.Finished-l.Failed, l.Failed) // those not sent have failed
	return []string{first, second}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return strings.ReplaceAll(s, "_", "-")
}

func clock(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g ms", float64(d)/1e6)
}
