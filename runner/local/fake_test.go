package local

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// script writes a program of a name that runs the test binary in a role.
func script(t *testing.T, dir, name, role string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' %s \"$@\"\n", os.Args[0], role)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// started is what a fake server was started with.
type started struct {
	Args []string
	Env  []string
}

// beEngine stands in for the server of an engine: it listens where its flags or OLLAMA_HOST say.
func beEngine() error {
	address := os.Getenv("OLLAMA_HOST")
	if i := slices.Index(os.Args, "--port"); i > 0 {
		address = net.JoinHostPort("127.0.0.1", os.Args[i+1])
	}
	return serveEngine(address)
}

func serveEngine(address string) error {
	fixed := map[string]string{
		"/health": `{"status":"ok"}`, "/props": `{"build_info":"b6700-fake","default_generation_settings":{"n_ctx":256}}`,
		"/slots": `[{"id":0}]`, "/slots/0": `{}`,
		"/api/version": `{"version":"0.17.4"}`, "/api/create": `{"status":"success"}`, "/api/ps": `{"models":[]}`,
		"/api/tags": `{"models":[{"name":"tiny-austen-gemma3:latest","digest":"d1","details":{"quantization_level":"F32"}}]}`,
	}
	for path, body := range fixed {
		http.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	}
	http.HandleFunc("/api/generate", loadFakeModel)
	http.HandleFunc("/api/blobs/", func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); n == 0 {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	http.HandleFunc("/started", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(started{os.Args[2:], os.Environ()})
	})
	http.HandleFunc("/lose-a-child", func(http.ResponseWriter, *http.Request) { _ = exec.Command(os.Args[0], "be-greedy-child").Run() })
	return http.ListenAndServe(address, nil)
}

// fakeRunner is the process that has the model, as Ollama's does.
var fakeRunner struct {
	sync.Mutex
	*os.Process
	ended chan struct{}
}

// loadFakeModel starts a runner unless one is there, or ends it; the answer names its process.
func loadFakeModel(w http.ResponseWriter, r *http.Request) {
	f := &fakeRunner
	f.Lock()
	defer f.Unlock()
	var asked struct {
		KeepAlive *int `json:"keep_alive"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked) // what is none asks for nothing
	if asked.KeepAlive != nil && *asked.KeepAlive == 0 && f.Process != nil {
		_ = f.Kill()
		<-f.ended
		f.Process = nil
	} else if f.Process == nil {
		cmd, ended := exec.Command(os.Args[0], "be-daemon"), make(chan struct{})
		if err := cmd.Start(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		f.Process, f.ended = cmd.Process, ended
		go func() { _ = cmd.Wait(); close(ended) }() // that it was killed
	}
	pid := 0
	if f.Process != nil {
		pid = f.Pid
	}
	fmt.Fprintf(w, `{"done":true,"runner":%d}`, pid)
}

// beGreedyChild takes memory until it is killed.
func beGreedyChild() error {
	for {
		page, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(page); i += 4096 {
			page[i] = 1
		}
	}
}

// fakeDocker puts a container engine onto the PATH that keeps its containers as files in a folder, which it returns.
func fakeDocker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "docker", "be-docker")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("FAKE_DOCKER", dir)
	return dir
}

// beDocker understands what the driver says to docker; the container's server runs in this process.
func beDocker() error {
	dir, args := os.Getenv("FAKE_DOCKER"), os.Args[2:]
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	fmt.Fprintln(log, strings.Join(args, " "))
	if err := log.Close(); err != nil {
		return err
	}
	last := filepath.Join(dir, "container-"+args[len(args)-1])
	switch args[0] {
	case "ps":
		filter, only := strings.CutPrefix(args[len(args)-1], "name=^")
		if _, err := os.Stat(filepath.Join(dir, "container-"+strings.TrimSuffix(filter, "$"))); only && err == nil {
			fmt.Println("0a1b2c")
		}
		return nil
	case "inspect":
		if strings.Contains(args[2], "OOMKilled") {
			_, err := os.Stat(filepath.Join(dir, "oom"))
			fmt.Println(err == nil)
			return nil
		}
		pid, err := os.ReadFile(last)
		fmt.Print(string(pid))
		return err
	case "rm":
		return os.Remove(last)
	case "run":
		return dockerRun(dir)
	default:
		return errors.New("docker: unknown command " + args[0])
	}
}

func dockerRun(dir string) error {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	name, publish := f.String("name", "", ""), f.String("publish", "", "")
	for _, known := range []string{"cpus", "memory", "memory-swap", "gpus", "shm-size", "entrypoint"} {
		f.String(known, "", "")
	}
	for _, many := range []string{"volume", "env"} {
		f.Func(many, "", func(string) error { return nil })
	}
	if err := f.Parse(os.Args[3:]); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "container-"+*name), []byte(fmt.Sprint(os.Getpid())), 0o644); err != nil {
		return err
	}
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(137) })
	address := (*publish)[:strings.LastIndex(*publish, ":")]
	return serveEngine(address)
}

// logged are the calls of a fake docker.
func logged(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
