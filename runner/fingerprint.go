package runner

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Fingerprint is what a result was made with: two results are comparable where theirs are equal.
type Fingerprint struct {
	Version   string `json:"llmscen_version"`
	Commit    string `json:"llmscen_commit,omitempty"`
	GoVersion string `json:"go_version"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	Kernel    string `json:"kernel,omitempty"`
	CPUModel  string `json:"cpu_model,omitempty"`
	CPUs      int    `json:"cpus"`
	Memory    int64  `json:"memory_bytes,omitempty"`
	Governor  string `json:"cpu_governor,omitempty"`
	Turbo     string `json:"cpu_turbo,omitempty"`
	THP       string `json:"transparent_hugepages,omitempty"`
	Clock     string `json:"clock_source,omitempty"`
}

// TakeFingerprint looks at this machine and this binary; what can't be read is left out.
func TakeFingerprint() Fingerprint {
	f := Fingerprint{
		Version: Version(), GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Kernel:   line("/proc/sys/kernel/osrelease"),
		CPUModel: field("/proc/cpuinfo", "model name"),
		Governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Turbo:    line("/sys/devices/system/cpu/cpufreq/boost"),
		THP:      line("/sys/kernel/mm/transparent_hugepage/enabled"),
		Clock:    line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
	}
	if kb, _, ok := strings.Cut(field("/proc/meminfo", "MemTotal"), " "); ok {
		if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
			f.Memory = n << 10
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				f.Commit = s.Value
			}
		}
	}
	return f
}

// JSON is the fingerprint as it is stored.
func (f Fingerprint) JSON() string {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // plain values
	}
	return string(text)
}

// Version is the version of this binary: the module's, where it was installed by version, else devel.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// field is the value of the first `name : value` line.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
