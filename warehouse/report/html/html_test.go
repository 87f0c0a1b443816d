package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/report"
)

const evil = `</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>` + "\u202e\x1b[31m"

func example() report.Document {
	table := report.Table{
		Columns: []report.Column{{Key: "line", Header: evil}, {Key: "seconds", Kind: report.Seconds}},
		Rows:    []report.Row{{Cells: []any{evil, 0.25}, Notes: []string{evil}}, {Cells: []any{report.Cell{Value: "b", Tone: report.Bad, Footnote: evil}, nil}}},
	}
	return report.Document{
		Title: "a " + evil, Facts: []report.Fact{{Name: evil, Value: evil}}, Warnings: []string{evil},
		Sections: []report.Section{
			{ID: "drawn", Title: evil, Text: []string{evil}, Table: table, Chart: &report.Chart{Spec: json.RawMessage(`{"mark": "bar"}`), Rows: table}},
			{ID: "empty", Title: "Nothing", Table: report.Table{Empty: "There is nothing."}},
		},
	}
}

func written(t *testing.T, d report.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePolicyNamesEveryScriptAndStyleOfThePage(t *testing.T) {
	text := written(t, example())
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)
	if policy == nil {
		t.Fatal("there is no policy")
	}
	allowed := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy[1])
	if !strings.HasPrefix(allowed, "default-src 'none'; ") || strings.Contains(allowed, "unsafe") {
		t.Errorf("the policy is %s", allowed)
	}
	n := 0
	for _, found := range regexp.MustCompile(`(?s)<(script|style)( [^>]*)?>(.*?)</(?:script|style)>`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(found[2], "application/json") {
			continue // data is not run
		}
		n++
		sum := sha256.Sum256([]byte(found[3]))
		if !strings.Contains(allowed, base64.StdEncoding.EncodeToString(sum[:])) {
			t.Errorf("a %s of %d bytes is not in the policy", found[1], len(found[3]))
		}
	}
	if n != 3 {
		t.Errorf("the page has %d scripts and styles", n)
	}
}

func TestQuotedTextsStayTexts(t *testing.T) {
	text := written(t, example())
	// The bundle has such words in its strings, so that only what comes before it is looked at.
	before, _, _ := strings.Cut(text, "<footer>")
	for _, bad := range []string{"<script>alert", "<img", "onerror=alert(1)>", "<!--", "\u202e", "\x1b"} {
		if strings.Contains(before, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	data := regexp.MustCompile(`(?s)<script type="application/json" id="rows-drawn">(.*?)</script>`).FindStringSubmatch(text)
	if data == nil {
		t.Fatal("there are no rows")
	}
	var got struct {
		Spec map[string]string `json:"spec"`
		Rows []map[string]any  `json:"rows"`
	}
	if err := json.Unmarshal([]byte(data[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Spec["mark"] != "bar" || len(got.Rows) != 2 || got.Rows[0]["line"] != strings.ReplaceAll(evil, "\u202e", "") || got.Rows[0]["seconds"] != 0.25 || got.Rows[1]["seconds"] != nil {
		t.Errorf("the rows are %v", got)
	}
}

func TestEveryChartHasItsTable(t *testing.T) {
	text := written(t, example())
	for _, want := range []string{`aria-describedby="table-drawn"`, `<details id="table-drawn"`, `<td class="number ">250ms</td>`, `<td class="bad">b¹</td>`, "There is nothing."} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(text, `id="rows-empty"`) {
		t.Error("a section without a chart has rows for one")
	}
}

func TestTheBundleIsTheOneWhoseDigestIsKept(t *testing.T) {
	sums, err := os.ReadFile("assets/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"vega.js": vega, "LICENCES.txt": licences} {
		sum := sha256.Sum256([]byte(text))
		if !strings.Contains(string(sums), hex.EncodeToString(sum[:])+"  "+name) {
			t.Errorf("%s has another digest than SHA256SUMS says", name)
		}
	}
	if strings.Contains(strings.ToLower(vega), "</script") || strings.Contains(vega, "<!--") {
		t.Error("the bundle would end its own element")
	}
}
