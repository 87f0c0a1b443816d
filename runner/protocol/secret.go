package protocol

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
)

// ReadSecret is the text that a secret refers to: `env:NAME` is an environment variable, `file:PATH` the contents of a
// file without the line end. It fails where there is none, or none that a header could carry.
func ReadSecret(s scenarios.Secret) (string, error) {
	kind, name, _ := strings.Cut(string(s), ":")
	var value string
	switch kind {
	case "env":
		value = os.Getenv(name)
		if value == "" {
			return "", fmt.Errorf("reading a secret: the environment variable %s is not set", name)
		}
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("reading a secret: %w", err)
		}
		value = strings.TrimRight(string(b), "\r\n")
		if value == "" {
			return "", fmt.Errorf("reading a secret: the file %s is empty", name)
		}
	default:
		// The reference is not repeated: it may be the secret itself, written in the wrong place.
		return "", errors.New("reading a secret: the reference is neither env:NAME nor file:PATH")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("reading a secret: %s %s has characters that no header can carry", kind, name)
	}
	return value, nil
}
