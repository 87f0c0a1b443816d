package protocol

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

var _ load.Client = (*Client)(nil)

// Options say whom a Client asks, and how.
type Options struct {
	// Runtime is whom it asks: protocol, model, sampling, headers, TLS, proxy and what else a request carries.
	Runtime scenarios.Runtime
	// Targets take the requests in turn; at least one.
	Targets []Target
	// TrialID is the start of each request's name; see RequestID.
	TrialID string
	// ReadSecret resolves the API key; nil means ReadSecret of this package.
	ReadSecret func(scenarios.Secret) (string, error)
	// UserSpaceTimes leaves the kernel's stamps aside.
	UserSpaceTimes bool
}

// Target is an address that answers.
type Target struct {
	ID  string
	URL string // the base, as in http://127.0.0.1:8000
}

// RequestID is the name that a request carries in its header X-Request-Id: trial/seq/attempt. Of the trial, what is not
// printable ASCII is escaped as in a URL.
func RequestID(trial string, seq int64, attempt int32) string {
	if strings.ContainsFunc(trial, func(r rune) bool { return r < ' ' || r > '~' }) {
		trial = url.PathEscape(trial)
	}
	return fmt.Sprintf("%s/%d/%d", trial, seq, attempt)
}

// Client asks the targets of one runtime. Its methods may be called by many goroutines at once.
type Client struct {
	transport *transport
	format    format
	targets   []target
	runtime   scenarios.Runtime
	trialID   string
	header    http.Header // of every request
	host      string      // what the header Host says; "": the target's
	apiKey    string
	redact    redactor
	clock     clock
	buffers   sync.Pool // of *lines
}

type target struct {
	id   string
	base *url.URL
	url  *url.URL // where answers are made
}

// New makes a client without asking anything of the network. It fails on what no request could get past: an unknown
// protocol, a secret that is not there, a base URL that is none or is refused.
func New(o Options) (*Client, error) {
	c := &Client{runtime: o.Runtime, trialID: o.TrialID, clock: newClock()}
	c.buffers.New = func() any { return new(lines) }
	var err error
	if c.format, err = newFormat(o.Runtime); err != nil {
		return nil, err
	}
	if c.transport, err = newTransport(o.Runtime, o.UserSpaceTimes); err != nil {
		return nil, err
	}
	if o.Runtime.APIKey != "" {
		read := o.ReadSecret
		if read == nil {
			read = ReadSecret
		}
		if c.apiKey, err = read(o.Runtime.APIKey); err != nil {
			return nil, err
		}
	}
	c.setHeader()
	if err := c.Aim(o.Targets); err != nil {
		return nil, err
	}
	return c, nil
}

// Aim makes others take the requests that follow, as after a restart of the runtime. None may be on its way meanwhile.
func (c *Client) Aim(at []Target) error {
	if len(at) == 0 {
		return errors.New("the runtime has no target")
	}
	var targets []target
	var urls []*url.URL
	for _, t := range at {
		base, err := c.transport.contacts.base(t.URL)
		if err != nil {
			return err
		}
		urls = append(urls, base)
		targets = append(targets, target{id: t.ID, base: base, url: join(base, c.format.path())})
	}
	if proxy, err := url.Parse(c.runtime.Proxy); err == nil {
		urls = append(urls, proxy)
	}
	c.targets, c.redact = targets, newRedactor(c.apiKey, c.runtime.Headers, urls)
	return nil
}

func (c *Client) setHeader() {
	c.header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"llmscen"}}
	if c.apiKey != "" {
		c.header.Set("Authorization", "Bearer "+c.apiKey)
	}
	for name, value := range c.runtime.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			c.host = value
			continue
		}
		c.header.Set(name, value)
	}
}

// base is a target's URL, if it may be asked as far as its text tells: names are judged when they have been resolved.
func (g guard) base(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("reading a target's URL: it must be as in http://127.0.0.1:8000")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := g.check(a); err != nil {
			return nil, err
		}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// join puts a path below a base, which may end in /v1 as OpenAI's own base URLs do.
func join(base *url.URL, path string) *url.URL {
	u := base.JoinPath(path)
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok && strings.HasSuffix(strings.TrimRight(base.Path, "/"), "/v1") {
		u = base.JoinPath(rest)
	}
	return u
}

// Bytes are what passed over all connections since New, in both directions, with HTTP's and TLS's own.
func (c *Client) Bytes() (received, sent int64) {
	return c.transport.received.Load(), c.transport.sent.Load()
}

// Close closes the connections that nothing uses; it is the last call.
func (c *Client) Close() { c.transport.close() }
