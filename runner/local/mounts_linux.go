package local

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hierarchy is a mounted cgroup hierarchy and where this process is in it.
type hierarchy struct {
	v2          bool
	controllers []string // version 1
	mount       string   // folder of the part of it that can be seen
	own         string   // our folder in it
}

// hierarchies reads which cgroup hierarchies there are.
func hierarchies() ([]hierarchy, error) {
	own, err := ownPaths()
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []hierarchy
	for lines := bufio.NewScanner(f); lines.Scan(); {
		h, root, ok := parseMount(lines.Text())
		if !ok {
			continue
		}
		for key, path := range own {
			if h.v2 == (key == "") && (h.v2 || slices.Contains(h.controllers, strings.Split(key, ",")[0])) {
				// Without a cgroup namespace a container sees only its own part: what root says is not in the mount.
				if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/")); ok {
					path = rest
				}
				h.own = filepath.Join(h.mount, path)
				found = append(found, h)
			}
		}
	}
	return found, nil
}

// cgroupOf is the folder of the cgroup that a process of a container is in, of version 2 or of version 1's memory; "":
// it can't be seen from here, or is one that others are in as well.
func cgroupOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	paths := parseCgroups(string(text))
	var found string
	for line := range strings.Lines(string(mounts)) {
		h, root, ok := parseMount(strings.TrimSpace(line))
		if !ok || root != "/" {
			continue
		}
		for key, path := range paths {
			memory := !h.v2 && slices.Contains(h.controllers, "memory") && slices.Contains(strings.Split(key, ","), "memory")
			if !memory && (!h.v2 || key != "" || found != "") || path == "/" {
				continue
			}
			if dir := filepath.Join(h.mount, path); isDir(dir) {
				found = dir
			}
		}
	}
	return found
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// parseMount reads a line of /proc/PID/mountinfo, see proc(5).
func parseMount(line string) (h hierarchy, root string, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 5 || len(right) < 3 || !strings.HasPrefix(right[0], "cgroup") {
		return h, "", false
	}
	h.mount, h.v2 = strings.ReplaceAll(left[4], `\040`, " "), right[0] == "cgroup2"
	if !h.v2 {
		h.controllers = strings.Split(right[2], ",")
	}
	return h, left[3], true
}

// ownPaths are the cgroups of this process, by controllers; "" is version 2.
func ownPaths() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	return parseCgroups(string(text)), nil
}

// parseCgroups reads /proc/PID/cgroup, see cgroups(7).
func parseCgroups(text string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			paths[parts[1]] = parts[2]
		}
	}
	return paths
}

// writeControl writes a control file; writing is how cgroups are asked for things, and the answer is the error.
func writeControl(dir, file, value string) error {
	path := filepath.Join(dir, file)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", value, err)
	}
	return nil
}
