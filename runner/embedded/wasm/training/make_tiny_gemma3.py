#!/usr/bin/env python3
"""Writes a Gemma 3 with random weights, of any size, for tests and for believable token times.

    python make_tiny_gemma3.py out.gguf                       # 0.88 MB: the tests' testdata/random-gemma3.gguf.gz
    python make_tiny_gemma3.py out.gguf --dim 512 --layers 6 --ff 2048 --heads 8 --head-dim 64 --vocab-words 2000   # 99 MB

The same arguments give the same file. The vocabulary is made here, so that any text is tokens. Its answers are
made-up words: channel 0 of the embedding is a constant, with which output.weight[:, 0] is a bias for each token; only
words have none against them.
"""

import argparse

import gguf
import numpy as np

import gemma3_gguf as g3

NEVER = -30.0  # the bias of what is never sampled
REAL_WORDS = "the a of to and in is that it for model token user cloud fog edge time load run test hello world what why"


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--ff", type=int, default=128)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--kv-heads", type=int, default=1)
    p.add_argument("--head-dim", type=int, default=32)
    p.add_argument("--vocab-words", type=int, default=600)
    p.add_argument("--ctx", type=int, default=2048)
    p.add_argument("--eos-bias", type=float, default=NEVER, help="-30: an answer never ends by itself; 2: after some 20 to 300 tokens")
    p.add_argument("--seed", type=int, default=7)
    return p.parse_args()


def made_up_words(rng: np.random.Generator, count: int) -> list[str]:
    onset = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr", "pl"]
    nucleus = ["a", "e", "i", "o", "u", "ai", "ou"]
    coda = ["", "n", "r", "s", "l", "t"]
    words = REAL_WORDS.split()
    seen = set(words)
    while len(words) < count:
        word = "".join(rng.choice(onset) + rng.choice(nucleus) + rng.choice(coda) for _ in range(rng.integers(1, 4)))
        if word not in seen:
            seen.add(word)
            words.append(word)
    return words


def vocabulary(rng: np.random.Generator, words: int) -> tuple[g3.Vocabulary, int]:
    """The vocabulary, and the id of its first word."""
    kind = gguf.TokenType
    v = g3.Vocabulary()
    for i, piece in enumerate(g3.SPECIAL):
        v.add(piece, 0, kind.UNKNOWN if i == g3.UNK else kind.CONTROL)
    for b in range(256):
        v.add(f"<0x{b:02X}>", 0, kind.BYTE)
    for letter in [g3.SPACE, "\n"] + [chr(c) for c in range(33, 127)]:
        v.add(letter, -1000, kind.NORMAL)
    first_word = len(v)
    for i, word in enumerate(made_up_words(rng, words)):
        v.add(g3.SPACE + word, -1.0 - i * 1e-3, kind.NORMAL)
    return v, first_word


def weights(rng: np.random.Generator, shape: g3.Shape, tokens: int, first_word: int, eos_bias: float) -> dict[str, np.ndarray]:
    dim, q, kv = shape.dim, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim

    def random(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) * 0.05).astype(np.float32)

    def ones(n: int) -> np.ndarray:
        return np.ones(n, np.float32)

    embedding = rng.standard_normal((tokens, dim)).astype(np.float32) * 0.5
    embedding[:, 0] = 1.0
    output = rng.standard_normal((tokens, dim)).astype(np.float32) * 0.3
    output[:, 0] = NEVER
    output[first_word:, 0] = 0.0
    output[g3.EOS, 0], output[g3.EOS, 1:] = eos_bias, 0
    keep_constant = np.r_[0.0, np.full(dim - 1, 0.3)].astype(np.float32)
    t = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": ones(dim)}
    for layer in range(shape.layers):
        b = f"blk.{layer}."
        t[b + "attn_norm.weight"], t[b + "ffn_norm.weight"] = ones(dim), ones(dim)
        t[b + "post_attention_norm.weight"], t[b + "post_ffw_norm.weight"] = keep_constant, keep_constant
        t[b + "attn_q.weight"], t[b + "attn_k.weight"] = random(q, dim), random(kv, dim)
        t[b + "attn_v.weight"], t[b + "attn_output.weight"] = random(kv, dim), random(dim, q)
        t[b + "attn_q_norm.weight"], t[b + "attn_k_norm.weight"] = ones(shape.head_dim), ones(shape.head_dim)
        t[b + "ffn_gate.weight"], t[b + "ffn_up.weight"] = random(shape.ff, dim), random(shape.ff, dim)
        t[b + "ffn_down.weight"] = random(dim, shape.ff)
    return t


def main() -> None:
    a = arguments()
    rng = np.random.default_rng(a.seed)
    v, first_word = vocabulary(rng, a.vocab_words)
    shape = g3.Shape(a.dim, a.layers, a.ff, a.heads, a.kv_heads, a.head_dim, a.ctx)
    tensors = weights(rng, shape, len(v), first_word, a.eos_bias)
    g3.write(a.out, "tiny-gemma3-random", "random weights, for protocol tests only", shape, v, tensors)
    print(f"{len(v)} tokens, {sum(t.size for t in tensors.values())} parameters")


if __name__ == "__main__":
    main()
