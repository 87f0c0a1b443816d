package protocol

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/scenarios"
)

func TestTokensAreCountedByTheServer(t *testing.T) {
	for _, c := range []struct {
		protocol, answer string
		status, want     int
	}{
		{"openai", `{"tokens":[1,2,3]}`, 200, 3},
		{"openai", `{"tokens":[{"id":1,"piece":"a"},{"id":2,"piece":"b"}]}`, 200, 2},
		{"openai", `{"count":4,"max_model_len":128,"tokens":[1,2,3,4]}`, 200, 4},
		{"tgi", `[{"id":1,"text":"a","start":0,"stop":1}]`, 200, 1},
		{"openai", `{"tokens":[]}`, 200, 0},
		{"openai", `{"error":"not here"}`, 404, -1},
		{"openai", `{}`, 200, -1},
		{"openai", `tokens: 3`, 200, -1},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			var asked struct{ Content, Prompt, Inputs string }
			_ = json.Unmarshal(b, &asked)
			if want := map[string]string{"openai": "a b;a b;", "tgi": ";;a b"}[c.protocol]; r.URL.Path != "/tokenize" || strings.Join([]string{asked.Content, asked.Prompt, asked.Inputs}, ";") != want {
				t.Errorf("%s was asked %s", r.URL, b)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.answer)
		}))
		got, err := dial(t, scenarios.Runtime{Protocol: c.protocol}, server.URL).Tokenize(t.Context(), "a b")
		if (err != nil) != (c.want < 0) || err == nil && got != c.want {
			t.Errorf("%s: got %d, %v", c.answer, got, err)
		}
		server.Close()
	}
}

func TestAProbeTellsWhatIsInTheWay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
		case "/loading":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"message":"Loading model"}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	client := dial(t, scenarios.Runtime{}, server.URL)
	for path, want := range map[string]string{"": "", "/health": "", "/none": "status 404", "/loading": "Loading model"} {
		err := client.Probe(t.Context(), path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", path, err, want)
		}
	}
	server.Close()
	if err := client.Probe(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}
