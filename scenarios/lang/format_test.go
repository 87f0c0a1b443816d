package lang

import (
	"bytes"
	"testing"
)

func TestFormatAlignsAndKeepsComments(t *testing.T) {
	in := "\n\n# top\r\nscenario   \"s\"{\n description=\"x\" # why\n  tags = [ \"a\",\"b\" ]\n}\n\n\n"
	want := "# top\nscenario \"s\" {\n  description = \"x\" # why\n  tags        = [\"a\", \"b\"]\n}\n"
	got, found := Format("in.scen.hcl", []byte(in))
	if len(found) > 0 || string(got) != want {
		t.Errorf("%v\n%s", found, got)
	}
}

func TestFormatRefusesWhatDoesNotParse(t *testing.T) {
	for _, text := range []string{"a {", "a = \xff", "locals {\n a = " + string(bytes.Repeat([]byte("["), 1000)), string(bytes.Repeat([]byte(" "), maxFileBytes+1))} {
		if got, found := Format("in.scen.hcl", []byte(text)); got != nil || !found.HasErrors() {
			t.Errorf("%.40q gave %q", text, got)
		}
	}
}

func TestFormatOfNothingIsNothing(t *testing.T) {
	if got, found := Format("in.scen.hcl", []byte("\n \n")); len(got) > 0 || len(found) > 0 {
		t.Errorf("%q %v", got, found)
	}
}
