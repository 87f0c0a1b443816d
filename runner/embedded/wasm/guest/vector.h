// Arithmetic on four numbers at a time, and the few functions that a guest without a libc needs.

#pragma once

#include <wasm_simd128.h>

typedef v128_t f32x4;

// ALONE keeps a function from being inlined: the host's compiler keeps the numbers of a small function in registers, but
// those of a large one on the stack.
#define ALONE __attribute__((noinline))

#define ZERO wasm_f32x4_const_splat(0)

static inline f32x4 splat(float a) { return wasm_f32x4_splat(a); }
static inline f32x4 add(f32x4 a, f32x4 b) { return wasm_f32x4_add(a, b); }
static inline f32x4 mul(f32x4 a, f32x4 b) { return wasm_f32x4_mul(a, b); }
static inline f32x4 muladd(f32x4 sum, f32x4 a, f32x4 b) { return add(sum, mul(a, b)); }

static inline float sum(f32x4 a) {
    a = add(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(a, 0) + wasm_f32x4_extract_lane(a, 1);
}

static inline float largest(f32x4 a) {
    a = wasm_f32x4_pmax(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
    a = wasm_f32x4_pmax(a, wasm_i32x4_shuffle(a, a, 1, 0, 3, 2));
    return wasm_f32x4_extract_lane(a, 0);
}

// sums is {sum(a), sum(b), sum(c), sum(d)}.
static inline f32x4 sums(f32x4 a, f32x4 b, f32x4 c, f32x4 d) {
    f32x4 ab = add(wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), wasm_i32x4_shuffle(a, b, 2, 3, 6, 7));
    f32x4 cd = add(wasm_i32x4_shuffle(c, d, 0, 1, 4, 5), wasm_i32x4_shuffle(c, d, 2, 3, 6, 7));
    return add(wasm_i32x4_shuffle(ab, cd, 0, 2, 4, 6), wasm_i32x4_shuffle(ab, cd, 1, 3, 5, 7));
}

// exponential is eˣ to about one unit in the last place, with x held between −87 and 88, where a float ends. It is
// Cephes' expf: x is taken apart into n·ln 2 + r, and eʳ is a polynomial for |r| ≤ ln 2 / 2.
static inline f32x4 exponential(f32x4 x) {
    x = wasm_f32x4_pmin(wasm_f32x4_pmax(x, splat(-87.0f)), splat(88.0f));
    f32x4 n = wasm_f32x4_nearest(mul(x, splat(1.44269504088896341f)));
    f32x4 r = muladd(x, n, splat(-0.693359375f));
    r = muladd(r, n, splat(2.12194440e-4f));
    f32x4 p = splat(1.9875691500e-4f);
    p = muladd(splat(1.3981999507e-3f), p, r);
    p = muladd(splat(8.3334519073e-3f), p, r);
    p = muladd(splat(4.1665795894e-2f), p, r);
    p = muladd(splat(1.6666665459e-1f), p, r);
    p = muladd(splat(5.0000001201e-1f), p, r);
    p = add(muladd(r, p, mul(r, r)), splat(1.0f));
    v128_t power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_const_splat(127)), 23);
    return mul(p, power);
}

// gelu is x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), written with ½ (1 + tanh z) = 1 / (1 + e⁻²ᶻ).
static inline f32x4 gelu(f32x4 x) {
    f32x4 cubed = mul(mul(x, x), x);
    f32x4 z = mul(splat(0.7978845608f), muladd(x, splat(0.044715f), cubed));
    return wasm_f32x4_div(x, add(splat(1.0f), exponential(mul(splat(-2.0f), z))));
}
