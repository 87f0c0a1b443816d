package protocol

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRedacted is how much of a server's text is looked at; what is kept of it is far shorter.
const maxRedacted = 8 << 10

const hidden = "(sensitive)"

// redactor takes secrets and control characters out of texts that servers write.
type redactor struct{ secrets []string }

// newRedactor hides the API key, the headers that carry such things, and what a URL says of a user or a query.
func newRedactor(apiKey string, headers map[string]string, urls []*url.URL) redactor {
	var r redactor
	r.hide(apiKey)
	for name, value := range headers {
		if isSensitive(name) {
			r.hide(value)
			_, credentials, _ := strings.Cut(value, " ") // the scheme before them is no secret
			r.hide(credentials)
		}
	}
	for _, u := range urls {
		password, _ := u.User.Password()
		r.hide(password)
		for _, values := range u.Query() {
			for _, v := range values {
				r.hide(v)
			}
		}
	}
	// The longest first: a secret that holds another one goes as a whole.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r
}

// hide adds a secret, and how it looks inside JSON and a URL.
func (r *redactor) hide(secret string) {
	if secret == "" {
		return
	}
	quoted, _ := json.Marshal(secret) // a string can't fail
	for _, s := range []string{secret, string(quoted[1 : len(quoted)-1]), url.QueryEscape(secret)} {
		if !slices.Contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
}

func isSensitive(header string) bool {
	header = http.CanonicalHeaderKey(header)
	for _, s := range []string{"Auth", "Key", "Token", "Secret", "Cookie", "Password", "Credential"} {
		if strings.Contains(header, s) {
			return true
		}
	}
	return false
}

// text is s without secrets and without control characters, at most maxErrorText bytes of it.
func (r redactor) text(s string) string {
	cut := len(s) >= maxRedacted // or it was cut before, where it was read
	s = s[:min(len(s), maxRedacted)]
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, hidden)
	}
	if cut {
		s = r.trimStart(s)
	}
	s = strings.Map(printable, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxErrorText {
		end := maxErrorText
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	return s
}

// trimStart drops the start of a secret that the cut left at the end of s.
func (r redactor) trimStart(s string) string {
	for _, secret := range r.secrets {
		for n := min(len(secret)-1, len(s)); n > 0; n-- {
			if strings.HasSuffix(s, secret[:n]) {
				s = s[:len(s)-n]
				break
			}
		}
	}
	return s
}

// printable turns C0 and C1 controls into spaces: a terminal that shows the text must not obey it.
func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return ' '
	}
	return r
}
