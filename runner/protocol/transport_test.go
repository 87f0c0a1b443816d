package protocol

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

var quiet = log.New(io.Discard, "", 0)

// words answers every request with a stream of two words.
func words(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	for _, part := range []string{oneWord, oneWord, finish} {
		_, _ = io.WriteString(w, part)
		w.(http.Flusher).Flush()
	}
}

func TestAConnectionServesAgainAndItsBytesAreCounted(t *testing.T) {
	var counted countingListener
	server := httptest.NewUnstartedServer(http.HandlerFunc(words))
	counted.Listener, server.Listener = server.Listener, &counted
	server.Start()
	client := dial(t, scenarios.Runtime{}, server.URL)
	for i := range 3 {
		answer, timeline := ask(t, client)
		if answer.ErrorKind != "" || answer.OutputTokens != tables.Some[int32](2) {
			t.Fatalf("got %+v", answer)
		}
		if reused := i > 0; timeline.ConnReused != reused || (timeline.ConnectedAt == 0) != reused || (timeline.ConnectStartAt == 0) != reused {
			t.Errorf("request %d: reused %v, connected at %d", i, timeline.ConnReused, timeline.ConnectedAt)
		}
		if timeline.WroteAt < timeline.DispatchedAt || timeline.HeadersAt < timeline.DispatchedAt || timeline.FirstTokenAt < timeline.HeadersAt || timeline.DoneAt < timeline.LastTokenAt {
			t.Errorf("times are out of order: %+v", timeline)
		}
		if want := int64(len(client.format.body(load.Request{Prompt: hello}))); answer.RequestBytes != want {
			t.Errorf("%d bytes of %d sent", answer.RequestBytes, want)
		}
		if want := int64(2*len(oneWord) + len(finish)); answer.ResponseBytes != want {
			t.Errorf("%d bytes of %d received", answer.ResponseBytes, want)
		}
	}
	client.Close()
	server.Close()
	received, sent := client.Bytes()
	if received != counted.written.Load() || sent != counted.read.Load() {
		t.Errorf("the client received %d and sent %d, the server sent %d and received %d", received, sent, counted.written.Load(), counted.read.Load())
	}
}

type countingListener struct {
	net.Listener
	read, written atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, l}, err
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.l.read.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.l.written.Add(int64(n))
	return n, err
}

func TestACompressedStreamIsRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("compression was asked for: %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/event-stream")
		zip := gzip.NewWriter(w)
		for _, part := range []string{oneWord, oneWord, finish} {
			_, _ = io.WriteString(zip, part)
			_ = zip.Flush()
			w.(http.Flusher).Flush()
		}
		_ = zip.Close()
	}))
	defer server.Close()
	answer, timeline := ask(t, dial(t, scenarios.Runtime{}, server.URL))
	if answer.ErrorKind != "" || answer.Output != " word word" || len(timeline.DeltaUS) != 2 {
		t.Errorf("got %q %q %q", answer.ErrorKind, answer.ErrorText, answer.Output)
	}
}

// secure starts a TLS server, of HTTP/2 alone if it shall be, and gives a runtime that trusts it.
func secure(t *testing.T, only2 bool) (*httptest.Server, scenarios.Runtime) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(words))
	server.Config.ErrorLog = quiet
	server.EnableHTTP2 = only2
	if only2 {
		// crypto/tls lets clients of HTTP/1.1 in where h2 is served, but other servers don't.
		server.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			serves := "nothing else"
			if slices.Contains(hello.SupportedProtos, "h2") {
				serves = "h2"
			}
			return &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{serves}}, nil
		}}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, scenarios.Runtime{TLS: scenarios.TLS{CAFile: file}}
}

func TestACertificateOfTheCAFileIsTrusted(t *testing.T) {
	server, runtime := secure(t, false)
	client := dial(t, runtime, server.URL)
	if answer, _ := ask(t, client); answer.ErrorKind != "" {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
	if err := client.Probe(t.Context(), "/health"); err != nil {
		t.Error(err)
	}
	for name, runtime := range map[string]scenarios.Runtime{
		"no file":        {Protocol: "openai", TLS: scenarios.TLS{CAFile: filepath.Join(t.TempDir(), "none.pem")}},
		"no certificate": {Protocol: "openai", TLS: scenarios.TLS{CAFile: "transport_test.go"}},
		"no proxy":       {Protocol: "openai", Proxy: "nonsense"},
	} {
		if _, err := New(Options{Runtime: runtime, Targets: []Target{{URL: server.URL}}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHTTP2IsSpokenWhereAServerHasNothingElse(t *testing.T) {
	server, runtime := secure(t, true)
	client := dial(t, runtime, server.URL)
	for range 2 {
		answer, timeline := ask(t, client)
		if answer.ErrorKind != "" || answer.Output != " word word" {
			t.Fatalf("got %q %q", answer.ErrorKind, answer.ErrorText)
		}
		if timeline.KernelTimestamps {
			t.Error("streams that share a connection have kernel stamps")
		}
	}
}

func TestARedirectIsFollowedOnTheSameHostOnly(t *testing.T) {
	var leaked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { leaked.Add(1) }))
	defer other.Close()
	var away atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away.Load():
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case r.URL.Path == "/here":
			if r.Header.Get("Authorization") == "" || r.ContentLength <= 0 {
				t.Errorf("header %v, length %d", r.Header, r.ContentLength)
			}
			words(w, r)
		default:
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	client := dial(t, scenarios.Runtime{Headers: map[string]string{"Authorization": "Basic x"}}, server.URL)
	if answer, _ := ask(t, client); answer.ErrorKind != "" {
		t.Errorf("on the same host: %q %q", answer.ErrorKind, answer.ErrorText)
	}
	away.Store(true)
	if answer, _ := ask(t, client); answer.ErrorKind != tables.ErrHTTP4xx || answer.HTTPStatus != 307 || leaked.Load() != 0 {
		t.Errorf("to another host: %q %q, status %d, %d requests there", answer.ErrorKind, answer.ErrorText, answer.HTTPStatus, leaked.Load())
	}
}

func TestTheProxyIsTheRuntimesAndNotTheEnvironments(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	var asked atomic.Pointer[url.URL]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL)
		words(w, r)
	}))
	defer proxy.Close()
	answer, _ := ask(t, dial(t, scenarios.Runtime{Proxy: proxy.URL}, "http://llm.example:8000"))
	if got := asked.Load(); answer.ErrorKind != "" || got == nil || got.String() != "http://llm.example:8000/v1/chat/completions" {
		t.Errorf("got %q %q, the proxy was asked for %q", answer.ErrorKind, answer.ErrorText, got)
	}
}

