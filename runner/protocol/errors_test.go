package protocol

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// listen serves each connection of a loopback listener by handle, after its request has been read.
func listen(t testing.TB, handle func(c *net.TCPConn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			request, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				_, _ = io.Copy(io.Discard, request.Body)
			}
			handle(c.(*net.TCPConn))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// dial is a client of one real address.
func dial(t testing.TB, r scenarios.Runtime, url string) *Client {
	t.Helper()
	if r.Protocol == "" {
		r.Protocol = "openai"
	}
	c, err := New(Options{Runtime: r, Targets: []Target{{ID: "t0", URL: url}}, TrialID: "trial"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const (
	okHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	oneWord = `data: {"choices":[{"delta":{"content":" word"}}]}` + "\n\n"
	finish  = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	lastBit = "0\r\n\r\n"
)

func chunked(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// TestEachFailureOfAServerHasItsKind is about what a server does on the wire.
func TestEachFailureOfAServerHasItsKind(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		reset        bool
		kind         tables.ErrorKind
		chunks       int
		text         string
	}{
		{"it answers well", okHead + chunked(oneWord+finish) + lastBit, false, "", 1, ""},
		{"it closes without an answer", "", false, tables.ErrReset, 0, "closed before an answer"},
		{"it resets without an answer", "", true, tables.ErrReset, 0, ""},
		{"it closes in the stream", okHead + chunked(oneWord), false, tables.ErrEOFMidstream, 1, "unexpected EOF"},
		{"it ends without the mark", okHead + chunked(oneWord) + lastBit, false, tables.ErrTruncated, 1, "terminal mark"},
		{"it answers with nothing", okHead + lastBit, false, tables.ErrTruncated, 0, "terminal mark"},
		{"it answers without a token", okHead + chunked(finish) + lastBit, false, tables.ErrEmptyOutput, 0, "no token"},
		{"a frame is no JSON", okHead + chunked(oneWord+"data: {\"choices\":[{\"del\n\n"+oneWord+finish) + lastBit, false, tables.ErrFrameGarbled, 1, `{"choices":[{"del`},
		{"the last frame is cut", okHead + chunked(oneWord+"data: {\"choices\":[{\"del") + lastBit, false, tables.ErrFrameGarbled, 1, `{"choices":[{"del`},
		{"a line is no field", okHead + chunked(oneWord+"Internal Server Error\n\n") + lastBit, false, tables.ErrFrameGarbled, 1, "Internal Server Error"},
		{"the chunks are no chunks", okHead + "zz\r\n", false, tables.ErrFrameGarbled, 0, "chunk"},
		{"the answer is no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, tables.ErrFrameGarbled, 0, "malformed HTTP"},
		{"an error object comes after a token", okHead + chunked(oneWord+`data: {"error":{"message":"engine died","code":500}}`+"\n\n"+"data: [DONE]\n\n") + lastBit, false, tables.ErrInstream, 1, "500: engine died"},
		{"an error object comes bare", okHead + chunked(`{"error":"engine died"}`+"\n\n") + lastBit, false, tables.ErrInstream, 0, "engine died"},
		{"an error event comes", okHead + chunked("event: error\ndata: out of memory\n\n") + lastBit, false, tables.ErrInstream, 0, "out of memory"},
		{"llama.cpp's error field comes", okHead + chunked(oneWord+`error: {"code":500,"message":"slot gone","type":"server_error"}`+"\n\n") + lastBit, false, tables.ErrInstream, 1, "slot gone"},
		{"an object that is an error comes", okHead + chunked(`data: {"object":"error","message":"too busy","type":"X"}`+"\n\n") + lastBit, false, tables.ErrInstream, 0, "X: too busy"},
		{"the context overflows in the stream", okHead + chunked(`data: {"error":{"message":"This model's maximum context length is 64 tokens"}}`+"\n\n") + lastBit, false, tables.ErrContextOverflow, 0, "64 tokens"},
		{"the error's answer is not streamed", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n" + `{"error":"no luck"}`[:18], false, tables.ErrFrameGarbled, 0, ""},
		{"it is too busy", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy", false, tables.ErrHTTP429, 0, "busy"},
		{"it fails in plain text", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nbroke", false, tables.ErrHTTP5xx, 0, "broke"},
		{"it fails without a word", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", false, tables.ErrHTTP5xx, 0, "status 502"},
		{"it fails and breaks off", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 50\r\n\r\nbro", false, tables.ErrHTTP5xx, 0, "bro"},
		{"FastAPI refuses the body", "HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 25\r\n\r\n" + `{"detail":"no such field"}`[:25] + "", false, tables.ErrHTTP4xx, 0, "no such field"},
		{"it says nothing", "HTTP/1.1 204 No Content\r\n\r\n", false, tables.ErrEmptyOutput, 0, "status 204"},
		{"it sends us elsewhere", "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n", false, tables.ErrHTTP4xx, 0, "redirects"},
		{"gzip is no gzip", strings.Replace(okHead, "Content-Type", "Content-Encoding: gzip\r\nContent-Type", 1) + chunked("not compressed") + lastBit, false, tables.ErrFrameGarbled, 0, "gzip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := listen(t, func(conn *net.TCPConn) {
				if c.reset {
					_ = conn.SetLinger(0)
				}
				_, _ = io.WriteString(conn, c.answer)
			})
			answer, timeline := ask(t, dial(t, scenarios.Runtime{}, url))
			if answer.ErrorKind != c.kind || len(timeline.DeltaUS) != c.chunks || !strings.Contains(answer.ErrorText, c.text) {
				t.Errorf("got %q %q with %d chunks, want %q %q with %d", answer.ErrorKind, answer.ErrorText, len(timeline.DeltaUS), c.kind, c.text, c.chunks)
			}
			if timeline.DispatchedAt == 0 || timeline.DoneAt < timeline.DispatchedAt || timeline.ConnectedAt < timeline.ConnectStartAt || timeline.ConnectStartAt == 0 {
				t.Errorf("times are out of order: %+v", timeline)
			}
			if want := len(c.answer) > 0 && strings.HasPrefix(c.answer, "HTTP"); want != (answer.HTTPStatus != 0) {
				t.Errorf("status %d", answer.HTTPStatus)
			}
		})
	}
}

func TestAResetInTheStreamIsAReset(t *testing.T) {
	read := make(chan struct{})
	url := listen(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, okHead+chunked(oneWord))
		<-read // a reset throws away what the client has not read yet
		_ = c.SetLinger(0)
	})
	c := dial(t, scenarios.Runtime{}, url)
	var timeline load.Timeline
	timeline.Reset()
	c.transport.client.Transport = onFirstByte{c.transport.client.Transport, func() { close(read) }}
	answer, err := c.Generate(t.Context(), load.Request{Prompt: hello}, &timeline)
	if err != nil || answer.ErrorKind != tables.ErrReset || len(timeline.DeltaUS) != 1 {
		t.Errorf("got %v %q %q with %d chunks", err, answer.ErrorKind, answer.ErrorText, len(timeline.DeltaUS))
	}
}

// onFirstByte calls a function when some of a response's body has been read.
type onFirstByte struct {
	http.RoundTripper
	call func()
}

func (o onFirstByte) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = &firstByte{response.Body, o.call}
	}
	return response, err
}

type firstByte struct {
	io.ReadCloser
	call func()
}

func (f *firstByte) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && f.call != nil {
		f.call()
		f.call = nil
	}
	return n, err
}

func TestNobodyListeningIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	answer, timeline := ask(t, dial(t, scenarios.Runtime{}, "http://"+l.Addr().String()))
	if answer.ErrorKind != tables.ErrRefused || timeline.ConnectedAt != 0 || answer.RequestBytes != 0 {
		t.Errorf("got %q %q, connected %d, sent %d", answer.ErrorKind, answer.ErrorText, timeline.ConnectedAt, answer.RequestBytes)
	}
}

// The errors of dialling are made: no test may depend on a resolver or exhaust this machine.
func TestEachFailureToConnectHasItsKind(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind tables.ErrorKind
	}{
		{&net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}, tables.ErrDNS},
		{&net.DNSError{Err: "i/o timeout", Name: "slow.example", IsTimeout: true}, tables.ErrDNS},
		{os.ErrDeadlineExceeded, tables.ErrConnectTimeout},
		{os.NewSyscallError("connect", syscall.ETIMEDOUT), tables.ErrConnectTimeout},
		{os.NewSyscallError("connect", syscall.EHOSTUNREACH), tables.ErrRefused},
		{os.NewSyscallError("connect", syscall.ECONNRESET), tables.ErrReset},
		{os.NewSyscallError("socket", syscall.EMFILE), tables.ErrClientSaturated},
		{os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), tables.ErrClientSaturated},
	} {
		client := dial(t, scenarios.Runtime{}, "http://127.0.0.1:1")
		client.transport.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: c.err}
		}
		if answer, _ := ask(t, client); answer.ErrorKind != c.kind {
			t.Errorf("%v is %q, want %q", c.err, answer.ErrorKind, c.kind)
		}
	}
}

