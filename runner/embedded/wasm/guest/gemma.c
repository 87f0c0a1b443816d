// The Gemma 3 architecture (https://arxiv.org/abs/2503.19786), as llama.cpp computes it from a GGUF, in 32-bit floats.
//
// The guest imports nothing: no clock, no files, no memory but its own. The host sizes the model (configure), writes
// the weights where weights() says, then fills input() with a batch of tokens and calls forward(). A batch mixes tokens
// of any slots: a piece of one prompt and the next token of several answers are one call, and the weights are read
// from memory once for all of them.

#include "matrix.h"

#define EXPORT(name) __attribute__((export_name(name)))

typedef unsigned int u32;
typedef unsigned long long u64;

enum { PAGE = 65536 };

// Which weights; the numbers are the host's too.
enum {
    TOKEN_EMBD, OUTPUT, OUTPUT_NORM, ROPE, // these ones once
    ATTN_NORM, ATTN_Q, ATTN_K, ATTN_V, ATTN_Q_NORM, ATTN_K_NORM, ATTN_OUTPUT, POST_ATTENTION_NORM,
    FFN_NORM, FFN_GATE, FFN_UP, FFN_DOWN, POST_FFW_NORM, // these in each layer
};

enum { MOST_LAYERS = 256 };

// Q, K and V are one matrix, as are gate and up.
typedef struct {
    float *attn_norm, *qkv, *q_norm, *k_norm, *attn_output, *post_attention_norm;
    float *ffn_norm, *gate_up, *ffn_down, *post_ffw_norm;
    float *keys;   // [slot][kv head][position / 4][head dim][4]
    float *values; // [slot][kv head][position][head dim]
} layer;

typedef struct {
    int token, slot, position, wanted; // wanted: its logits are
} entry;

static struct {
    int dim, ff, layers, heads, kv_heads, head_dim, vocab, context, window, slots, batch;
    float epsilon;
    layer layer[MOST_LAYERS];
    float *token_embd, *output, *output_norm;
    float *rope; // [local, global][position][cosine, sine][head dim / 2]
    entry *input;
    float *x, *normed, *qkv, *attended, *gate_up, *gated, *branch; // [batch][…]
    float *logits; // [slot][vocab]
    f32x4 *query;  // [head dim], each number four times
    float *scores; // [context]
} m;

extern char __heap_base;
static u64 top;

// take is the address of the next `count` numbers.
static void *take(u64 count) {
    u64 at = top;
    top += (count * sizeof(float) + 63) & ~63ull;
    return (void *)(u32)at;
}

static void lay_out(int tied) {
    u64 dim = m.dim, ff = m.ff, batch = m.batch, hd = m.head_dim, q = m.heads * hd, kv = m.kv_heads * hd;
    u64 cached = m.slots * kv * m.context;
    top = ((u64)(u32)&__heap_base + 63) & ~63ull;
    m.input = take(batch * sizeof(entry) / sizeof(float));
    m.x = take(batch * dim), m.normed = take(batch * dim), m.branch = take(batch * dim);
    m.qkv = take(batch * (q + 2 * kv)), m.attended = take(batch * q);
    m.gate_up = take(batch * 2 * ff), m.gated = take(batch * ff);
    m.logits = take((u64)m.slots * m.vocab);
    m.query = take(4 * hd), m.scores = take(m.context);
    m.rope = take(2 * m.context * hd);
    m.output_norm = take(dim);
    m.token_embd = take(m.vocab * dim);
    m.output = tied ? m.token_embd : take(m.vocab * dim);
    for (layer *l = m.layer; l < m.layer + m.layers; l++) {
        l->attn_norm = take(dim), l->post_attention_norm = take(dim);
        l->ffn_norm = take(dim), l->post_ffw_norm = take(dim);
        l->q_norm = take(hd), l->k_norm = take(hd);
        l->qkv = take((q + 2 * kv) * dim), l->attn_output = take(dim * q);
        l->gate_up = take(2 * ff * dim), l->ffn_down = take(dim * ff);
        l->keys = take(cached), l->values = take(cached);
    }
}

