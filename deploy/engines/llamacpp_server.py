#!/usr/bin/env python3
"""llama.cpp's own HTTP server, from the wheel xllamacpp: what `llama-server` is, without a compiler.

    llamacpp_server.py --model FILE.gguf --port 8080 [--context 1024] [--parallel 1] [--threads 1]

It takes what llmscen gives llama-server as well: --host, --alias, --ctx-size (shared out among the slots), --threads-http,
--metrics, --slots, --slot-save-path and --cache-ram.

It listens on 127.0.0.1 until SIGTERM or SIGINT. /health, /metrics, /slots, /props and /tokenize are on.
"""

import argparse
import os
import signal
from pathlib import Path

import xllamacpp


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, type=Path, help="a GGUF file")
    p.add_argument("--port", required=True, type=int)
    p.add_argument("--context", type=int, default=1024, help="tokens that one request and its answer may have together")
    p.add_argument("--parallel", type=int, default=1, help="requests that are worked on at once")
    p.add_argument("--threads", type=int, default=1, help="threads that compute")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--alias", help="how requests call the model; else the file's name")
    p.add_argument("--ctx-size", type=int, help="tokens of all slots together; goes over --context")
    p.add_argument("--threads-http", type=int, help="else 256 more than --parallel")
    p.add_argument("--metrics", action="store_true", help="they are on anyway, and so are --slots")
    p.add_argument("--slots", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--slot-save-path", type=Path, help="a folder; without one slots can't be erased")
    p.add_argument("--cache-ram", type=int, help="MiB of the host's prompt cache; 0: none")
    a = p.parse_args()
    if not a.model.is_file():
        p.error(f"there is no file {a.model}")
    return a


def parameters(a: argparse.Namespace) -> xllamacpp.CommonParams:
    p = xllamacpp.CommonParams()
    p.model.path = str(a.model)
    p.model_alias = {a.alias or a.model.stem}
    p.hostnames = [a.host]
    p.port = a.port
    p.n_parallel = a.parallel
    p.n_ctx = a.ctx_size or a.context * a.parallel  # each slot has its share
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = a.threads
    # A stream holds its HTTP thread to its end. With too few, requests wait where /metrics doesn't count them, and
    # /metrics waits with them.
    p.n_threads_http = a.threads_http or a.parallel + 256
    p.endpoint_metrics = p.endpoint_slots = p.endpoint_props = True
    if a.slot_save_path:
        p.slot_save_path = f"{a.slot_save_path}/"
    if a.cache_ram is not None:
        p.cache_ram_mib = a.cache_ram
    p.offline = True  # downloads nothing
    p.ui = False
    return p


def main() -> None:
    # Blocked before the server's threads begin, which inherit it: the signal is then ours, whenever it comes.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    a = arguments()
    server = xllamacpp.Server(parameters(a))
    print(f"llama.cpp serves {a.model.stem} at {server.listening_address}", flush=True)
    signal.sigwait(ending)
    os._exit(0)  # now: the server's destructor would wait for the streams that are under way


if __name__ == "__main__":
    main()
