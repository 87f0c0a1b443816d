package lang

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/llmscen/llmscen/scenarios"
)

// defaultTokenTime is the gap between tokens of a simulated runtime that says nothing of it.
const defaultTokenTime = 10 * time.Millisecond

// checkRuntime checks what the attributes of a runtime say together, and fills what depends on the engine.
func (m *module) checkRuntime(b *block, r *scenarios.Runtime) {
	if r.Protocol == "" {
		switch r.Engine {
		case "ollama", "tgi":
			r.Protocol = r.Engine
		default:
			r.Protocol = "openai"
		}
	}
	if r.Retry != nil && r.Retry.MaxBackoff < r.Retry.Backoff {
		m.found.errorf(m.nestedRange(b, "retry", "max_backoff"), "Empty range", "max_backoff (%s) is shorter than backoff (%s).", r.Retry.MaxBackoff, r.Retry.Backoff)
	}
	switch r.Engine {
	case "command":
		m.checkCommand(b, r)
	case "simulated":
		m.checkSimulated(b, r)
	case "endpoint":
		m.checkEndpoint(b, r)
	case "wasm", "ollama", "llamacpp", "wllama", "wasmedge":
		m.checkModelFile(b, r)
	}
}

// checkModelFile finds the GGUF that a model names. An absolute path is one in an image: on this machine files lie
// below the scenario's folder, so that it can be moved and shared.
func (m *module) checkModelFile(b *block, r *scenarios.Runtime) {
	if !strings.HasSuffix(r.Model, ".gguf") || filepath.IsAbs(r.Model) && r.Image != "" {
		return
	}
	if err := m.checkPath(r.Model); err != nil {
		if wrong, ok := errors.AsType[*mistake](err); ok {
			m.found.errorf(b.rangeOf("model"), wrong.summary, "%s", wrong.detail)
		}
		return
	}
	r.ModelFile = filepath.Join(m.set.dir, r.Model)
}

// nestedRange is where an attribute of a nested block is written.
func (m *module) nestedRange(b *block, name, attribute string) hcl.Range {
	for _, n := range b.nested {
		if n.spec.name == name {
			return n.rangeOf(attribute)
		}
	}
	return b.at
}

func (m *module) checkCommand(b *block, r *scenarios.Runtime) {
	hole := false
	all := append(append([]string{}, r.Command...), r.Args...)
	for _, v := range r.Env {
		all = append(all, v)
	}
	for _, a := range all {
		hole = hole || strings.Contains(a, "${port}")
	}
	switch {
	case len(r.Command) == 0:
		m.found.errorf(b.rangeOf("command"), "Empty list", "command is a program and its arguments, as in [\"llama-server\", \"--port\", \"${port}\"].")
	case r.Port == 0 && !hole:
		m.found.errorf(b.at, "Server without a port", "Write ${port} in the arguments, where a free port is put, or say which it is: port = 8080.")
	case r.Port != 0 && hole:
		m.found.errorf(b.rangeOf("port"), "Port said twice", "${port} in the arguments is a free port: leave port out, or write the number there.")
	}
}

// checkEndpoint refuses what only a server that is started here can have.
func (m *module) checkEndpoint(b *block, r *scenarios.Runtime) {
	for name, there := range map[string]bool{
		"image": r.Image != "", "command": len(r.Command) > 0, "args": len(r.Args) > 0, "env": len(r.Env) > 0,
	} {
		if there {
			m.found.errorf(b.rangeOf(name), "Attribute without effect", "An endpoint runs already, so nothing is started with %s: use runtime \"command\" for what is to be started.", name)
		}
	}
}

func (m *module) checkSimulated(b *block, r *scenarios.Runtime) {
	s := r.Simulated
	r.Parallel = s.Parallel
	if b.written("tokens_per_second") && b.written("inter_token_latency") {
		m.found.errorf(b.rangeOf("tokens_per_second"), "Speed said twice", "inter_token_latency says it already: leave one out.")
	}
	if s.InterTokenLatency.IsZero() {
		s.InterTokenLatency = scenarios.Constant(defaultTokenTime.Seconds())
	}
	if s.QueueLimit > 0 && s.Parallel == 0 {
		m.found.errorf(b.rangeOf("queue_limit"), "Attribute without effect", "No request waits where parallel has no limit: write parallel as well.")
	}
	i := 0
	for _, n := range b.nested {
		if n.spec.name == "fault" {
			m.checkFault(n, &s.Faults[i])
			i++
		}
	}
}