// configure sizes the model and takes the memory, once. It is 0, or 1 if there is not enough memory. dim, ff and
// head_dim are multiples of 16, vocab of 8, context of 4; layers are at most MOST_LAYERS. A tied model has no output
// matrix but the token embedding.
EXPORT("configure")
int configure(int dim, int ff, int layers, int heads, int kv_heads, int head_dim, int vocab, int context, int window,
              int slots, int batch, int tied, float epsilon) {
    m.dim = dim, m.ff = ff, m.layers = layers, m.heads = heads, m.kv_heads = kv_heads, m.head_dim = head_dim;
    m.vocab = vocab, m.context = context, m.window = window, m.slots = slots, m.batch = batch, m.epsilon = epsilon;
    lay_out(tied);
    u64 pages = (top + PAGE - 1) / PAGE, have = __builtin_wasm_memory_size(0);
    if (pages >= 65536)
        return 1;
    return pages > have && __builtin_wasm_memory_grow(0, pages - have) == (__SIZE_TYPE__)-1;
}

// weights is where the host writes some of the weights: matrices in the tiles of matrix.h, the others as they are.
EXPORT("weights")
float *weights(int which, int layer_index) {
    layer *l = &m.layer[layer_index];
    int q = m.heads * m.head_dim, kv = m.kv_heads * m.head_dim;
    switch (which) {
    case TOKEN_EMBD: return m.token_embd;
    case OUTPUT: return m.output;
    case OUTPUT_NORM: return m.output_norm;
    case ROPE: return m.rope;
    case ATTN_NORM: return l->attn_norm;
    case ATTN_Q: return l->qkv;
    case ATTN_K: return l->qkv + q * m.dim;
    case ATTN_V: return l->qkv + (q + kv) * m.dim;
    case ATTN_Q_NORM: return l->q_norm;
    case ATTN_K_NORM: return l->k_norm;
    case ATTN_OUTPUT: return l->attn_output;
    case POST_ATTENTION_NORM: return l->post_attention_norm;
    case FFN_NORM: return l->ffn_norm;
    case FFN_GATE: return l->gate_up;
    case FFN_UP: return l->gate_up + m.ff * m.dim;
    case FFN_DOWN: return l->ffn_down;
    case POST_FFW_NORM: return l->post_ffw_norm;
    }
    return 0;
}

// input is where the host writes a batch.
EXPORT("input")
entry *input(void) { return m.input; }

// norm is RMS normalization of `count` numbers; y may be x.
static void norm(float *y, const float *x, const float *weight, int count) {
    const f32x4 *from = (const f32x4 *)x, *w = (const f32x4 *)weight;
    f32x4 *to = (f32x4 *)y, squares = ZERO;
    for (int i = 0; i < count / 4; i++)
        squares = muladd(squares, from[i], from[i]);
    f32x4 scale = splat(1.0f / __builtin_sqrtf(sum(squares) / (float)count + m.epsilon));
    for (int i = 0; i < count / 4; i++)
        to[i] = mul(mul(from[i], scale), w[i]);
}

// rotate turns a head's pairs (i, i + half) by the angles of a position.
static void rotate(float *head, const float *angles) {
    int half = m.head_dim / 2;
    f32x4 *x = (f32x4 *)head, *y = (f32x4 *)(head + half);
    const f32x4 *cosine = (const f32x4 *)angles, *sine = (const f32x4 *)(angles + half);
    for (int i = 0; i < half / 4; i++) {
        f32x4 a = x[i], b = y[i];
        x[i] = wasm_f32x4_sub(mul(a, cosine[i]), mul(b, sine[i]));
        y[i] = add(mul(a, sine[i]), mul(b, cosine[i]));
    }
}

static float *keys_of(layer *l, entry e, int head) {
    return l->keys + (e.slot * m.kv_heads + head) * m.context * m.head_dim;
}

static float *values_of(layer *l, entry e, int head) {
    return l->values + (e.slot * m.kv_heads + head) * m.context * m.head_dim;
}

