//go:build !linux

package warehouse

import "os"

// allocate makes the file take n bytes of the disk.
func allocate(f *os.File, n int64) error { return writeNoise(f, n) }
