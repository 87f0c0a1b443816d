package scenarios

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is a size, written as people write it: 64GiB, 500MB, 4096.
type Bytes int64

var byteUnits = []struct {
	name string
	size float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// ParseBytes reads a size such as 64GiB, 1.5MB or 4096.
func ParseBytes(s string) (Bytes, error) {
	number, size := strings.TrimSpace(s), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v < 0 || v*size >= 1<<63 || v != v {
		return 0, fmt.Errorf("%q is not a size: write a number and a unit, as in 64GiB or 500MB", s)
	}
	return Bytes(v * size), nil
}

// String writes the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if n := int64(u.size); b != 0 && int64(b)%n == 0 {
			return fmt.Sprintf("%d%s", int64(b)/n, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}