// remember normalizes and rotates a token's queries and keys, and keeps its keys and values.
static void remember(layer *l, entry e, float *qkv, int global) {
    const int hd = m.head_dim;
    const float *angles = m.rope + (global * m.context + e.position) * hd;
    float *q = qkv, *k = q + m.heads * hd, *v = k + m.kv_heads * hd;
    for (int h = 0; h < m.heads; h++, q += hd) {
        norm(q, q, l->q_norm, hd);
        rotate(q, angles);
    }
    for (int h = 0; h < m.kv_heads; h++, k += hd, v += hd) {
        norm(k, k, l->k_norm, hd);
        rotate(k, angles);
        float *key = keys_of(l, e, h) + (e.position / 4) * hd * 4 + e.position % 4;
        float *value = values_of(l, e, h) + e.position * hd;
        for (int i = 0; i < hd; i++)
            key[4 * i] = k[i], value[i] = v[i];
    }
}

// score fills m.scores from `first` to `last` with a head's attention, not yet divided by the sum, which it returns.
ALONE static float score(const float *keys, int first, int last) {
    const int hd = m.head_dim;
    f32x4 *scores = (f32x4 *)m.scores, peaks = splat(-1e30f), total = ZERO;
    for (int block = first / 4; block <= last / 4; block++) {
        const f32x4 *k = (const f32x4 *)keys + block * hd, *q = m.query;
        f32x4 a = ZERO, b = ZERO, c = ZERO, d = ZERO;
        for (const f32x4 *end = k + hd; k < end; k += 4, q += 4)
            d = muladd(d, k[3], q[3]), c = muladd(c, k[2], q[2]), b = muladd(b, k[1], q[1]), a = muladd(a, k[0], q[0]);
        v128_t at = wasm_i32x4_add(wasm_i32x4_splat(4 * block), wasm_i32x4_const(0, 1, 2, 3));
        v128_t before = wasm_i32x4_lt(at, wasm_i32x4_splat(first)), after = wasm_i32x4_gt(at, wasm_i32x4_splat(last));
        scores[block] = wasm_v128_bitselect(splat(-1e30f), add(add(a, b), add(c, d)), wasm_v128_or(before, after));
        peaks = wasm_f32x4_pmax(peaks, scores[block]);
    }
    f32x4 peak = splat(largest(peaks));
    for (int block = first / 4; block <= last / 4; block++) {
        scores[block] = exponential(wasm_f32x4_sub(scores[block], peak));
        total = add(total, scores[block]);
    }
    return sum(total);
}

// blend is the values from `first` to `last`, weighted with m.scores · scale.
ALONE static void blend(float *to, const float *values, int first, int last, float scale) {
    const int hd = m.head_dim;
    for (int part = 0; part < hd; part += 16) {
        f32x4 a0 = ZERO, a1 = ZERO, a2 = ZERO, a3 = ZERO, b0 = ZERO, b1 = ZERO, b2 = ZERO, b3 = ZERO;
        const f32x4 *v = (const f32x4 *)(values + first * hd + part);
        const float *s = m.scores + first, *end = m.scores + last;
        for (; s < end; s += 2) {
            const f32x4 q = splat(s[1]), p = splat(s[0]), *u = v + hd / 4;
            a3 = muladd(a3, v[3], p), a2 = muladd(a2, v[2], p), a1 = muladd(a1, v[1], p), a0 = muladd(a0, v[0], p);
            b3 = muladd(b3, u[3], q), b2 = muladd(b2, u[2], q), b1 = muladd(b1, u[1], q), b0 = muladd(b0, u[0], q);
            v = u + hd / 4;
        }
        if (s == end) {
            const f32x4 p = splat(s[0]);
            a3 = muladd(a3, v[3], p), a2 = muladd(a2, v[2], p), a1 = muladd(a1, v[1], p), a0 = muladd(a0, v[0], p);
        }
        f32x4 *y = (f32x4 *)(to + part), k = splat(scale);
        y[0] = mul(add(a0, b0), k), y[1] = mul(add(a1, b1), k), y[2] = mul(add(a2, b2), k), y[3] = mul(add(a3, b3), k);
    }
}

