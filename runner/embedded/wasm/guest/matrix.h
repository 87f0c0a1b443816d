// Matrices and their products with one or more vectors.
//
// A matrix lies in tiles of eight rows: the first four numbers of each of the eight rows, then the next four of each,
// and so on. So a tile is read from its beginning to its end with one pointer. The rows are filled up with zeros to a
// multiple of eight; the columns are a multiple of eight too.
//
// Whatever the number of vectors, each result is the sum of the same products in the same order: an answer doesn't
// depend on what else is in the batch. Both loops therefore take as many steps a turn, the last step first: then the
// highest address comes first, and the host's compiler proves with one check that all the others are inside of the
// memory too.

#pragma once

#include "vector.h"

enum { TILE = 8 };

#define __asm__ volatile("" ::: "memory");

// product1 multiplies a tile with one vector of `columns` numbers.
ALONE static void product1(const f32x4 *w, const f32x4 *x, int columns, f32x4 *y) {
    f32x4 a0 = ZERO, a1 = ZERO, a2 = ZERO, a3 = ZERO, a4 = ZERO, a5 = ZERO, a6 = ZERO, a7 = ZERO;
#define STEP(i)                                                                                    \
    {                                                                                              \
        f32x4 v = x[i];                                                                            \
        a0 = muladd(a0, w[8 * i + 0], v);                                                          \
        a1 = muladd(a1, w[8 * i + 1], v);                                                          \
        a2 = muladd(a2, w[8 * i + 2], v);                                                          \
        a3 = muladd(a3, w[8 * i + 3], v);                                                          \
        a4 = muladd(a4, w[8 * i + 4], v);                                                          \
        a5 = muladd(a5, w[8 * i + 5], v);                                                          \
        a6 = muladd(a6, w[8 * i + 6], v);                                                          \
        a7 = muladd(a7, w[8 * i + 7], v);                                                          \
    }
    for (const f32x4 *end = x + columns / 4; x < end; x += 2, w += 2 * TILE) {
        STEP(1) STEP(0)
    }
#undef STEP
    y[1] = sums(a4, a5, a6, a7);
    y[0] = sums(a0, a1, a2, a3);
}

// product2 multiplies four rows of a tile with two vectors.
ALONE static void product2(const f32x4 *w, const f32x4 *x, const f32x4 *z, int columns, f32x4 *y, f32x4 *u) {
    f32x4 a0 = ZERO, a1 = ZERO, a2 = ZERO, a3 = ZERO, b0 = ZERO, b1 = ZERO, b2 = ZERO, b3 = ZERO;
#define STEP(i)                                                                                    \
    {                                                                                              \
        f32x4 s = x[i], t = z[i], v;                                                               \
        v = w[8 * i + 0], a0 = muladd(a0, v, s), b0 = muladd(b0, v, t);                            \
        v = w[8 * i + 1], a1 = muladd(a1, v, s), b1 = muladd(b1, v, t);                            \
        v = w[8 * i + 2], a2 = muladd(a2, v, s), b2 = muladd(b2, v, t);                            \
        v = w[8 * i + 3], a3 = muladd(a3, v, s), b3 = muladd(b3, v, t);                            \
    }
    for (const f32x4 *end = x + columns / 4; x < end; x += 2, z += 2, w += 2 * TILE) {
        STEP(1) STEP(0)
    }
#undef STEP
    *y = sums(a0, a1, a2, a3);
    *u = sums(b0, b1, b2, b3);
}

// multiply is y[i] = w · x[i] for n vectors that lie one after the other, of `columns` numbers in x and `rows` in y.
ALONE static void multiply(float *y, const float *w, const float *x, int rows, int columns, int n) {
    for (int row = 0; row < rows; row += TILE, w += TILE * columns) {
        const f32x4 *tile = (const f32x4 *)w;
        int i = 0;
        for (; i + 2 <= n; i += 2) {
            const f32x4 *x0 = (const f32x4 *)(x + i * columns), *x1 = (const f32x4 *)(x + (i + 1) * columns);
            f32x4 *y0 = (f32x4 *)(y + i * rows + row), *y1 = (f32x4 *)(y + (i + 1) * rows + row);
            product2(tile, x0, x1, columns, y0, y1);
            product2(tile + 4, x0, x1, columns, y0 + 1, y1 + 1);
        }
        if (i < n)
            product1(tile, (const f32x4 *)(x + i * columns), columns, (f32x4 *)(y + i * rows + row));
    }
}
