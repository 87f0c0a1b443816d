package warehouse

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/spool"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// File is a Parquet file as a manifest tells of it.
type File struct {
	Table  string `json:"table"`
	Path   string `json:"path"` // below the warehouse, with slashes
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Apply tells of an apply what its rows don't.
type Apply struct {
	ID       string `json:"apply"`
	Scenario string `json:"scenario"`
	// SHA256 is the digest of the scenario.
	SHA256  string             `json:"scenario_sha256,omitempty"`
	Sources []scenarios.Source `json:"sources,omitempty"`
	// Fingerprint is a JSON document: what machine, what software.
	Fingerprint json.RawMessage   `json:"fingerprint,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Resumes is the apply that this one goes on from.
	Resumes string         `json:"resumes,omitempty"`
	BegunAt tables.Instant `json:"begun_at,omitempty"`
}

// ApplyManifest is manifests/<apply>.json: the apply was finished.
type ApplyManifest struct {
	SchemaVersion int `json:"schema_version"`
	Apply
	FinishedAt tables.Instant `json:"finished_at"`
	// Recovered: the process that made the apply died, and Recover sealed its spool.
	Recovered bool        `json:"recovered,omitempty"`
	Trials    []TrialFile `json:"trials"`
	// Files are those that belong to no trial.
	Files []File `json:"files,omitempty"`
	// Digest is the SHA-256, in hex, of this document with an empty digest.
	Digest string `json:"digest"`
}

// TrialFile names the manifest of a trial.
type TrialFile struct {
	TrialID string `json:"trial_id"`
	Path    string `json:"path"`
	SHA256  string `json:"sha256"`
}

// TrialManifest is manifests/<apply>/<trial>.json: the trial was sealed.
type TrialManifest struct {
	SchemaVersion int            `json:"schema_version"`
	Apply         string         `json:"apply"`
	Scenario      string         `json:"scenario"`
	TrialID       string         `json:"trial_id"`
	SealedAt      tables.Instant `json:"sealed_at"`
	Recovered     bool           `json:"recovered,omitempty"`
	// LostBytes is what the spool held after its last whole batches.
	LostBytes int64  `json:"lost_bytes,omitempty"`
	Files     []File `json:"files"`
	Digest    string `json:"digest"`
}

// A manifest proves itself by its digest.
type manifest interface {
	digest() *string
	version() int
}

func (m *ApplyManifest) digest() *string { return &m.Digest }
func (m *ApplyManifest) version() int    { return m.SchemaVersion }
func (m *TrialManifest) digest() *string { return &m.Digest }
func (m *TrialManifest) version() int    { return m.SchemaVersion }

// encode gives the document with its digest.
func encode(m manifest) ([]byte, error) {
	*m.digest() = ""
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	*m.digest() = hexSHA256(text)
	text, err = json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

func hexSHA256(b []byte) string {
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}

// readManifest reads and proves a manifest; its raw bytes come back too.
func readManifest(path string, m manifest) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", path, err)
	}
	if m.version() > tables.SchemaVersion {
		return nil, fmt.Errorf("reading manifest %s: it has schema version %d, this llmscen knows %d: use a newer one", path, m.version(), tables.SchemaVersion)
	}
	told := *m.digest()
	again, err := encode(m)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", path, err)
	}
	if told != *m.digest() || string(again) != string(text) {
		return nil, fmt.Errorf("reading manifest %s: %w", path, errDigest)
	}
	return text, nil
}

var errDigest = errors.New("its digest is wrong: the file was changed")

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeFile makes a file appear whole, safe against the loss of power. It is written in the folder draft, an apply's
// spool: what a process that dies leaves there goes with it.
func writeFile(draft, path string, text []byte) error {
	if err := spool.MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(draft, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if e := f.Chmod(0o644); err == nil {
		err = e
	}
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(f.Name()))
	}
	return spool.SyncDir(filepath.Dir(path))
}
