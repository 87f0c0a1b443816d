package lang

import "github.com/llmscen/llmscen/scenarios"

func scenarioBlock() blockType {
	return blockType{
		name: "scenario", label: "NAME", once: true,
		doc: "Names the scenario. There is exactly one in a file, or in a folder of files.",
		attributes: []attribute{
			{name: "description", is: text, doc: "The question that the scenario answers, in a sentence.",
				into: field(func(s *scenarios.Scenario) any { return &s.Description })},
			{name: "tags", is: texts, doc: "Words to find it by.",
				into: field(func(s *scenarios.Scenario) any { return &s.Tags })},
		},
	}
}

func variableBlock() blockType {
	return blockType{
		name: "variable", label: "NAME",
		doc: "A value that is given from outside: by --var, --var-file, a *.auto.scenvars.hcl file beside the scenario, or LLMSCEN_VAR_NAME, the first of these over the later. It is var.NAME.",
		attributes: []attribute{
			{name: "type", is: typeName, absent: "that of the default", doc: "What its values are: string, number, bool, list(string), map(number), object({…}) and so on."},
			{name: "default", is: anything, absent: "a value must be given", doc: "The value where none is given. It may call functions, and refers to nothing."},
			{name: "description", is: text, doc: "What it is, in a sentence."},
			{name: "sensitive", is: boolean, fallback: "false", doc: "Its value is never shown or stored; it can go into secret() and conditions, and nowhere else."},
		},
		blocks: []blockType{{
			name: "validation", doc: "What must be true of the value.",
			attributes: []attribute{
				{name: "condition", is: boolean, required: true, doc: "An expression over var.NAME that is true for a good value."},
				{name: "error_message", is: text, required: true, doc: "What to do where it is not, in a sentence."},
			},
		}},
	}
}

func localsBlock() blockType {
	return blockType{
		name: "locals",
		doc:  "Names for expressions: each attribute NAME is local.NAME. There may be several; they may refer to each other, but not in a circle.",
	}
}

func warehouseBlock() blockType {
	return blockType{
		name: "warehouse", once: true,
		doc: "Where the results go.",
		attributes: []attribute{
			{name: "path", is: text, absent: "results in the folder where llmscen runs", doc: "A folder, absolute or relative to the scenario's folder, or the URL of an object store.",
				into: field(func(w *scenarios.Warehouse) any { return &w.Path })},
		},
	}
}

func nodePoolBlock() blockType {
	price := []attribute{
		{name: "price_per_hour", is: amount, absent: "not known", doc: "What one node costs an hour.",
			into: field(func(p *scenarios.NodePool) any { return &p.PricePerHour })},
		{name: "price_currency", is: text, fallback: `"USD"`, doc: "The currency of the price, as ISO 4217 has it.",
			into: field(func(p *scenarios.NodePool) any { return &p.PriceCurrency })},
	}
	return blockType{
		name: "node_pool", label: "NAME", referable: true,
		doc:        "A place where runtimes run, or where the load comes from. Without one it is this machine.",
		attributes: price,
		kinds: []kind{
			{name: "local", doc: "This machine: child processes in a cgroup of their own.", attributes: []attribute{
				{name: "cpus", is: positive, absent: "no limit", doc: "Cores that what runs here may use.",
					into: field(func(p *scenarios.NodePool) any { return &p.CPUs })},
				{name: "memory", is: size, absent: "no limit", doc: "Memory that what runs here may use.",
					into: field(func(p *scenarios.NodePool) any { return &p.Memory })},
			}},
			{name: "kubernetes", doc: "Nodes of a cluster.", attributes: kubernetesAttributes(), blocks: []blockType{tolerationBlock()}},
		},
	}
}

func kubernetesAttributes() []attribute {
	return []attribute{
		{name: "context", is: text, absent: "the current one", doc: "The context of the kubeconfig.",
			into: field(func(p *scenarios.NodePool) any { return &p.Context })},
		{name: "namespace", is: text, fallback: `"llm-bench"`, doc: "The namespace of all that is made.",
			into: field(func(p *scenarios.NodePool) any { return &p.Namespace })},
		{name: "node_selector", is: textMap, absent: "any node", doc: "Labels that a node must have.",
			into: field(func(p *scenarios.NodePool) any { return &p.NodeSelector })},
		{name: "affinity", is: textsMap, absent: "any node", doc: "Labels of which a node must have one of the values: a map of lists.",
			into: field(func(p *scenarios.NodePool) any { return &p.Affinity })},
		{name: "priority_class", is: text, absent: "the cluster's default", doc: "The priority class of the pods.",
			into: field(func(p *scenarios.NodePool) any { return &p.PriorityClass })},
		{name: "gpu_resource", is: text, fallback: `"nvidia.com/gpu"`, doc: "The resource that a GPU is, as in amd.com/gpu or nvidia.com/mig-1g.10gb.",
			into: field(func(p *scenarios.NodePool) any { return &p.GPUResource })},
	}
}

func tolerationBlock() blockType {
	return blockType{
		name: "toleration", doc: "Lets pods onto nodes that have a taint.",
		into: inner(func(p *scenarios.NodePool) any {
			p.Tolerations = append(p.Tolerations, scenarios.Toleration{})
			return &p.Tolerations[len(p.Tolerations)-1]
		}),
		attributes: []attribute{
			{name: "key", is: text, absent: "any key", doc: "The key of the taint.",
				into: field(func(t *scenarios.Toleration) any { return &t.Key })},
			{name: "operator", is: choice("Equal", "Exists"), absent: "Equal with a value, else Exists", doc: "How the value is compared.",
				into: field(func(t *scenarios.Toleration) any { return &t.Operator })},
			{name: "value", is: text, doc: "The value of the taint.",
				into: field(func(t *scenarios.Toleration) any { return &t.Value })},
			{name: "effect", is: choice("NoSchedule", "PreferNoSchedule", "NoExecute"), absent: "any effect", doc: "The effect of the taint.",
				into: field(func(t *scenarios.Toleration) any { return &t.Effect })},
		},
	}
}
