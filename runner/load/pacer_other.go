//go:build !linux

package load

// FinePacer is the finest pacer of this system.
func FinePacer() Pacer { return TimerPacer{} }
