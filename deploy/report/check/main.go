// Command check opens reports in a browser without a window: each chart must be drawn with its marks, nothing may be
// said on the console, which is where a browser tells what a page's policy has refused, and what a report quotes must
// stay text.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	chromium := flag.String("chromium", "chromium", "the browser")
	out := flag.String("out", ".", "folder for the hostile report and the screenshots")
	flag.Parse()
	if err := check(context.Background(), *chromium, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func check(ctx context.Context, chromium, out string, reports []string) error {
	hostile := filepath.Join(out, "hostile.html")
	if err := writeHostile(hostile); err != nil {
		return err
	}
	failed := false
	for _, path := range append(reports, hostile) {
		b := browser{chromium}
		dom, console, err := b.dump(ctx, path)
		if err != nil {
			return err
		}
		faults, charts := judge(dom, console)
		for _, f := range faults {
			failed = true
			fmt.Printf("%s: %s\n", filepath.Base(path), f)
		}
		fmt.Printf("%s: %d charts\n", filepath.Base(path), charts)
		if err := b.screenshot(ctx, path, strings.TrimSuffix(path, ".html")+".png"); err != nil {
			return err
		}
	}
	if failed {
		return fmt.Errorf("a report is not as it should be")
	}
	return nil
}

var (
	figure = regexp.MustCompile(`(?s)<figure data-chart="([^"]+)"([^>]*)>(.*?)</figure>`)
	mark   = regexp.MustCompile(`class="mark-(?:line|symbol|rect|rule) role-mark[^"]*"[^>]*><(?:path[^>]* d="[^"]*[LAlahvHV]|line )`)
	loads  = regexp.MustCompile(`<(?:img|iframe|object|embed|link|audio|video)\b|<[a-z][^<>]*\s(?:(?:src|srcset|action|data|on[a-z]+)="|href="[^#])`)
	style  = regexp.MustCompile(`(?s)<(script|style|pre)[^>]*>.*?</(?:script|style|pre)>`)
)

// judge says what is wrong with a page as the browser has made it, and how many charts it has.
func judge(dom string, console []string) (faults []string, charts int) {
	for _, line := range console {
		faults = append(faults, "the console says: "+line)
	}
	for _, f := range figure.FindAllStringSubmatch(dom, -1) {
		charts++
		name, attributes, drawing := f[1], f[2], f[3]
		switch {
		case !strings.Contains(attributes, `data-drawn="true"`):
			faults = append(faults, "the chart "+name+" was not drawn")
		case len(mark.FindAllString(drawing, -1)) == 0:
			faults = append(faults, "the chart "+name+" has no marks")
		case strings.Contains(drawing, "NaN"):
			faults = append(faults, "the chart "+name+" has a place that is no number")
		}
		if !strings.Contains(dom, `<details id="table-`+name+`"`) {
			faults = append(faults, "the chart "+name+" has no table beside it")
		}
	}
	if charts == 0 {
		faults = append(faults, "there is no chart")
	}
	if !strings.Contains(dom, `data-charts="done"`) {
		faults = append(faults, "the page's script did not come to its end")
	}
	if strings.Contains(dom, "data-owned") {
		faults = append(faults, "a quoted text was run as a script")
	}
	if found := loads.FindString(style.ReplaceAllString(dom, "")); found != "" {
		faults = append(faults, fmt.Sprintf("there is something that loads, or runs: %q", found))
	}
	return faults, charts
}

// browser is a Chromium that is started anew for every page, with an empty profile.
type browser struct{ path string }

func (b browser) run(ctx context.Context, page string, args ...string) (stdout, stderr []byte, err error) {
	profile, err := os.MkdirTemp("", "llmscen-browser-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	page, err = filepath.Abs(page)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, b.path, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + profile,
		// The scripts of a page have so much time, however long the machine takes for it.
		"--virtual-time-budget=60000",
	}, append(args, "file://"+page)...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return nil, nil, fmt.Errorf("running %s: %w\n%s", b.path, err, log.String())
	}
	return out.Bytes(), log.Bytes(), nil
}

// dump is the page once its scripts are done, and what was said on the console.
func (b browser) dump(ctx context.Context, page string) (dom string, console []string, err error) {
	out, log, err := b.run(ctx, page, "--dump-dom")
	if err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(string(log)) {
		if _, message, ok := strings.Cut(line, ":CONSOLE"); ok {
			console = append(console, strings.TrimSpace(message))
		}
	}
	return string(out), console, nil
}

func (b browser) screenshot(ctx context.Context, page, to string) error {
	_, _, err := b.run(ctx, page, "--window-size=1200,4200", "--screenshot="+to)
	return err
}
