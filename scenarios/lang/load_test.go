package lang

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/scenarios/diag"
)

func loadOptions(t testing.TB, o Options) *scenarios.Scenario {
	t.Helper()
	loaded, found, err := Load(t.Context(), o)
	if err != nil || found.HasErrors() || len(loaded) != 1 {
		t.Fatal(err, found)
	}
	return loaded[0]
}

func TestAScenarioSurvivesJSON(t *testing.T) {
	dir := write(t, map[string]string{"in.scen.hcl": strings.Replace(hello, "run \"hello\" {", `
slo "s" {
  objective "ttft" { p99 = "1s" }
}
run "hello" {
  matrix = { rate = [1, 2.5], name = ["a"] }
  slo    = slo.s
  sampling {
    seed = 9
  }`, 1)})
	s := loadOptions(t, Options{Dir: dir})
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back scenarios.Scenario
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	forgetPlaces(reflect.ValueOf(s))
	if !reflect.DeepEqual(*s, back) {
		t.Errorf("%+v\n%+v", *s, back)
	}
}

// forgetPlaces clears what JSON leaves out: where blocks were declared.
func forgetPlaces(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			forgetPlaces(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			forgetPlaces(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[diag.Range]() {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			forgetPlaces(v.Field(i))
		}
	}
}

func TestTheDigestChangesWithWhatCounts(t *testing.T) {
	text := hello + "variable \"v\" {\n  default = 1\n}\nvariable \"token\" {\n  default   = \"\"\n  sensitive = true\n}\nlocals {\n  a = file(\"x.txt\")\n  b = env(\"E\", \"\")\n}\n"
	digest := func(text, x, env, v, token string) string {
		dir := write(t, map[string]string{"in.scen.hcl": text, "x.txt": x})
		return loadOptions(t, Options{Dir: dir, Vars: map[string]string{"v": v, "token": token}, Env: func(name string) (string, bool) { return env, name == "E" }}).SHA256
	}
	base := digest(text, "x", "e", "1", "t")
	if again := digest(text, "x", "e", "1", "t"); again != base || len(base) != 64 {
		t.Errorf("the same scenario in another folder has another digest: %s, %s", base, again)
	}
	for what, d := range map[string]string{
		"the text": digest(text+"#", "x", "e", "1", "t"), "a file that is read": digest(text, "y", "e", "1", "t"),
		"an environment variable": digest(text, "x", "f", "1", "t"), "a variable": digest(text, "x", "e", "2", "t"),
	} {
		if d == base {
			t.Errorf("%s changed and the digest did not", what)
		}
	}
	if digest(text, "x", "e", "1", "u") != base {
		t.Error("the digest tells about a sensitive value")
	}
}

func TestASensitiveValueIsNowhereInTheScenarioOrItsFindings(t *testing.T) {
	const canary = "canary-7f3a"
	text := hello + `
variable "token" {
  type      = string
  sensitive = true
  validation {
    condition     = length(regexall("^env:", var.token)) > 0
    error_message = "Not ${var.token}."
  }
}
variable "number" {
  type      = number
  sensitive = true
}
variable "list" {
  type      = list(number)
  sensitive = true
}
locals {
  a = jsondecode(var.token)
  b = "${var.token}"
  c = local.b + 1
  d = { (var.token) = 1 }
  e = local.a.x
}
`
	dir := write(t, map[string]string{"in.scen.hcl": text})
	_, found, err := Load(t.Context(), Options{Dir: dir, Vars: map[string]string{"token": canary, "number": canary, "list": "[" + canary + "]"}})
	if err != nil || !found.HasErrors() {
		t.Fatal(err, found)
	}
	var b strings.Builder
	if err := errors.Join(found.Text(&b, true), found.JSON(&b)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), canary) {
		t.Error(b.String())
	}
	good := hello + "variable \"token\" {\n  sensitive = true\n  default   = \"\"\n}\nruntime \"endpoint\" \"e\" {\n  url     = \"http://h\"\n  api_key = secret(var.token)\n}\n"
	s := loadOptions(t, Options{Dir: write(t, map[string]string{"in.scen.hcl": good}), Vars: map[string]string{"token": "env:" + "CANARY"}})
	if s.Variables["token"] != "(sensitive)" {
		t.Error(s.Variables)
	}
}

func TestStandardInputIsAScenario(t *testing.T) {
	s := loadOptions(t, Options{Dir: t.TempDir(), Paths: []string{"-"}, Stdin: strings.NewReader(hello)})
	if s.Name != "hello" || s.Sources[0].Name != "standard input" {
		t.Error(s.Name, s.Sources)
	}
	_, _, err := Load(t.Context(), Options{Paths: []string{"-"}, Stdin: iotest.ErrReader(errors.New("broken"))})
	if err == nil || !strings.Contains(err.Error(), "reading standard input: broken") {
		t.Error(err)
	}
}

func TestFindingsAreSortedByPlaceWithTheBlockAround(t *testing.T) {
	_, found, err := Load(t.Context(), Options{Dir: write(t, map[string]string{
		"b.scen.hcl": "run \"r\" {\n  trials = \"x\"\n  order = 1\n}\n", "a.scen.hcl": "scenario \"s\" {\n  tags = 3\n}\n",
	})})
	if err != nil || len(found) < 3 {
		t.Fatal(err, found)
	}
	for i := 1; i < len(found); i++ {
		a, b := found[i-1].Subject, found[i].Subject
		if a.File > b.File || a.File == b.File && a.Start.Byte > b.Start.Byte {
			t.Errorf("%v before %v", a, b)
		}
	}
	if found[0].In != `scenario "s"` || found[0].Snippet != "  tags = 3" {
		t.Error(found[0])
	}
}
