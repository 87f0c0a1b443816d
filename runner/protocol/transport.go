package protocol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/scenarios"
)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout is below the five seconds after which uvicorn, Node and llama.cpp close an idle connection: a request
	// that meets the closing would look like the server's failure.
	idleTimeout = 4 * time.Second
	// maxIdle is more than there are ports: every connection may be kept.
	maxIdle = 1 << 20
)

// transport makes connections and counts what passes over them.
type transport struct {
	received, sent atomic.Int64
	dialer         net.Dialer
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	userSpace      bool
	stamps         io.Closer // what keeps the kernel stamping; nil: nothing does
	client         *http.Client
	// client2 speaks HTTP/2 alone, for servers that speak nothing else: streams that share a connection have no kernel
	// stamps of their own.
	client2  *http.Client
	speaks2  atomic.Bool
	secured  *tls.Config
	proxy    func(*http.Request) (*url.URL, error)
	contacts guard
}

// Transport reaches a runtime as its requests will: by its proxy, with its certificates, and refused where they are.
// It is for asking whether a runtime is ready.
func Transport(r scenarios.Runtime) (http.RoundTripper, error) {
	t, _, err := CountedTransport(r)
	return t, err
}

// CountedTransport is a Transport that tells the bytes that passed over its connections, as Client.Bytes does.
func CountedTransport(r scenarios.Runtime) (_ http.RoundTripper, bytes func() (received, sent int64), _ error) {
	t, err := newTransport(r, true)
	if err != nil {
		return nil, nil, err
	}
	return t.client.Transport, func() (int64, int64) { return t.received.Load(), t.sent.Load() }, nil
}

func newTransport(r scenarios.Runtime, userSpace bool) (*transport, error) {
	t := &transport{userSpace: userSpace, contacts: guard{allowMetadata: r.AllowMetadata, allowPublic: r.AllowPublic}}
	t.dialer = net.Dialer{Timeout: dialTimeout, Control: t.contacts.control}
	t.dial = t.dialer.DialContext
	var err error
	if t.secured, err = tlsConfig(r.TLS); err != nil {
		return nil, err
	}
	if r.Proxy != "" {
		u, err := url.Parse(r.Proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("reading the runtime's proxy: it is no URL with a host")
		}
		t.proxy = http.ProxyURL(u)
	}
	var only1, only2 http.Protocols
	only1.SetHTTP1(true)
	only2.SetHTTP2(true)
	t.client, t.client2 = t.newClient(&only1, "http/1.1"), t.newClient(&only2, "h2")
	if !userSpace {
		t.stamps = keepStamps()
	}
	return t, nil
}

func tlsConfig(t scenarios.TLS) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the runtime's ca_file: %w", err)
	}
	if c.RootCAs, err = x509.SystemCertPool(); err != nil {
		c.RootCAs = x509.NewCertPool()
	}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the runtime's ca_file: %s holds no certificate in PEM", t.CAFile)
	}
	return c, nil
}

func (t *transport) newClient(p *http.Protocols, name string) *http.Client {
	secured := t.secured.Clone()
	secured.NextProtos = []string{name}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               t.proxy,
			DialContext:         t.connect,
			TLSClientConfig:     secured,
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConns:        maxIdle,
			MaxIdleConnsPerHost: maxIdle,
			IdleConnTimeout:     idleTimeout,
			Protocols:           p,
			// Not asked for: what is compressed arrives later. What comes compressed all the same is read.
			DisableCompression: true,
		},
		CheckRedirect: sameHost,
	}
}

// sameHost lets a server send a request elsewhere on itself: not to another host, and not as another method.
func sameHost(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || r.URL.Host != first.URL.Host || r.URL.Scheme != first.URL.Scheme || r.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

func (t *transport) connect(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	own := &conn{Conn: c, received: &t.received, sent: &t.sent}
	if !t.userSpace {
		own.kernel = newReceiver(c)
	}
	return own, nil
}

// do sends a request by HTTP/1.1, or by HTTP/2 where the server has nothing else.
func (t *transport) do(r *http.Request) (*http.Response, error) {
	if t.speaks2.Load() {
		return t.client2.Do(r)
	}
	response, err := t.client.Do(r)
	if err == nil || !lacksHTTP1(err) {
		return response, err
	}
	t.speaks2.Store(true)
	if r.GetBody != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.client2.Do(r)
}

// lacksHTTP1 tells whether the TLS handshake found no protocol in common. crypto/tls has no type for a remote alert.
func lacksHTTP1(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" && remote.Err.Error() == "tls: no application protocol"
}

func (t *transport) close() {
	t.client.CloseIdleConnections()
	t.client2.CloseIdleConnections()
	if t.stamps != nil {
		t.stamps.Close()
	}
}