static void attend(layer *l, entry e, const float *queries, float *to, int global) {
    const int hd = m.head_dim, group = m.heads / m.kv_heads;
    const int first = global || e.position < m.window ? 0 : e.position - m.window + 1;
    const float scale = 1.0f / __builtin_sqrtf((float)hd);
    for (int h = 0; h < m.heads; h++, queries += hd, to += hd) {
        for (int i = 0; i < hd; i++)
            m.query[i] = splat(queries[i] * scale);
        float total = score(keys_of(l, e, h / group), first, e.position);
        blend(to, values_of(l, e, h / group), first, e.position, 1.0f / total);
    }
}

// embed is a token's row of the embedding matrix, scaled by √dim.
static void embed(float *to, int token) {
    const f32x4 *row = (const f32x4 *)(m.token_embd + token / TILE * TILE * m.dim) + token % TILE;
    f32x4 *y = (f32x4 *)to, scale = splat(__builtin_sqrtf((float)m.dim));
    for (int i = 0; i < m.dim / 4; i++)
        y[i] = mul(row[i * TILE], scale);
}

// join adds the normalized branch to what goes on.
static void join(const float *weight, int n) {
    for (int i = 0; i < n; i++) {
        f32x4 *x = (f32x4 *)(m.x + i * m.dim), *y = (f32x4 *)(m.branch + i * m.dim);
        norm((float *)y, (float *)y, weight, m.dim);
        for (int j = 0; j < m.dim / 4; j++)
            x[j] = add(x[j], y[j]);
    }
}

static void attention(layer *l, int n, int global) {
    const int width = m.heads * m.head_dim, all = width + 2 * m.kv_heads * m.head_dim;
    for (int i = 0; i < n; i++)
        norm(m.normed + i * m.dim, m.x + i * m.dim, l->attn_norm, m.dim);
    multiply(m.qkv, l->qkv, m.normed, all, m.dim, n);
    for (int i = 0; i < n; i++)
        remember(l, m.input[i], m.qkv + i * all, global);
    for (int i = 0; i < n; i++)
        attend(l, m.input[i], m.qkv + i * all, m.attended + i * width, global);
    multiply(m.branch, l->attn_output, m.attended, m.dim, width, n);
    join(l->post_attention_norm, n);
}

static void feed_forward(layer *l, int n) {
    for (int i = 0; i < n; i++)
        norm(m.normed + i * m.dim, m.x + i * m.dim, l->ffn_norm, m.dim);
    multiply(m.gate_up, l->gate_up, m.normed, 2 * m.ff, m.dim, n);
    for (int i = 0; i < n; i++) {
        const f32x4 *gate = (f32x4 *)(m.gate_up + i * 2 * m.ff), *up = gate + m.ff / 4;
        f32x4 *y = (f32x4 *)(m.gated + i * m.ff);
        for (int j = 0; j < m.ff / 4; j++)
            y[j] = mul(gelu(gate[j]), up[j]);
    }
    multiply(m.branch, l->ffn_down, m.gated, m.dim, m.ff, n);
    join(l->post_ffw_norm, n);
}

// forward works on the first n entries of the input. Entries of one slot are in the order of their positions, and at
// most one of each slot is wanted. The result is the logits of those, in the order of the entries: [wanted][vocab].
EXPORT("forward")
float *forward(int n) {
    for (int i = 0; i < n; i++)
        embed(m.x + i * m.dim, m.input[i].token);
    for (int l = 0; l < m.layers; l++) {
        attention(&m.layer[l], n, (l + 1) % 6 == 0); // each sixth layer sees everything, the others a window
        feed_forward(&m.layer[l], n);
    }
    int wanted = 0;
    for (int i = 0; i < n; i++)
        if (m.input[i].wanted)
            norm(m.normed + wanted++ * m.dim, m.x + i * m.dim, m.output_norm, m.dim);
    multiply(m.logits, m.output, m.normed, m.vocab, m.dim, wanted);
    return m.logits;
}
