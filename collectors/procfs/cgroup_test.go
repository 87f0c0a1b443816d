package procfs

import (
	"strings"
	"testing"
	"time"
)

func TestACgroupOfEitherVersionTellsTheSame(t *testing.T) {
	for _, version := range []struct{ archive, source, cpu, throttled, memory string }{
		{"v1.txtar", "cgroup_v1", "sys/fs/cgroup/cpu,cpuacct/llmscen-chat-1f2e/cpuacct.usage", "sys/fs/cgroup/cpu,cpuacct/llmscen-chat-1f2e/cpu.stat", "sys/fs/cgroup/memory/jobs/a1b2/llmscen-chat-1f2e/memory.stat"},
		{"v2.txtar", "cgroup_v2", "sys/fs/cgroup/system.slice/llmscen-chat-1f2e/cpu.stat", "sys/fs/cgroup/system.slice/llmscen-chat-1f2e/cpu.stat", "sys/fs/cgroup/system.slice/llmscen-chat-1f2e/memory.stat"},
	} {
		t.Run(version.source, func(t *testing.T) {
			m := newMachine(t, "node.txtar", version.archive)
			sink := m.collect(Options{
				Every:     time.Second,
				Processes: []Process{{Target: TargetRuntime, PID: 4242, Cgroup: "/sys/fs/cgroup/any/llmscen-chat-1f2e"}},
			}, func() {
				m.replace(version.cpu, "5000000", "6500000")
				m.replace(version.throttled, "nr_periods 100", "nr_periods 110")
				m.replace(version.throttled, "nr_throttled 10", "nr_throttled 15")
				m.replace(version.throttled, "2000000", "2250000")
				m.replace(version.memory, "6000000", "6500000")
			})
			sink.wantValues("runtime cpu_seconds_total", 5, 6.5, 6.5)
			sink.wantValues("runtime cpu_cores", 1.5)
			sink.wantValues("runtime cpu_limit_cores", 1.5)
			sink.wantValues("runtime memory_rss_bytes", 6e6, 6.5e6, 6.5e6)
			sink.wantValues("runtime memory_working_set_bytes", 7e6, 7e6, 7e6)
			sink.wantValues("runtime throttled_seconds_total", 2, 2.25, 2.25)
			sink.wantValues("runtime throttled_ratio", 0.5)
			sink.wantValues("runtime threads", 12, 12, 12)
			for _, name := range []string{SeriesCPUCores, SeriesMemoryWorkingSet, SeriesThrottledSeconds} {
				if got := sink.source(TargetRuntime, name); got != version.source {
					t.Errorf("%s is from %s", name, got)
				}
			}
		})
	}
}

func TestACgroupWithoutItsMemoryControllerIsSummedOverProcessesAndSaysSo(t *testing.T) {
	m := newMachine(t, "node.txtar", "v1.txtar")
	m.replace("proc/4242/cgroup", "memory:/jobs/a1b2/llmscen-chat-1f2e", "memory:/")
	sink := m.collect(Options{Processes: []Process{{Target: TargetRuntime, TargetID: "chat-0", PID: 4242, Cgroup: "/sys/fs/cgroup/cpu/llmscen-chat-1f2e"}}})
	if got := sink.source(TargetRuntime, SeriesCPUSeconds); got != "cgroup_v1" {
		t.Errorf("CPU is from %s", got)
	}
	if got := sink.source(TargetRuntime, SeriesMemoryWorkingSet); got != "process_tree_rss" {
		t.Errorf("memory is from %s", got)
	}
	if len(sink.notes) == 0 || !strings.Contains(sink.notes[0], "does not tell its CPU time and memory both") {
		t.Errorf("got the notes %q", sink.notes)
	}
}

func TestTheCgroupAroundAProcessTellsOnlyItsThrottling(t *testing.T) {
	m := newMachine(t, "node.txtar", "container.txtar")
	sink := m.collect(Options{Processes: []Process{{Target: TargetRuntime, PID: 4242}}})
	// utime 250, stime 50, waited for 40, and a child's 100: ticks of 10 ms. 4301 is no child, and 9999 is gone.
	sink.wantValues("runtime cpu_seconds_total", 4.4, 4.4)
	sink.wantValues("runtime threads", 15, 15)
	sink.wantValues("runtime throttled_seconds_total", 2, 2)
	sink.wantValues("runtime cpu_limit_cores")
	if got := sink.source(TargetRuntime, SeriesCPUSeconds); got != "process_tree" {
		t.Errorf("CPU is from %s", got)
	}
}
