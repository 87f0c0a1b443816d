package procfs

import "slices"

// The names of the series.
const (
	SeriesCPUCores         = "cpu_cores"
	SeriesCPUSeconds       = "cpu_seconds_total"
	SeriesCPULimit         = "cpu_limit_cores"
	SeriesMemoryRSS        = "memory_rss_bytes"
	SeriesMemoryWorkingSet = "memory_working_set_bytes"
	SeriesNetworkReceive   = "network_receive_bytes_total"
	SeriesNetworkTransmit  = "network_transmit_bytes_total"
	SeriesThrottledSeconds = "throttled_seconds_total"
	SeriesThrottledRatio   = "throttled_ratio"
	SeriesThreads          = "threads"
	SeriesOpenFDs          = "open_fds"
	SeriesSchedLatencyP99  = "client_sched_latency_p99_seconds"
	SeriesGCPauseMax       = "client_gc_pause_max_seconds"
	SeriesCollectorCPU     = "collector_cpu_seconds_total"
	SeriesCPUUtilization   = "cpu_utilization_ratio"
	SeriesSteal            = "steal_ratio"
	SeriesMemoryAvailable  = "memory_available_bytes"
	SeriesLoad1            = "load1"
	SeriesPSICPU           = "psi_cpu_some_ratio"
	SeriesPSIMemory        = "psi_memory_some_ratio"
	SeriesPSIIO            = "psi_io_some_ratio"
)

// Definition says what a series is.
type Definition struct {
	Name string
	// Unit is cores, seconds, bytes, ratio (0 to 1) or count.
	Unit string
	// Targets are the targets that have it.
	Targets []string
	// Doc is what it means, in one sentence.
	Doc string
}

var (
	processes = []string{TargetRuntime, TargetClient}
	client    = []string{TargetClient}
	node      = []string{TargetNode}
	all       = []string{TargetRuntime, TargetClient, TargetNode}
)

// definitions is the contract for SQL. A name that ends in _total is a counter: it never falls within a trial, and only
// its differences mean something. The label source says where a series was read.
var definitions = []Definition{
	{SeriesCPUCores, "cores", processes, "CPU time used since the sample before, by the time between the two: 1 is one core kept busy."},
	{SeriesCPUSeconds, "seconds", processes, "CPU time used, user and system, descendants that have ended included (source: cgroup_v1, cgroup_v2, process_tree)."},
	{SeriesCPULimit, "cores", processes, "The most cores that it may use, by its cgroup's quota and its affinity: one sample, when sampling begins."},
	{SeriesMemoryRSS, "bytes", processes, "Memory held: of a cgroup its anonymous memory, of a process tree the sum of the processes' resident sets, in which shared pages count once a process."},
	{SeriesMemoryWorkingSet, "bytes", processes, "Memory that can't be taken back without harm: of a cgroup usage − inactive_file, of a process tree the sum of resident sets (its source says so: process_tree_rss)."},
	{SeriesNetworkReceive, "bytes", all, "Payload bytes received: of a runtime by the sockets of its port (source tcp_info) or on the interfaces of its network namespace less 66 bytes of headers a packet (netns), written only if within 2 % of what the client sent; of the client as its connections count them (client); of the node on its interfaces but loopback, headers included (interfaces)."},
	{SeriesNetworkTransmit, "bytes", all, "Payload bytes sent, as for network_receive_bytes_total: of a runtime acknowledged by the peer, and written only if within 2 % of what the client received."},
	{SeriesThrottledSeconds, "seconds", processes, "Time that the tasks of its cgroup were kept from running by the CPU quota, summed over cores."},
	{SeriesThrottledRatio, "ratio", processes, "Share of the quota's periods since the sample before in which its cgroup was throttled; no sample where no period passed."},
	{SeriesThreads, "count", processes, "Threads of all its processes."},
	{SeriesOpenFDs, "count", processes, "File descriptors that its processes hold open."},
	{SeriesSchedLatencyP99, "seconds", client, "99th percentile of the time that the client's goroutines waited to run once they could, over at least 100 waits since the sample before (runtime/metrics; the upper edge of its bucket)."},
	{SeriesGCPauseMax, "seconds", client, "Longest pause of the whole client for garbage collection since the sample before (runtime/metrics; the upper edge of its bucket); 0 where there was none."},
	{SeriesCollectorCPU, "seconds", client, "CPU time that this collector's own sampling took."},
	{SeriesCPUUtilization, "ratio", node, "Share of all cores' time since the sample before that was neither idle nor waiting for I/O; steal counts as used."},
	{SeriesSteal, "ratio", node, "Share of all cores' time since the sample before that the hypervisor gave to others."},
	{SeriesMemoryAvailable, "bytes", node, "Memory that could be had without swapping (MemAvailable)."},
	{SeriesLoad1, "count", node, "The kernel's load average over one minute."},
	{SeriesPSICPU, "ratio", node, "Share of the time since the sample before in which some task waited for a CPU (pressure stall information)."},
	{SeriesPSIMemory, "ratio", node, "Share of the time since the sample before in which some task waited for memory."},
	{SeriesPSIIO, "ratio", node, "Share of the time since the sample before in which some task waited for I/O."},
}

var units = func() map[string]string {
	m := make(map[string]string, len(definitions))
	for _, d := range definitions {
		m[d.Name] = d.Unit
	}
	return m
}()

// Definitions lists every series that this package writes.
func Definitions() []Definition { return slices.Clone(definitions) }
