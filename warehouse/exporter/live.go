package exporter

import (
	"github.com/prometheus/client_golang/prometheus"
)

func gaugeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	phaseDesc    = gaugeDesc("llmscen_phase", "1 for the phase of the load under way, 0 for the others.", "phase")
	inFlightDesc = gaugeDesc("llmscen_in_flight_requests", "Requests on their way.")
	rateDesc     = gaugeDesc("llmscen_target_rate_per_second", "The rate that the schedule asks for; absent in a closed loop.")
	usersDesc    = gaugeDesc("llmscen_target_users", "The users of a closed loop; absent in an open one.")
	doneDesc     = gaugeDesc("llmscen_apply_trials_done", "Trials of the apply that have ended.")
	plannedDesc  = gaugeDesc("llmscen_apply_trials_planned", "Trials of the apply.")
	blockedDesc  = gaugeDesc("llmscen_sink_blocked_seconds", "How long requests of this load have waited for their rows to be taken.")
	lagDesc      = gaugeDesc("llmscen_schedule_lag_max_seconds", "The latest that a request of this load has left.")
)

// liveCollector asks what the load does at each scrape.
type liveCollector struct{ live func() Live }

// Describe implements prometheus.Collector.
func (liveCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{phaseDesc, inFlightDesc, rateDesc, usersDesc, doneDesc, plannedDesc, blockedDesc, lagDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c liveCollector) Collect(ch chan<- prometheus.Metric) {
	l := c.live()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, p := range phases {
		on := 0.0
		if p == l.Phase {
			on = 1
		}
		gauge(phaseDesc, on, string(p))
	}
	gauge(inFlightDesc, l.InFlight)
	gauge(doneDesc, l.TrialsDone)
	gauge(plannedDesc, l.TrialsPlanned)
	gauge(blockedDesc, l.SinkBlockedSeconds)
	gauge(lagDesc, l.MaxLagSeconds)
	if l.TargetRatePerSecond > 0 {
		gauge(rateDesc, l.TargetRatePerSecond)
	}
	if l.TargetUsers > 0 {
		gauge(usersDesc, l.TargetUsers)
	}
}
