#!/usr/bin/env python3
"""Trains a small Gemma 3 on a CPU and writes it as GGUF; see README.md.

    python train_tiny_gemma3.py text.txt out.gguf --steps 2600

The same versions of jax and sentencepiece, seed and processor give the same file.
"""

import argparse
import json
import time

import jax
import jax.numpy as jnp
import numpy as np

import gemma3_gguf as g3
import network
from documents import Documents
from words import Words

PROMPTS = ["It was a fine morning, and", "She was not", "Mr. Darcy 42 \u20ac\n"] + [
    f"<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n"
    for q in ("Hello", "Tell me a story.", "What is edge computing?", "Write about Emma and her friend.")
]


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("text", help="one paragraph a line, as prepare_text.py writes it")
    p.add_argument("out")
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--ff", type=int, default=320)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--kv-heads", type=int, default=1)
    p.add_argument("--head-dim", type=int, default=32)
    p.add_argument("--vocab", type=int, default=1024)
    p.add_argument("--ctx", type=int, default=2048)
    p.add_argument("--seq", type=int, default=192, help="tokens of a row of a batch")
    p.add_argument("--batch", type=int, default=8, help="rows of a batch")
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--lr", type=float, default=4e-3)
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--greedy-json", help="write prompts and their likeliest continuations here, to compare with runtimes")
    return p.parse_args()


def train(a: argparse.Namespace, shape: g3.Shape, words: Words, documents: Documents) -> network.Weights:
    weights = network.initial(shape, len(words), a.seed)
    means = {k: jnp.zeros_like(v) for k, v in weights.items()}
    squares = {k: jnp.zeros_like(v) for k, v in weights.items()}
    print(f"{len(words)} tokens, {sum(w.size for w in weights.values())} parameters", flush=True)
    began, average = time.monotonic(), None
    for at in range(a.steps):
        ids, counts = documents.batch(a.batch, a.seq)
        weights, means, squares, loss = network.step(
            weights, means, squares, ids, counts, float(at), rate=a.lr, steps=a.steps, shape=shape
        )
        if at % 10 == 0:
            average = float(loss) if average is None else 0.9 * average + 0.1 * float(loss)
        if at % 100 == 0 or at == a.steps - 1:
            print(f"step {at}, loss {average:.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return weights


def rounded(weights: network.Weights) -> dict[str, np.ndarray]:
    """Values of bfloat16 in 32 bits: every reader takes them, and the file packs to half its size."""
    return {k: np.asarray(jnp.asarray(v, jnp.bfloat16).astype(jnp.float32)) for k, v in weights.items()}


def continuations(weights: network.Weights, shape: g3.Shape, words: Words) -> list[dict]:
    """The likeliest sixteen tokens after each prompt."""
    # The weights are an argument, not a constant of the trace.
    logits = jax.jit(lambda w, ids, last: network.forward(w, ids, shape)[0, last])
    result = []
    for prompt in PROMPTS:
        ids = [g3.BOS] + words.encode_prompt(prompt)
        given = len(ids)
        for _ in range(16):
            padded = np.zeros((1, 256), np.int32)
            padded[0, : len(ids)] = ids
            token = int(np.asarray(logits(weights, padded, len(ids) - 1)).argmax())
            if token in (g3.EOS, g3.END_OF_TURN):
                break
            ids.append(token)
        result.append(
            {
                "prompt": prompt,
                "prompt_tokens": given,
                "prompt_ids": ids[:given],
                "greedy_ids": ids[given:],
                "greedy_text": words.decode(ids[given:]),
            }
        )
    return result


def main() -> None:
    a = arguments()
    with open(a.text) as f:
        paragraphs = [p for p in f.read().split("\n") if p]
    words = Words(paragraphs, a.vocab)
    shape = g3.Shape(a.dim, a.layers, a.ff, a.heads, a.kv_heads, a.head_dim, a.ctx)
    weights = rounded(train(a, shape, words, Documents(paragraphs, words, a.seed)))
    description = "tiny model trained on Jane Austen's novels (public domain); for benchmarks and tests only"
    g3.write(a.out, "tiny-gemma3-austen", description, shape, words.vocabulary(), weights)
    if a.greedy_json:
        with open(a.greedy_json, "w") as f:
            json.dump(continuations(weights, shape, words), f, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
