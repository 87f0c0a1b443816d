package protocol

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// maxErrorText is the length of tables.Request.ErrorText.
const maxErrorText = 256

// Why this package ends a request's context.
var (
	errFirstToken = errors.New("no token came within first_token_timeout")
	errStall      = errors.New("nothing came within stall_timeout")
	errDrained    = errors.New("the stream was not closed after its end")
)

// fault is what a server did wrong, on its way to the row.
type fault struct {
	kind tables.ErrorKind
	text string
}

func (f *fault) Error() string { return f.text }

func garbled(frame []byte) error {
	return &fault{tables.ErrFrameGarbled, "not a frame of the protocol: " + string(frame[:min(len(frame), maxRedacted)])}
}

// serverError is an error object in any of the forms that servers write:
//
//	{"error":{"message":…,"type":…,"code":…}}    OpenAI, vLLM, llama.cpp, Ollama's /v1
//	{"error":…}                                  Ollama
//	{"error":…,"error_type":…}                   TGI
//	{"object":"error","message":…,"type":…}      vLLM before 0.10, SGLang
//	{"detail":…}                                 FastAPI
type serverError struct {
	Error     json.RawMessage `json:"error"`
	ErrorType json.RawMessage `json:"error_type"`
	Object    string          `json:"object"`
	errorDetail
	Detail json.RawMessage `json:"detail"`
}

type errorDetail struct {
	Message json.RawMessage `json:"message"`
	Type    json.RawMessage `json:"type"`
	Code    json.RawMessage `json:"code"`
}

// errorText is what an error answer says; plain text stays as it is.
func errorText(body []byte) string {
	var e serverError
	if json.Unmarshal(body, &e) != nil {
		return string(bytes.TrimSpace(body))
	}
	switch {
	case isSet(e.Error):
		var d errorDetail
		if json.Unmarshal(e.Error, &d) != nil || !isSet(d.Message) {
			return prefixed(plainText(e.ErrorType), plainText(e.Error))
		}
		return d.text()
	case isSet(e.Message):
		return e.text()
	case isSet(e.Detail):
		return plainText(e.Detail)
	}
	return string(body)
}

func (d errorDetail) text() string {
	return prefixed(plainText(d.Code), prefixed(plainText(d.Type), plainText(d.Message)))
}

func prefixed(kind, message string) string {
	if kind == "" || strings.Contains(message, kind) {
		return message
	}
	return kind + ": " + message
}

func isSet(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// plainText is a JSON string's text, and any other value as it is written.
func plainText(v json.RawMessage) string {
	var s string
	if !isSet(v) {
		return ""
	}
	if json.Unmarshal(v, &s) != nil {
		return string(v)
	}
	return s
}

// overflows are how servers say that a prompt is too long: OpenAI and vLLM, llama.cpp, SGLang, TGI, Ollama.
var overflows = []string{
	"context_length_exceeded",
	"maximum context length",
	"exceed_context_size_error",
	"exceeds the available context size",
	"longer than the model's context length",
	"`inputs` must have less than",
	"`inputs` tokens + `max_new_tokens` must be",
	"exceeds the context length",
	"exceeds maximum context",
}

func isOverflow(text string) bool {
	text = strings.ToLower(text)
	for _, o := range overflows {
		if strings.Contains(text, o) {
			return true
		}
	}
	return false
}

// inStream is an error object under status 200.
func inStream(frame []byte) error {
	text := errorText(frame)
	if isOverflow(text) {
		return &fault{tables.ErrContextOverflow, text}
	}
	return &fault{tables.ErrInstream, text}
}

// byStatus is an answer with a status other than 200.
func byStatus(status int, body []byte) *fault {
	text := errorText(body)
	if text == "" {
		text = fmt.Sprintf("status %d", status)
	}
	switch {
	case status == 429:
		return &fault{tables.ErrHTTP429, text}
	case status >= 500:
		return &fault{tables.ErrHTTP5xx, text}
	case status >= 400 && isOverflow(text):
		return &fault{tables.ErrContextOverflow, text}
	case status >= 300 && status < 400:
		return &fault{tables.ErrHTTP4xx, fmt.Sprintf("status %d: redirects to another host or method are not followed", status)}
	case status >= 400:
		return &fault{tables.ErrHTTP4xx, text}
	}
	return &fault{tables.ErrEmptyOutput, fmt.Sprintf("status %d", status)}
}

// progress is how far a request had come when it failed.
type progress struct{ connected, wrote, headers bool }

// classify finds the kind of an error of the transport or of the stream. What the server said stands, whatever ended
// ctx, the request's own, since; else ctx's cause goes first, since whatever broke after it ended broke because of it.
func classify(ctx context.Context, err error, p progress) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	if ctx.Err() != nil {
		return byCause(context.Cause(ctx), p)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats the method and the URL
	}
	f := &fault{kindOf(err, p), err.Error()}
	if f.kind == tables.ErrReset && !p.headers && (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)) {
		f.text = "the connection was closed before an answer came"
	}
	return f
}

func byCause(cause error, p progress) *fault {
	switch {
	case errors.Is(cause, load.ErrRunEnded):
		return &fault{tables.ErrCancelledByRun, cause.Error()}
	case errors.Is(cause, errStall):
		return &fault{tables.ErrStallTimeout, cause.Error()}
	case errors.Is(cause, errFirstToken), errors.Is(cause, load.ErrTotalTimeout), errors.Is(cause, context.DeadlineExceeded):
	default:
		return &fault{tables.ErrCancelledByRun, cause.Error()}
	}
	switch {
	case !p.connected:
		return &fault{tables.ErrConnectTimeout, cause.Error() + ": not connected"}
	case !p.wrote:
		return &fault{tables.ErrWriteTimeout, cause.Error() + ": the request was not written"}
	case errors.Is(cause, errFirstToken):
		return &fault{tables.ErrTTFTTimeout, cause.Error()}
	}
	return &fault{tables.ErrTotalTimeout, cause.Error()}
}

func kindOf(err error, p progress) tables.ErrorKind {
	var dns *net.DNSError
	switch {
	case errors.Is(err, errTooLarge):
		return tables.ErrFrameTooLarge
	case isOwnLimit(err):
		return tables.ErrClientSaturated
	case errors.As(err, &dns):
		return tables.ErrDNS
	case isTLS(err):
		return tables.ErrTLS
	case !p.connected && isTimeout(err):
		return tables.ErrConnectTimeout
	case !p.connected && !errors.Is(err, syscall.ECONNRESET):
		return tables.ErrRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return tables.ErrReset
	case p.headers && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return tables.ErrEOFMidstream
	case isMalformed(err):
		return tables.ErrFrameGarbled
	case isTimeout(err):
		return tables.ErrTotalTimeout
	}
	return tables.ErrReset // the connection ended before an answer, or HTTP/2 said so of a stream
}

// isOwnLimit: no more descriptors, memory, or ports on this machine.
func isOwnLimit(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func isTLS(err error) bool {
	var (
		record       tls.RecordHeaderError
		alert        tls.AlertError
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verification) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) ||
		strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// isMalformed: what came is no HTTP, or not what Content-Encoding says. net/http has no types for the first.
func isMalformed(err error) bool {
	text := err.Error()
	for _, s := range []string{"malformed ", "chunk", "header line too long", "gzip: ", "flate: "} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
