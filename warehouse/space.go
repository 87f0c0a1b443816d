package warehouse

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// explainSpace adds to the error of a full disk what lacks: the room that is free, and about what is needed.
func explainSpace(err error, dir, spoolDir string) error {
	if !noSpace(err) {
		return err
	}
	free, e := freeBytes(dir)
	if e != nil {
		return err
	}
	needed, e := sizeOf(spoolDir)
	if e != nil {
		return err
	}
	return fmt.Errorf("%w: %s has %d bytes free, about %d are needed; the rows are safe in %s, and `llmscen recover` seals them",
		err, dir, free, needed, spoolDir)
}

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
