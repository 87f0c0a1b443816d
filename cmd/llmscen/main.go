// Command llmscen benchmarks LLM runtimes by checked-in scenarios and keeps the results in a warehouse.
package main

import (
	"os"

	"github.com/llmscen/llmscen/cmd/llmscen/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
