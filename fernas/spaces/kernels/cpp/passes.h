// Element-wise passes: the sum of a node, and the sums that alpha gradients and BatchNorm backward need.
#pragma once

#include "vector.h"

// out = sum over k of coef[k][c] * factor[k][n] * in[k] + bias[n][c]; `factor` may be null (all ones), and `bias_step` is
// the distance of two images' biases (0: one for all). Planes of `pixels` pixels.
template <typename T, int V>
void combine(int N, int cb, long pixels, int count, const T* const* in, const T* coef, const T* factor, const T* bias,
             long bias_step, T* out, int threads) {
    constexpr int TILE = 64;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int nb = 0; nb < N * cb; ++nb) {
        const int c = (nb % cb) * V, n = nb / cb;
        const long base = nb * pixels * V;
        const vec<T, V> bv = load<T, V>(bias + n * bias_step + c);
        for (long p0 = 0; p0 < pixels; p0 += TILE) {
            const int m = int(std::min<long>(TILE, pixels - p0));
            T* o = out + base + p0 * V;
            for (int k = 0; k < count; k += 4) {
                vec<T, V> w[4];
                const T* q[4];
                for (int j = 0; j < 4; ++j) {
                    const int i = std::min(k + j, count - 1);
                    w[j] = load<T, V>(coef + (long(i) * cb * V + c));
                    if (factor) w[j] *= factor[long(i) * N + n];
                    if (k + j >= count) w[j] = vec<T, V>{};
                    q[j] = in[i] + base + p0 * V;
                    if (k + j + 4 < count) fetch<T, V>(in[k + j + 4] + base + p0 * V, std::min(m, 16));
                }
                for (int i = 0; i < m; ++i) {
                    vec<T, V> a = k ? load<T, V>(o + i * V) : bv;
                    UNROLL for (int j = 0; j < 4; ++j) a += w[j] * load<T, V>(q[j] + i * V);
                    store<T, V>(o + i * V, a);
                }
            }
        }
    }
}

// sums[k][c] = sum over images and pixels of factor[k][n] * g[k] * b[k], or of factor * g alone where b[k] is null.
template <typename T, int V>
void products(int N, int cb, long pixels, int count, const T* const* g, const T* const* b, const T* factor,
              double* sums, int threads) {
    constexpr int TILE = 128;
    const size_t total = size_t(count) * cb * V;
    const Sums<double> all(2, total, threads);
#pragma omp parallel num_threads(threads)
    {
        double* local = all.mine();
#pragma omp for schedule(static)
        for (int nb = 0; nb < N * cb; ++nb) {
            const int c = (nb % cb) * V, n = nb / cb;
            for (long p0 = 0; p0 < pixels; p0 += TILE) {
                const int m = int(std::min<long>(TILE, pixels - p0));
                const long at = (nb * pixels + p0) * V;
                for (int k = 0; k < count; ++k) {
                    const T* gp = g[k] + at;
                    const T* bp = b[k];
                    if (k + 1 < count && b[k + 1]) fetch<T, V>(b[k + 1] + at, m);
                    vec<T, V> a[4] = {};
                    int i = 0;
                    if (bp) {
                        bp += at;
                        for (; i + 4 <= m; i += 4)
                            UNROLL for (int j = 0; j < 4; ++j)
                                a[j] += load<T, V>(gp + (i + j) * V) * load<T, V>(bp + (i + j) * V);
                        for (; i < m; ++i) a[0] += load<T, V>(gp + i * V) * load<T, V>(bp + i * V);
                    } else {
                        for (; i < m; ++i) a[i & 3] += load<T, V>(gp + i * V);
                    }
                    const T f = factor ? factor[long(k) * N + n] : T(1);
                    const vec<T, V> r = ((a[0] + a[1]) + (a[2] + a[3])) * f;
                    double* to = local + size_t(k) * cb * V + c;
                    for (int j = 0; j < V; ++j) to[j] += r[j];
                }
            }
        }
    }
    all.write(sums, 0, total);
}
