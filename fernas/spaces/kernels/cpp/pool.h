// 3x3 pools, padding 1; the average counts real pixels only.
#pragma once

#include "vector.h"

// `index` keeps which of the nine taps was the maximum. sums: [4][C] = sum and sum of squares of the maximum, then of the
// average.
template <typename T, int V>
void pool_forward(int N, int cb, int H, int W, int Ho, int Wo, int S, const T* x, T* mx, T* av, uint8_t* index,
                  double* sums, int threads) {
    const int C = cb * V;
    typedef vec<T, V> v_t;
    const Sums<double> all(2, 4 * C, threads);
#pragma omp parallel num_threads(threads)
    {
        double* local = all.mine();
#pragma omp for schedule(static)
        for (int nb = 0; nb < N * cb; ++nb) {
            const T* src = x + long(nb) * H * W * V;
            double* to = local + (nb % cb) * V;
            for (int oy = 0; oy < Ho; ++oy) {
                const int y0 = std::max(0, oy * S - 1), y1 = std::min(H - 1, oy * S + 1);
                v_t s0{}, s1{}, s2{}, s3{};
                for (int ox = 0; ox < Wo; ++ox) {
                    const int x0 = std::max(0, ox * S - 1), x1 = std::min(W - 1, ox * S + 1);
                    v_t best = load<T, V>(src + (long(y0) * W + x0) * V), sum{};
                    v_t which = v_t{} + T((y0 - oy * S + 1) * 3 + x0 - ox * S + 1);
                    for (int yy = y0; yy <= y1; ++yy)
                        for (int xx = x0; xx <= x1; ++xx) {
                            const v_t v = load<T, V>(src + (long(yy) * W + xx) * V);
                            const v_t t = v_t{} + T((yy - oy * S + 1) * 3 + xx - ox * S + 1);
                            which = v > best ? t : which;
                            best = v > best ? v : best;
                            sum += v;
                        }
                    sum *= T(1) / T((y1 - y0 + 1) * (x1 - x0 + 1));
                    const long at = ((long(nb) * Ho + oy) * Wo + ox) * V;
                    store<T, V>(mx + at, best);
                    store<T, V>(av + at, sum);
                    for (int i = 0; i < V; ++i) index[at + i] = uint8_t(which[i]);
                    s0 += best, s1 += best * best, s2 += sum, s3 += sum * sum;
                }
                for (int i = 0; i < V; ++i)
                    to[i] += s0[i], to[C + i] += s1[i], to[2 * C + i] += s2[i], to[3 * C + i] += s3[i];
            }
        }
    }
    all.write(sums, 0, 4 * C);
}

// Gradient of the source through both pools and, at stride 1, through the skip connections.
// d max = sum_e cmax[e]*f_e*g_e + bmax*mx + dmax, the same for the average; dx = pools' transposes + sum_e cskip[e]*f_e*g_e.
// coef: [3*edges + 4][C], rows: cmax[e], cavg[e], cskip[e], then bmax, dmax, bavg, davg. factor: [edges][N] or null.
// mx null: no pool, the skips alone.
template <typename T, int V>
void pool_backward(int N, int cb, int H, int W, int Ho, int Wo, int S, int edges, const T* const* g, const T* mx,
                   const T* av, const uint8_t* index, const T* coef, const T* factor, T* dx, int add, int threads) {
    const int C = cb * V;
    const long rs = long(W + 4) * V;
    typedef vec<T, V> v_t;
#pragma omp parallel num_threads(threads)
    {
        T* dr = scratch<T>(3, (H + 4) * rs);
        std::vector<v_t> cm(edges), ca(edges), cs(edges);
#pragma omp for schedule(static)
        for (int nb = 0; nb < N * cb; ++nb) {
            const T* cf = coef + (nb % cb) * V;
            for (int e = 0; e < edges; ++e) {
                const T f = factor ? factor[long(e) * N + nb / cb] : T(1);
                cm[e] = f * load<T, V>(cf + e * C);
                ca[e] = f * load<T, V>(cf + (edges + e) * C);
                cs[e] = f * load<T, V>(cf + (2 * edges + e) * C);
            }
            const v_t bm = load<T, V>(cf + 3 * edges * C), dmx = load<T, V>(cf + (3 * edges + 1) * C),
                      ba = load<T, V>(cf + (3 * edges + 2) * C), dav = load<T, V>(cf + (3 * edges + 3) * C);
            if (!mx) {
                for (long i = 0; i < long(H) * W; ++i) {
                    const long at = (long(nb) * H * W + i) * V;
                    v_t sk = add ? load<T, V>(dx + at) : v_t{};
                    for (int e = 0; e < edges && S == 1; ++e) sk += cs[e] * load<T, V>(g[e] + at);
                    store<T, V>(dx + at, sk);
                }
                continue;
            }
            std::memset(dr, 0, (H + 4) * rs * sizeof(T));
            for (int oy = 0; oy < Ho; ++oy) {
                const int ny = std::min(H - 1, oy * S + 1) - std::max(0, oy * S - 1) + 1;
                for (int ox = 0; ox < Wo; ++ox) {
                    const int nx = std::min(W - 1, ox * S + 1) - std::max(0, ox * S - 1) + 1;
                    const long at = ((long(nb) * Ho + oy) * Wo + ox) * V;
                    v_t dm = bm * load<T, V>(mx + at) + dmx;
                    v_t da = ba * load<T, V>(av + at) + dav;
                    v_t sk{};
                    for (int e = 0; e < edges; ++e) {
                        const v_t ge = load<T, V>(g[e] + at);
                        dm += cm[e] * ge;
                        da += ca[e] * ge;
                        sk += cs[e] * ge;
                    }
                    da *= T(1) / T(nx * ny);
                    v_t which{};
                    for (int i = 0; i < V; ++i) which[i] = T(index[at + i]);
                    T* d = dr + (oy * S) * rs + (ox * S) * V;  // the padded map starts at pixel (-1, -1)
                    const v_t zero{};
                    UNROLL for (int t = 0; t < 9; ++t) {
                        T* q = d + (t / 3) * rs + (t % 3) * V;
                        const v_t tv = v_t{} + T(t);
                        store<T, V>(q, load<T, V>(q) + (da + (which == tv ? dm : zero)));
                    }
                    if (S == 1) {
                        T* q = d + rs + V;
                        store<T, V>(q, load<T, V>(q) + sk);
                    }
                }
            }
            for (int y = 0; y < H; ++y) {
                T* to = dx + (long(nb) * H + y) * W * V;
                const T* from = dr + (y + 1) * rs + V;
                if (add)
                    for (int i = 0; i < W; ++i) store<T, V>(to + i * V, load<T, V>(to + i * V) + load<T, V>(from + i * V));
                else
                    std::memcpy(to, from, size_t(W) * V * sizeof(T));
            }
        }
    }
}
