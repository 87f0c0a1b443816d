package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// figures are what benchmarks reported: by the benchmark's name, and by unit, one value for each time it ran.
type figures map[string]map[string][]float64

// readFigures reads what `go test -bench` prints: a name with the number of processors behind its last hyphen, the
// number of iterations, and pairs of value and unit (https://go.dev/design/14313-benchmark-format).
func readFigures(r io.Reader) (figures, error) {
	all := figures{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
			}
			if all[name] == nil {
				all[name] = map[string][]float64{}
			}
			all[name][f[i+1]] = append(all[name][f[i+1]], v)
		}
	}
	return all, lines.Err()
}

// median is that of a figure over the times that its benchmark ran.
func (f figures) median(name, unit string) (float64, error) {
	values := f[name][unit]
	if len(values) == 0 {
		return 0, fmt.Errorf("the benchmark %s did not report %s", name, unit)
	}
	return median(values), nil
}

// benchmarks judges the figures of Go's benchmarks that have a limit.
func (b *bench) benchmarks(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := readFigures(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	const parquet, longer = "RequestsToParquet/tokens=1", "RequestsToParquet/tokens=100"
	for _, w := range []struct {
		what, name, unit, told string
		limit                  limit
	}{
		{"request rows to Parquet", parquet, "rows/cpu-s", "rows/CPU-s", limit{least: 245_000}},
		{"the same with 100 tokens each", longer, "rows/cpu-s", "rows/CPU-s", limit{}},
		{"a request in Parquet", parquet, "bytes/request", "bytes", limit{most: 65}},
		{"the WASM guest, carried model", "Decode/answers=1", "tokens/s", "tokens/s", limit{least: 240}},
		{"eight answers at once", "Decode/answers=8", "tokens/s", "tokens/s", limit{}},
	} {
		v, err := all.median(w.name, w.unit)
		if err != nil {
			return err
		}
		b.table.add(w.what, v, w.told, w.limit)
		if w.what == "a request in Parquet" {
			long, err := all.median(longer, w.unit)
			if err != nil {
				return err
			}
			b.table.add("a token in Parquet", (long-v)/99, "bytes", limit{most: 2.5})
		}
	}
	if v, err := all.median("LargeDecode/answers=1", "tokens/s"); err == nil { // only where its model was made
		b.table.add("the WASM guest, large model", v, "tokens/s", limit{least: 20})
	}
	return nil
}
