package protocol

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

func TestASecretIsReadFromItsPlace(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) scenarios.Secret {
		name := filepath.Join(dir, fmt.Sprint(len(text)))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return scenarios.Secret("file:" + name)
	}
	t.Setenv("LLMSCEN_TEST_KEY", "from env")
	t.Setenv("LLMSCEN_TEST_EMPTY", "")
	t.Setenv("LLMSCEN_TEST_LINES", "a\r\nX-Evil: b")
	for secret, want := range map[scenarios.Secret]string{
		"env:LLMSCEN_TEST_KEY":              "from env",
		file("from file\r\n"):               "from file",
		"env:LLMSCEN_TEST_EMPTY":            "",
		"env:LLMSCEN_TEST_NONE":             "",
		"env:LLMSCEN_TEST_LINES":            "",
		file("\n"):                          "",
		"file:/nonexistent/llmscen/api_key": "",
		"sk-live-1234":                      "",
	} {
		got, err := ReadSecret(secret)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v", string(secret), got, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-live") {
			t.Errorf("the error repeats what may be the secret: %v", err)
		}
	}
	_, err := New(Options{
		Runtime: scenarios.Runtime{Protocol: "openai", APIKey: "env:X"}, Targets: []Target{{URL: "http://127.0.0.1"}},
		ReadSecret: func(scenarios.Secret) (string, error) { return "", io.ErrUnexpectedEOF },
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// The canaries stand wherever a secret can, and the server repeats all that it was sent, in every manner.
func TestNoSecretComesBackInAnError(t *testing.T) {
	const canary = `canary"key/7`
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := fmt.Sprint(r.Header, r.URL)
		if r.Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("got the key %q", r.Header.Get("Authorization"))
		}
		switch r.Header.Get("X-Request-Id") {
		case "trial/0/0":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, "no: %s", said)
		case "trial/1/0":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":{"message":%q}}`, said)
		case "trial/2/0":
			fmt.Fprintf(w, "data: {\"error\":%q}\n\n", said)
		case "trial/3/0":
			fmt.Fprintf(w, "data: garbled %q\n\n", said)
		case "trial/4/0": // its start lies where the text is cut
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, strings.Repeat(canary, maxRedacted/len(canary)+9))
		default:
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, said)
		}
	}))
	defer echo.Close()
	base := strings.Replace(echo.URL, "http://", "http://user:canary-password@", 1)
	client, err := New(Options{
		TrialID: "trial",
		Runtime: scenarios.Runtime{Protocol: "openai", APIKey: "env:ANY", Headers: map[string]string{"X-Api-Key": "canary-header", "X-Tenant": "tenant", "Proxy-Authorization": "Basic canary-basic"}},
		Targets: []Target{{URL: base + "/?key=canary-query"}}, ReadSecret: func(scenarios.Secret) (string, error) { return canary, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	check := func(text string) {
		t.Helper()
		if text == "" || strings.Contains(text, "canary") || len(text) > maxErrorText {
			t.Errorf("got %d bytes: %q", len(text), text)
		}
	}
	for seq := range int64(6) {
		var timeline load.Timeline
		answer, err := client.Generate(t.Context(), load.Request{Seq: seq, Prompt: hello}, &timeline)
		if err != nil {
			t.Fatal(err)
		}
		check(answer.ErrorText)
	}
	_, err = client.Tokenize(t.Context(), "x")
	check(err.Error())
	if err := client.Probe(t.Context(), "/health").Error(); strings.Contains(err, "canary") {
		t.Errorf("got %q", err)
	}
}

func TestTheStartOfASecretDoesNotSurviveACut(t *testing.T) {
	secret := strings.Repeat("canary-", 500)
	r := newRedactor(secret, nil, nil)
	for _, text := range []string{strings.Repeat(secret, 4), strings.Repeat(secret, 4)[:maxRedacted], "x" + strings.Repeat(secret, 4)} {
		if got := r.text(text); strings.Contains(got, "canary") || !strings.Contains(got, hidden) {
			t.Errorf("got %q", got)
		}
	}
}

func TestAnErrorTextIsShortAndPlain(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b]0;owned\x07\x1b[2Jred\u009b31m": "]0;owned [2Jred 31m",
		"a\n\tb\x00c":                         "a b c",
		"bad \xff utf8":                       "bad \uFFFD utf8",
		strings.Repeat("x", 255) + "éé":       strings.Repeat("x", 255),
		strings.Repeat("é", 200):              strings.Repeat("é", 128),
	} {
		if got := (redactor{}).text(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
