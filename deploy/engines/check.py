#!/usr/bin/env python3
"""Starts each engine that build.sh made, asks it what golden.json has answers for, and ends it.

One at a time, with one thread and the carried model. An engine fails that does not start, answers other than the others
did, or does not end on SIGTERM, with all that it started.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / ".engines"
MODEL = "tiny-austen-gemma3"
FILE = str(ENGINES / "models" / f"{MODEL}.gguf")
PATIENCE = 120.0  # seconds; a busy machine compiles wllama's guest for tens of them

# Each engine's command, environment, and the path that answers 200 when it is ready.
COMMANDS = {
    "llamacpp": (["llamacpp-server", "--model", FILE, "--port", "{port}"], {}, "/health"),
    "wllama": (["wllama-server", "--model", FILE, "--port", "{port}"], {}, "/health"),
    "ollama": (["ollama", "serve"], {"OLLAMA_HOST": "127.0.0.1:{port}", "OLLAMA_CONTEXT_LENGTH": "1024"}, "/api/version"),
}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def await_ready(server: subprocess.Popen, url: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            ask(url)
            return
        except OSError as not_yet:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"it is not ready: {not_yet}") from None
        time.sleep(0.1)


def check(name: str, golden: dict) -> None:
    command, env, ready = COMMANDS[name]
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    put = {k: v.format(port=port) for k, v in env.items()}
    server = subprocess.Popen(
        [str(ENGINES / "bin" / command[0]), *(c.format(port=port) for c in command[1:])],
        env=os.environ | put, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        began = time.monotonic()
        await_ready(server, url + ready)
        took = time.monotonic() - began
        for case in golden["chat"]:
            answer = ask(url + "/v1/chat/completions", {
                "model": MODEL, "messages": [{"role": "user", "content": case["user"]}],
                "temperature": 0, "max_tokens": golden["sampling"]["max_tokens"],
            })
            choice, usage = answer["choices"][0], answer["usage"]
            got = (choice["message"]["content"], choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"])
            want = (case["output"], case["finish_reason"], case["prompt_tokens"], case["output_tokens"])
            if got != want:
                raise RuntimeError(f"it answered {got}, the others {want}")
        began = time.monotonic()
        server.terminate()
        server.wait(PATIENCE)
        await_gone(server.pid)
        ended = time.monotonic() - began
        print(f"{name}: ready after {took:.1f} s, {len(golden['chat'])} answers as expected, ended after {ended:.1f} s")
    finally:
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.wait()


def await_gone(group: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise RuntimeError("what it started goes on")


def main() -> None:
    golden = json.loads((ROOT / "runner/embedded/wasm/testdata/golden.json").read_text())
    carried = next(m for m in golden["models"] if m["model"] == f"{MODEL}.gguf")
    failed = 0
    for name in COMMANDS:
        try:
            check(name, carried)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            failed += 1
    print(f"{len(COMMANDS) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