func (m *module) checkFault(n *nested, f *scenarios.Fault) {
	switch {
	case f.Ratio > 0 && n.written("at"):
		m.found.errorf(n.rangeOf("at"), "Fault said twice", "A fault has a ratio of requests, or a time from when on all suffer it: leave one out.")
	case f.Ratio == 0 && !n.written("at"):
		m.found.errorf(n.at, "Fault that never happens", "Say which requests suffer it: ratio = 0.05, or at = \"10s\" and for = \"5s\".")
	case n.written("at") && f.For == 0:
		m.found.errorf(n.at, "Fault without an end", "Say how long it goes on: for = \"5s\".")
	case f.Ratio > 0 && f.For == 0 && (f.Kind == "stall" || f.Kind == "slow_accept"):
		m.found.errorf(n.at, "Fault without a length", "Say how long a %s is: for = \"5s\".", f.Kind)
	}
	if f.Status != 0 && f.Kind != "error" {
		m.found.errorf(n.rangeOf("status"), "Attribute without effect", "status is of fault \"error\".")
	}
	if f.After != 0 && (f.Kind == "error" || f.Kind == "slow_accept") {
		m.found.errorf(n.rangeOf("after"), "Attribute without effect", "after is of faults in the stream, and %s comes before it.", f.Kind)
	}
}

func (m *module) checkNodePool(b *block, p *scenarios.NodePool) {
	if p.PricePerHour == 0 {
		p.PriceCurrency = ""
	}
	i := 0
	for _, n := range b.nested {
		if n.spec.name != "toleration" {
			continue
		}
		t := &p.Tolerations[i]
		i++
		if t.Operator == "" {
			t.Operator = "Exists"
			if t.Value != "" {
				t.Operator = "Equal"
			}
		}
		if t.Operator == "Exists" && t.Value != "" {
			m.found.errorf(n.rangeOf("value"), "Attribute without effect", "operator = \"Exists\" compares no value: leave one out.")
		}
		if t.Operator == "Equal" && t.Key == "" {
			m.found.errorf(n.at, "Toleration without a key", "operator = \"Equal\" needs the key of the taint.")
		}
	}
}

func (m *module) checkPromptSet(b *block, p *scenarios.PromptSet) {
	if p.Kind == "inline" {
		p.Prompts = len(p.Inline)
		for i, text := range p.Inline {
			if strings.TrimSpace(text) == "" {
				m.found.errorf(elementRange(b.settings["prompts"], i), "Empty prompt", "Prompt %d has no text.", i+1)
			}
			if scenarios.Bytes(len(text)) > p.MaxPromptBytes {
				m.found.errorf(elementRange(b.settings["prompts"], i), "Prompt too long", "Prompt %d has %d bytes, more than max_prompt_bytes.", i+1, len(text))
			}
		}
	}
	if p.Kind == "conversation" && p.Path == "" && p.Sample != 0 {
		m.found.errorf(b.rangeOf("sample"), "Attribute without effect", "sample takes rows of a file, and there is no path.")
	}
}

func (m *module) checkCollect(b *block, c *scenarios.Collect) {
	if c.Source != "prometheus" {
		return
	}
	if len(c.Series) == 0 && len(c.Sets) == 0 {
		m.found.errorf(b.at, "Nothing to collect", "Say which series: series \"NAME\" { query = …, unit = … }, or sets = […].")
	}
	if c.BearerToken != "" && (c.BasicUser != "" || c.BasicPassword != "") {
		m.found.errorf(m.nestedRange(b, "auth", "bearer_token"), "Two ways to log in", "Use bearer_token, or username and password.")
	}
	if (c.BasicUser == "") != (c.BasicPassword == "") {
		m.found.errorf(m.nestedRange(b, "auth", "username"), "Half a login", "username and password go together.")
	}
}
