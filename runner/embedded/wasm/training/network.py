"""The Gemma 3 architecture in JAX, as llama.cpp computes it, and a step of its training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import gemma3_gguf as g3

Weights = dict[str, jax.Array]  # by llama.cpp's names; a matrix is [outputs][inputs]


def initial(shape: g3.Shape, tokens: int, seed: int) -> Weights:
    key = jax.random.PRNGKey(seed)
    dim, q, kv = shape.dim, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    weights = {}

    def random(name: str, rows: int, columns: int, deviation: float | None = None) -> None:
        nonlocal key
        key, own = jax.random.split(key)
        weights[name + ".weight"] = jax.random.normal(own, (rows, columns)) * (deviation or columns**-0.5)

    def constant(name: str, count: int, value: float) -> None:
        weights[name + ".weight"] = jnp.full(count, value)

    random("token_embd", tokens, dim, dim**-0.5)
    random("output", tokens, dim, 0.02)
    constant("output_norm", dim, 1.0)
    for layer in range(shape.layers):
        b = f"blk.{layer}."
        constant(b + "attn_norm", dim, 1.0)
        constant(b + "ffn_norm", dim, 1.0)
        constant(b + "post_attention_norm", dim, 0.5)
        constant(b + "post_ffw_norm", dim, 0.5)
        constant(b + "attn_q_norm", shape.head_dim, 1.0)
        constant(b + "attn_k_norm", shape.head_dim, 1.0)
        random(b + "attn_q", q, dim)
        random(b + "attn_k", kv, dim)
        random(b + "attn_v", kv, dim)
        random(b + "attn_output", dim, q)
        random(b + "ffn_gate", shape.ff, dim)
        random(b + "ffn_up", shape.ff, dim)
        random(b + "ffn_down", dim, shape.ff)
    return weights


def norm(x: jax.Array, weight: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + g3.EPSILON) * weight


def rotate(x: jax.Array, base: float) -> jax.Array:
    """Turns the pairs (i, i + half) of each head by the angle of its position; x is [row][position][head][number]."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * base ** (-2.0 * np.arange(half) / x.shape[-1])
    cosine = jnp.asarray(np.cos(angles), jnp.float32)[:, None]
    sine = jnp.asarray(np.sin(angles), jnp.float32)[:, None]
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate([a * cosine - b * sine, a * sine + b * cosine], -1)


def forward(weights: Weights, ids: jax.Array, shape: g3.Shape) -> jax.Array:
    """Logits, [row][position][token]. No more positions than a layer's window, so that all layers see everything."""
    rows, positions = ids.shape
    if positions > g3.WINDOW:
        raise ValueError(f"{positions} positions are more than the window of {g3.WINDOW}")
    heads, kv_heads, hd = shape.heads, shape.kv_heads, shape.head_dim
    x = weights["token_embd.weight"][ids] * shape.dim**0.5
    seen = np.tril(np.ones((positions, positions), bool))
    for layer in range(shape.layers):

        def w(name: str, layer: int = layer) -> jax.Array:
            return weights[f"blk.{layer}.{name}.weight"]

        base = g3.GLOBAL_ROPE_BASE if (layer + 1) % 6 == 0 else g3.LOCAL_ROPE_BASE
        n = norm(x, w("attn_norm"))
        q = rotate(norm((n @ w("attn_q").T).reshape(rows, positions, heads, hd), w("attn_q_norm")), base)
        k = rotate(norm((n @ w("attn_k").T).reshape(rows, positions, kv_heads, hd), w("attn_k_norm")), base)
        v = (n @ w("attn_v").T).reshape(rows, positions, kv_heads, hd)
        k, v = jnp.repeat(k, heads // kv_heads, 2), jnp.repeat(v, heads // kv_heads, 2)
        scores = jnp.einsum("bthd,bshd->bhts", q, k) * hd**-0.5
        scores = jax.nn.softmax(jnp.where(seen, scores, -1e30), -1)
        attended = jnp.einsum("bhts,bshd->bthd", scores, v).reshape(rows, positions, heads * hd)
        x = x + norm(attended @ w("attn_output").T, w("post_attention_norm"))
        n = norm(x, w("ffn_norm"))
        gated = jax.nn.gelu(n @ w("ffn_gate").T, approximate=True) * (n @ w("ffn_up").T)
        x = x + norm(gated @ w("ffn_down").T, w("post_ffw_norm"))
    return norm(x, weights["output_norm.weight"]) @ weights["output.weight"].T


def loss(weights: Weights, ids: jax.Array, counts: jax.Array, shape: g3.Shape) -> jax.Array:
    """Cross entropy of the next tokens, weighted."""
    logits = forward(weights, ids[:, :-1], shape)
    wrong = jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, ids[:, 1:, None], -1)[..., 0]
    return (wrong * counts[:, 1:]).sum() / counts[:, 1:].sum()


@functools.partial(jax.jit, static_argnames=("rate", "steps", "shape"))
def step(weights, means, squares, ids, counts, at, *, rate: float, steps: int, shape):
    """One step of AdamW, with a hundred steps of warm-up and a cosine; gradients are cut to a norm of 1."""
    value, gradients = jax.value_and_grad(loss)(weights, ids, counts, shape)
    length = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
    cut = jnp.minimum(1.0, 1.0 / (length + 1e-6))
    rate = rate * jnp.minimum(1.0, (at + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + jnp.cos(jnp.pi * (at / steps))))
    b1, b2 = 0.9, 0.98
    new = {}
    for name, w in weights.items():
        g = gradients[name] * cut
        m, s = b1 * means[name] + (1 - b1) * g, b2 * squares[name] + (1 - b2) * g * g
        u = (m / (1 - b1 ** (at + 1))) / (jnp.sqrt(s / (1 - b2 ** (at + 1))) + 1e-8)
        new[name] = w - rate * (u + (0.05 * w if w.ndim == 2 else 0.0)), m, s
    return *({k: v[i] for k, v in new.items()} for i in range(3)), value