func TestAddressesAreJudged(t *testing.T) {
	for address, c := range map[string]struct{ metadata, public bool }{
		"127.0.0.1":              {},
		"::1":                    {},
		"0.0.0.0":                {},
		"10.1.2.3":               {},
		"192.168.0.9":            {},
		"172.31.0.1":             {},
		"fd12::1":                {},
		"100.64.3.4":             {},
		"::ffff:10.0.0.1":        {},
		"169.254.169.254":        {metadata: true},
		"::ffff:169.254.169.254": {metadata: true},
		"64:ff9b::a9fe:a9fe":     {metadata: true},
		"fe80::1":                {metadata: true},
		"fe80::1%eth0":           {metadata: true},
		"fd00:ec2::254":          {metadata: true},
		"fd20:ce::254":           {metadata: true},
		"100.100.100.200":        {metadata: true},
		"168.63.129.16":          {metadata: true},
		"8.8.8.8":                {public: true},
		"::ffff:8.8.8.8":         {public: true},
		"64:ff9b::808:808":       {public: true},
		"2001:4860:4860::8888":   {public: true},
		"172.32.0.1":             {public: true},
		"224.0.0.1":              {public: true},
	} {
		a := netip.MustParseAddr(address)
		for _, g := range []guard{{}, {allowMetadata: true}, {allowPublic: true}, {true, true}} {
			refused := c.metadata && !g.allowMetadata || c.public && !g.allowPublic
			if err := g.check(a); (err != nil) != refused {
				t.Errorf("%s with %+v: %v", address, g, err)
			}
		}
	}
}

// Addresses are judged when they are dialled, after names have been resolved; here it is the proxy's.
func TestARefusedAddressIsNotDialledAndEndsTheLoad(t *testing.T) {
	for _, proxy := range []string{"http://169.254.169.254", "http://8.8.8.8:3128"} {
		client := dial(t, scenarios.Runtime{Proxy: proxy}, "http://llm.example")
		var timeline load.Timeline
		_, err := client.Generate(t.Context(), load.Request{Prompt: hello}, &timeline)
		var refused *AddressError
		if !errors.As(err, &refused) || timeline.ConnectedAt != 0 {
			t.Errorf("%s: got %v", proxy, err)
		}
	}
}

func TestATargetAtARefusedAddressMakesNoClient(t *testing.T) {
	for _, url := range []string{"http://169.254.169.254", "http://[fd00:ec2::254]:80/", "http://8.8.8.8", "ftp://127.0.0.1", "127.0.0.1:80", "http://", "::"} {
		if _, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}, Targets: []Target{{URL: url}}}); err == nil {
			t.Errorf("%s is no error", url)
		}
	}
	if _, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}}); err == nil {
		t.Error("no target is no error")
	}
	if _, err := New(Options{Runtime: scenarios.Runtime{Protocol: "gopher"}, Targets: []Target{{URL: "http://127.0.0.1"}}}); err == nil {
		t.Error("an unknown protocol is no error")
	}
}

func TestAClientFollowsARuntimeToItsNewAddress(t *testing.T) {
	c, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}, Targets: []Target{{ID: "a", URL: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Aim([]Target{{ID: "a", URL: "http://127.0.0.1:2"}}); err != nil || len(c.targets) != 1 || c.targets[0].url.Host != "127.0.0.1:2" {
		t.Errorf("%v %+v", err, c.targets)
	}
	if err := c.Aim(nil); err == nil || len(c.targets) != 1 {
		t.Errorf("aimed nowhere: %v", err)
	}
}

func TestTargetsTakeTurns(t *testing.T) {
	var got bytes.Buffer
	c, err := New(Options{
		Runtime: scenarios.Runtime{Protocol: "openai"}, TrialID: `cell[model="é"]#1`,
		Targets: []Target{{"a", "http://127.0.0.1:1/v1/"}, {"b", "http://127.0.0.1:2/llm"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		got.WriteString(r.URL.String() + " " + r.Header.Get("X-Request-Id") + "\n")
		return response(200, "text/event-stream", strings.NewReader(oneWord+finish)), nil
	})
	for seq := range int64(3) {
		var timeline load.Timeline
		answer, err := c.Generate(t.Context(), load.Request{Seq: seq, Attempt: int32(seq / 2), Prompt: hello}, &timeline)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(answer.TargetID + "\n")
	}
	const want = `http://127.0.0.1:1/v1/chat/completions cell%5Bmodel=%22%C3%A9%22%5D%231/0/0
a
http://127.0.0.1:2/llm/v1/chat/completions cell%5Bmodel=%22%C3%A9%22%5D%231/1/0
b
http://127.0.0.1:2/llm/v1/chat/completions cell%5Bmodel=%22%C3%A9%22%5D%231/2/1
b
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}
