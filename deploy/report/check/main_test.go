package main

import (
	"strings"
	"testing"
)

const good = `<html data-charts="done"><figure data-chart="a" data-drawn="true"><svg><g class="mark-rect role-mark marks"><path d="M0,0h9v9Z"></path></g></svg></figure>
<details id="table-a"></details><a href="#a">a</a>`

func TestAPageIsHeldAgainstWhatItPromises(t *testing.T) {
	if faults, charts := judge(good, nil); len(faults) > 0 || charts != 1 {
		t.Fatalf("%d charts, %q", charts, faults)
	}
	for what, c := range map[string]struct{ from, to, want string }{
		"a chart that failed":   {`data-drawn="true"`, `data-drawn="false"`, "was not drawn"},
		"an empty chart":        {`<path d="M0,0h9v9Z"></path>`, ``, "no marks"},
		"a point nowhere":       {`M0,0h9`, `MNaN,0h9`, "no number"},
		"a chart without words": {`table-a`, `table-b`, "no table"},
		"no chart":              {`<figure `, `<div `, "no chart"},
		"a script that broke":   {`data-charts="done"`, ``, "did not come to its end"},
		"a text that ran":       {`<html `, `<html data-owned="1" `, "run as a script"},
		"an image":              {`<a `, `<img src=x><a `, "loads"},
		"a handler":             {`<a `, `<a onclick="x" `, "runs"},
		"a link":                {`href="#a"`, `href="https://example.org"`, "loads"},
	} {
		if faults, _ := judge(strings.Replace(good, c.from, c.to, 1), nil); len(faults) == 0 || !strings.Contains(strings.Join(faults, "; "), c.want) {
			t.Errorf("%s: %q", what, faults)
		}
	}
	if faults, _ := judge(good, []string{"Refused to load"}); len(faults) != 1 {
		t.Errorf("what the console says is not told: %q", faults)
	}
}
