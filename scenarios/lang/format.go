package lang

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/llmscen/llmscen/scenarios/diag"
)

// Format gives a source text in canonical form: indents, spaces and aligned equals signs; comments and blank lines stay,
// but for trailing ones. A text that does not parse is refused with findings; name is what they call it.
func Format(name string, src []byte) ([]byte, diag.List) {
	found := newFindings()
	f := parse(name, src, found)
	if list := found.finish(); list.HasErrors() || f == nil {
		return nil, list
	}
	text := bytes.ReplaceAll(f.text, []byte("\r\n"), []byte("\n"))
	out := hclwrite.Format(text)
	// The formatter leaves the ends of the file as they are.
	out = append(bytes.TrimRight(bytes.TrimLeft(out, "\n"), " \t\n"), '\n')
	if len(bytes.TrimSpace(out)) == 0 {
		out = nil
	}
	return out, nil
}
