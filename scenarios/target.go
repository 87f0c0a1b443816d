package scenarios

// TargetNames are what a series' query may leave to the trial, as in ${target.pod_pattern}: the namespace that the
// deployment is in, its name, regular expressions that match its pods and their nodes, and host:port of its first target.
func TargetNames() []string {
	return []string{"namespace", "deployment", "pod_pattern", "node_pattern", "instance"}
}
