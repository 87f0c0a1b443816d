package lang_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/llmscen/llmscen/scenarios/lang"
)

func ExampleLoad() {
	text := `scenario "hello" {}
load "constant_rate" "gentle" {
  rate_per_second = 5
  over            = 10
}
`
	loaded, found, err := lang.Load(context.Background(), lang.Options{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(loaded), "scenarios")
	_ = found[1:].Text(os.Stdout, false)
	// Output:
	// 0 scenarios
	// Error: Not a duration
	//
	//   on standard input line 4, in load "constant_rate" "gentle":
	//    4:   over            = 10
	//                           ^^
	// A duration has a unit: 10 could be "10s" or "10ms".
}

func ExampleFormat() {
	text, _ := lang.Format("hello.scen.hcl", []byte("scenario   \"hello\" {\ntags=[ \"a\" ]\n}"))
	fmt.Print(string(text))
	// Output:
	// scenario "hello" {
	//   tags = ["a"]
	// }
}
