package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
	"github.com/llmscen/llmscen/scenarios"
)

// model is a GGUF and what it says of itself.
type model struct {
	path         string
	name         string // as requests call it
	sha256       string // hex
	quantization string
	architecture string
	seen         fs.FileInfo // when it was read
}

// named gives a runtime whose model is one of `make engines` that model's file.
func (d *Driver) named(r scenarios.Runtime) scenarios.Runtime {
	if e, known := engines.Find(r.Engine); known && e.TakesFiles && r.ModelFile == "" && r.Model != wasm.CarriedModel {
		r.ModelFile = engines.LocateModel(d.searchDir(), r.Model)
	}
	return r
}

// modelOf is the file that a runtime serves; nil: the engine knows the model by its name.
func (d *Driver) modelOf(r scenarios.Runtime) (*model, error) {
	path := r.ModelFile
	switch {
	case path == "" && r.Model != wasm.CarriedModel:
		return nil, nil
	case path == "":
		var err error
		if path, err = d.carriedModel(); err != nil {
			return nil, fmt.Errorf("writing the carried model: %w", err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at the model: %w", err)
	}
	// A runtime that is started anew for each trial need not have its gigabytes read each time.
	if m := d.models[path]; m != nil && os.SameFile(m.seen, info) && m.seen.Size() == info.Size() && m.seen.ModTime().Equal(info.ModTime()) {
		return m, nil
	}
	m, err := readModel(path)
	if err != nil {
		return nil, fmt.Errorf("reading the model %s: %w", path, err)
	}
	m.seen = info
	d.models[path] = m
	return m, nil
}

func readModel(path string) (*model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m := &model{path: path, name: engines.NameOf(path)}
	// What can't be understood here may be a newer format than ours, and the engine's own.
	if file, err := gguf.Read(f, info.Size()); err == nil {
		m.quantization, m.architecture = file.Quantization(), file.Text("general.architecture")
	} else if errors.Is(err, gguf.ErrNotGGUF) {
		return nil, err
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return nil, err
	}
	m.sha256 = hex.EncodeToString(digest.Sum(nil))
	return m, nil
}

// carriedModel puts the carried model where other engines can read it, once.
func (d *Driver) carriedModel() (string, error) {
	cache, err := d.cacheDir()
	if err != nil {
		return "", err
	}
	content := wasm.CarriedGGUF()
	sum := sha256.Sum256(content)
	path := filepath.Join(cache, "models", hex.EncodeToString(sum[:8]), wasm.CarriedModel+".gguf")
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, content) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "*.part") // another apply may write it as well
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return path, nil
}
