package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/scenarios"
)

// modelMount is where a container finds the model's file.
const modelMount = "/models"

// startEngine starts an engine of the table and makes it ready for requests: its model known, loaded, and told.
func (d *Driver) startEngine(ctx context.Context, u *unit, dep runner.Deployment, e *engines.Engine) error {
	r := dep.Runtime
	s := engines.StartOf(r, limitsOf(dep).cpus)
	s.Host, s.ResetsCache = "127.0.0.1", dep.ResetsCache
	m, err := d.modelOf(r)
	if err != nil {
		return err
	}
	if m != nil {
		s.File, s.HostFile, s.SHA256, s.Architecture, s.Name = m.path, m.path, m.sha256, m.architecture, m.name
	}
	port, err := choosePort(ctx, 0)
	if err != nil {
		return err
	}
	s.Port = port
	l := launch{name: e.Title + " of " + r.Addr, port: port}
	if r.Image == "" {
		err = d.asProcess(r, e, &s, &l)
	} else {
		asContainer(r, e, &s, &l)
	}
	if err != nil {
		return err
	}
	maps.Copy(l.env, r.Env)
	if r.Ready.Path == "" {
		r.Ready.Path = e.Ready
	}
	if r.Ready.Timeout == 0 {
		r.Ready.Timeout = e.ReadyTimeout
	}
	if r.MetricsPath == "" {
		r.MetricsPath = e.MetricsPath
	}
	url, pid, err := d.launch(ctx, u, dep, r, l)
	if err != nil {
		return err
	}
	if err := d.prepare(ctx, u, r, e, url, s); err != nil {
		return err
	}
	if m != nil {
		u.endpoint.ModelDigest, u.endpoint.Quantization, u.endpoint.Model = "sha256:"+m.sha256, m.quantization, m.name
	}
	if s.Name != r.Model {
		u.endpoint.ServedAs = s.Name
	}
	if e.Workers && pid != 0 {
		u.workers = &workers{server: pid}
		u.workers.find()
	}
	u.announce(r, dep.Name, url, pid)
	return nil
}

// asProcess is an engine's own program on this machine, or the one that the scenario names.
func (d *Driver) asProcess(r scenarios.Runtime, e *engines.Engine, s *engines.Start, l *launch) error {
	for _, name := range e.Files {
		path, err := engines.LocateFile(d.searchDir(), name)
		if err != nil {
			return err
		}
		s.Files = append(s.Files, path)
	}
	program, err := d.program(r, e)
	if err != nil {
		return err
	}
	if e.Name == "ollama" && s.File != "" { // a store of our own: the user's is the user's
		cache, err := d.cacheDir()
		if err != nil {
			return err
		}
		s.Store = filepath.Join(cache, "ollama", s.SHA256[:16])
		if err := os.MkdirAll(s.Store, 0o755); err != nil {
			return fmt.Errorf("making a folder for Ollama's models: %w", err)
		}
	}
	l.command = append([]string{program}, e.Arguments(*s)...)
	l.env = e.Environment(*s)
	return nil
}

// program is the scenario's own, or the engine's where it is found.
func (d *Driver) program(r scenarios.Runtime, e *engines.Engine) (string, error) {
	if len(r.Command) > 0 {
		return r.Command[0], nil
	}
	return engines.Locate(d.searchDir(), e.Programs...)
}

// asContainer is an engine in a container of the runtime's image.
func asContainer(r scenarios.Runtime, e *engines.Engine, s *engines.Start, l *launch) {
	s.Host, s.Port, s.Fetch = "0.0.0.0", e.ImagePort, true
	l.inside, l.shared, l.mounts = e.ImagePort, e.SharedMemory, map[string]string{}
	switch {
	case s.File != "" && e.Name != "ollama": // Ollama is given it over HTTP
		s.File = modelMount + "/" + filepath.Base(s.File)
		l.mounts[s.File] = s.HostFile
	case s.File == "" && e.ModelStore != "":
		l.mounts[e.ModelStore] = "llmscen-" + e.Name // a volume, so that a model is fetched once
	}
	s.Files = append(s.Files, e.Files...) // in the image's own folder
	l.entries = e.ImageCommand
	if len(r.Command) > 0 {
		l.entries = r.Command[:1]
	}
	l.command = e.Arguments(*s)
	l.env = e.Environment(*s)
}

// prepare gives the server its model, within the time that it has to become ready, and keeps what it tells of itself.
func (d *Driver) prepare(ctx context.Context, u *unit, r scenarios.Runtime, e *engines.Engine, url string, s engines.Start) error {
	transport, err := d.o.Transport(r)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: transport}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Ready.Timeout, fmt.Errorf("its model was not ready after %s", r.Ready.Timeout))
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() { // a server that dies takes its answer with it, or leaves us waiting for one
		select {
		case <-u.process.done:
			cancel()
		case <-ended:
		}
	}()
	facts, err := e.Prepare(ctx, client, url, s)
	switch {
	case u.process.ended():
		return errors.New(u.death())
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: %w%s", context.Cause(ctx), err, lastLines(u.process.output))
	case errors.Is(err, engines.ErrNoModel): // what it wrote last says no more
		return err
	case err != nil && u.cgroup.killedForMemory() != "":
		return fmt.Errorf("a process of it %s: %w", u.cgroup.killedForMemory(), err)
	case err != nil:
		return fmt.Errorf("%w%s", err, lastLines(u.process.output))
	}
	for _, note := range facts.Notes {
		d.o.Note(r.Addr + ": " + note)
	}
	u.endpoint.EngineVersion, u.endpoint.ModelDigest = facts.Version, facts.ModelDigest
	u.endpoint.Quantization, u.endpoint.ContextTokens = facts.Quantization, facts.ContextTokens
	if e.CanResetCache() {
		u.reset = func(ctx context.Context) error { return e.ResetCache(ctx, client, url, s) }
	}
	return nil
}

func (d *Driver) searchDir() string {
	dir, err := filepath.Abs(d.o.SearchDir) // "" is the current folder
	if err != nil {
		return d.o.SearchDir
	}
	return dir
}

func (d *Driver) cacheDir() (string, error) {
	if d.o.CacheDir != "" {
		return d.o.CacheDir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(dir, "llmscen"), nil
}

// needsFile tells whether a runtime lacks the file that its engine serves.
func needsFile(r scenarios.Runtime, e *engines.Engine) bool {
	return !e.TakesNames && r.ModelFile == "" && r.Model != wasm.CarriedModel && !(r.Image != "" && filepath.IsAbs(r.Model))
}