func TestAFrameOf16MiBIsReadAndALongerOneIsNot(t *testing.T) {
	for _, c := range []struct {
		extra int
		kind  tables.ErrorKind
	}{{0, ""}, {1, tables.ErrFrameTooLarge}} {
		long := strings.Repeat("a", maxFrame-len(oneWord)+len(" word\n\n")+c.extra)
		stream := strings.Replace(oneWord, " word", long, 1) + finish
		client := newTestClient(t, scenarios.Runtime{Protocol: "openai"}, func(*http.Request) (*http.Response, error) {
			return response(200, "text/event-stream", strings.NewReader(stream)), nil
		})
		answer, _ := ask(t, client)
		if answer.ErrorKind != c.kind || c.kind == "" && len(answer.Output) != len(long) {
			t.Errorf("with %d more: %q %q, output of %d", c.extra, answer.ErrorKind, answer.ErrorText, len(answer.Output))
		}
	}
}

func TestACertificateThatIsNotTrustedIsATLSError(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	client := dial(t, scenarios.Runtime{}, server.URL)
	answer, _ := ask(t, client)
	if answer.ErrorKind != tables.ErrTLS || !strings.Contains(answer.ErrorText, "unknown authority") {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
	if err := client.Probe(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("the probe says %v", err)
	}
}

func TestAServerWithoutTLSIsATLSErrorWhereItIsAskedByHTTPS(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	answer, _ := ask(t, dial(t, scenarios.Runtime{}, strings.Replace(server.URL, "http:", "https:", 1)))
	if answer.ErrorKind != tables.ErrTLS {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
	if !isTLS(tls.AlertError(40)) {
		t.Error("an alert is no TLS error")
	}
}

func TestWhoEndedTheContextDecidesTheKind(t *testing.T) {
	connected := progress{connected: true, wrote: true}
	for _, c := range []struct {
		cause error
		at    progress
		kind  tables.ErrorKind
	}{
		{load.ErrRunEnded, progress{}, tables.ErrCancelledByRun},
		{load.ErrRunEnded, connected, tables.ErrCancelledByRun},
		{context.Canceled, connected, tables.ErrCancelledByRun},
		{errors.New("interrupted"), connected, tables.ErrCancelledByRun},
		{load.ErrTotalTimeout, connected, tables.ErrTotalTimeout},
		{context.DeadlineExceeded, connected, tables.ErrTotalTimeout},
		{load.ErrTotalTimeout, progress{}, tables.ErrConnectTimeout},
		{load.ErrTotalTimeout, progress{connected: true}, tables.ErrWriteTimeout},
		{errFirstToken, progress{}, tables.ErrConnectTimeout},
		{errFirstToken, progress{connected: true}, tables.ErrWriteTimeout},
		{errFirstToken, connected, tables.ErrTTFTTimeout},
		{errStall, connected, tables.ErrStallTimeout},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(c.cause)
		if f := classify(ctx, io.ErrUnexpectedEOF, c.at); f.kind != c.kind {
			t.Errorf("%v at %+v is %q, want %q", c.cause, c.at, f.kind, c.kind)
		}
	}
}

func TestRetryAfterIsSecondsOrADateWithinReason(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"1.5":                           0,
		"soon":                          0,
		"999999":                        time.Hour,
		"99999999999999999999999999999": time.Hour,
		"Fri, 01 May 2026 12:00:30 GMT": 30 * time.Second,
		"Fri, 01 May 2026 11:00:30 GMT": 0,
		"Fri, 01 May 2099 11:00:30 GMT": time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
	}
}
