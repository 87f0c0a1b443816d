package procfs

import (
	"testing"
	"time"
)

func TestTheNodesSharesAreOfTheTimeSinceTheSampleBefore(t *testing.T) {
	m := newMachine(t, "node.txtar")
	sink := m.collect(Options{Node: true, Every: time.Second}, func() {
		// 200 ticks of two cores: 100 user, 10 system, 60 idle, 10 iowait, 20 stolen.
		m.replace("proc/stat", "cpu  1000 10 500 8000 90 20 80 100", "cpu  1100 10 510 8060 100 20 80 120")
		m.replace("proc/pressure/cpu", "80582077", "80832077") // a quarter of a second
		m.replace("proc/pressure/io", "8453572", "9453572")    // all of it
		m.replace("proc/loadavg", "0.23 0.62", "1.50 0.62")
		m.replace("proc/net/dev", "1000000    1000", "1000500    1001")
		m.replace("proc/net/dev", "30000      40", "30100      41")
	})
	sink.wantValues("node cpu_utilization_ratio", 0.65)
	sink.wantValues("node steal_ratio", 0.1)
	sink.wantValues("node psi_cpu_some_ratio", 0.25)
	sink.wantValues("node psi_memory_some_ratio", 0)
	sink.wantValues("node psi_io_some_ratio", 1)
	sink.wantValues("node load1", 0.23, 1.5, 1.5)
	sink.wantValues("node network_receive_bytes_total", 1020000, 1020500, 1020500)
	sink.wantValues("node network_transmit_bytes_total", 530000, 530100, 530100)
}

func TestANodesCounterThatBeginsAnewDoesNotFall(t *testing.T) {
	m := newMachine(t, "node.txtar")
	sink := m.collect(Options{Node: true}, func() {
		m.replace("proc/net/dev", "1000000    1000", "7    1")
		m.replace("proc/stat", "cpu  1000 10 500 8000", "cpu  1 0 0 0")
		m.replace("proc/pressure/cpu", "80582077", "5")
	})
	sink.wantValues("node network_receive_bytes_total", 1020000, 1020000+20007, 1020000+20007)
	sink.wantValues("node cpu_utilization_ratio")
	sink.wantValues("node psi_cpu_some_ratio")
}

func TestIowaitThatFallsGivesNoNegativeShare(t *testing.T) {
	m := newMachine(t, "node.txtar")
	sink := m.collect(Options{Node: true}, func() {
		m.replace("proc/stat", "8000 90 20", "8100 20 20")
	})
	sink.wantValues("node cpu_utilization_ratio", 0)
}
