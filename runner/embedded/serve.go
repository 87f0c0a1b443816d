package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Report is a line that a serving process writes to its standard output: what it does on the way, or that it is ready.
type Report struct {
	Progress string `json:"progress,omitempty"` // a sentence for people
	Ready
}

// Ready says where a server answers, and what it serves.
type Ready struct {
	URL           string `json:"url,omitempty"`
	Model         string `json:"model,omitempty"`
	Digest        string `json:"digest,omitempty"`
	Quantization  string `json:"quantization,omitempty"`
	ContextTokens int    `json:"context_tokens,omitempty"`
}

// ServeOptions are the settings of Serve; the zero value works.
type ServeOptions struct {
	Options
	// Listen is an address and a port of this machine; "" means 127.0.0.1:0, a free port.
	Listen string
	// Drain is how long answers that are under way may go on after the end; 0 means half a second.
	Drain time.Duration
}

// Serve answers for an engine until ctx ends, writes one Report when it listens, and then lets what is under way go on
// for a while. It returns nil when it was ended by ctx.
func Serve(ctx context.Context, e Engine, o ServeOptions, reports io.Writer) error {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Drain == 0 {
		o.Drain = 500 * time.Millisecond
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", o.Listen, err)
	}
	server := &http.Server{Handler: NewHandler(e, o.Options), ReadHeaderTimeout: 30 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	m := e.Model()
	err = json.NewEncoder(reports).Encode(Report{Ready: Ready{
		URL: "http://" + listener.Addr().String(), Model: m.Name, Digest: m.Digest,
		Quantization: m.Quantization, ContextTokens: m.ContextTokens,
	}})
	if err != nil {
		_ = server.Close()
		<-failed //nolint:errcheck // it was closed
		return fmt.Errorf("saying that the server is ready: %w", err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
	defer cancel()
	if err := server.Shutdown(drain); errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // ends the contexts of the requests, and so the engine's work
		<-failed             //nolint:errcheck // it was closed
		return err
	}
	<-failed //nolint:errcheck // it was closed
	return nil
}
