package warehouse

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// spareBytes is the room that an apply sets aside while a trial runs. What lies in memory when the disk is found full goes
// there: the rows of two seconds, those on their way, and the trial's own row.
const spareBytes = 16 << 20

// setRoomAside keeps the room of spareBytes, which must be there; done again it does nothing.
func (a *ApplyWriter) setRoomAside() error {
	path := filepath.Join(a.w.spoolDir(a.info.ID), spareFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = allocate(f, spareBytes)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		a.makeRoom()
		return explainRoom(fmt.Errorf("setting room aside in %s: %w", path, err), a.w.dir, spareBytes)
	}
	return nil
}

// writeNoise writes n bytes that no file system makes smaller, where the file lacks them.
func writeNoise(f *os.File, n int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() == n {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), n)
	return err
}

// makeRoom gives that room up; done again it does nothing.
func (a *ApplyWriter) makeRoom() {
	_ = os.Remove(filepath.Join(a.w.spoolDir(a.info.ID), spareFile)) // who wants the room finds out whether it is there
}

// explainSpace adds to the error of a full disk what lacks, and where the rows are: in the spool, or sealed where there
// is none any more.
func explainSpace(err error, dir, spoolDir string) error {
	if !noSpace(err) {
		return err
	}
	if spoolDir == "" {
		return fmt.Errorf("%w; the load was stopped and its rows are sealed: make room on the disk of %s", err, dir)
	}
	needed, e := sizeOf(spoolDir)
	if e != nil {
		return err
	}
	return fmt.Errorf("%w; the rows are safe in %s, and `llmscen recover` seals them", explainRoom(err, dir, needed), spoolDir)
}

// explainRoom adds to the error of a full disk how much is free and how much is needed.
func explainRoom(err error, dir string, needed int64) error {
	free, e := freeBytes(dir)
	if !noSpace(err) || e != nil {
		return err
	}
	return fmt.Errorf("%w: %s has %s free, and about %s are needed", err, dir, mebibytes(free), mebibytes(needed))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// sizeOf is the size of all files below a folder.
func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		return nil
	})
	return total, err
}
