// Ghost: z1 = relu(sc1*y1 + sh1) and z2 = relu(sc2*y2 + sh2), hb blocks each, make the two halves of C = cb*V channels.
// Either both halves are whole blocks (cb = 2*hb) or both lie in one block (cb = hb = 1, the upper lanes of z unused).
// coef: [4][hb*V] = sc1, sh1, sc2, sh2. scale: [N], one factor per image.
#pragma once

#include "vector.h"

template <typename T, int V>
struct Lanes {
    typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type I;
    typedef vec<I, V> mask;
    static vec<T, V> merge(vec<T, V> a, vec<T, V> b) {  // lower lanes of a, then lower lanes of b
        mask m;
        for (int i = 0; i < V; ++i) m[i] = i < V / 2 ? i : V + i - V / 2;
        return __builtin_shuffle(a, b, m);
    }
    static vec<T, V> lower(vec<T, V> a) { return merge(a, vec<T, V>{}); }
    static vec<T, V> upper(vec<T, V> a) {
        mask m;
        for (int i = 0; i < V; ++i) m[i] = i < V / 2 ? i + V / 2 : V + i;
        return __builtin_shuffle(a, vec<T, V>{}, m);
    }
};

// out += scale * [z1, z2]
template <typename T, int V>
void ghost_out(int N, int cb, int hb, long pixels, const T* y1, const T* y2, const T* coef, const T* scale, T* out,
               int threads) {
    const long hc = long(hb) * V;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int nb = 0; nb < N * hb; ++nb) {
        const int n = nb / hb, h = nb % hb;
        const T* c = coef + h * V;
        const vec<T, V> a1 = load<T, V>(c), b1 = load<T, V>(c + hc), a2 = load<T, V>(c + 2 * hc),
                        b2 = load<T, V>(c + 3 * hc);
        T* o1 = out + (long(n) * cb + h) * pixels * V;
        T* o2 = o1 + hb * pixels * V;
        const T *p1 = y1 + nb * pixels * V, *p2 = y2 + nb * pixels * V;
        for (long i = 0; i < pixels * V; i += V) {
            const vec<T, V> z1 = positive<T, V>(load<T, V>(p1 + i) * a1 + b1),
                            z2 = positive<T, V>(load<T, V>(p2 + i) * a2 + b2);
            if (cb == hb) {
                store<T, V>(o1 + i, load<T, V>(o1 + i) + scale[n] * Lanes<T, V>::merge(z1, z2));
            } else {
                store<T, V>(o1 + i, load<T, V>(o1 + i) + scale[n] * z1);
                store<T, V>(o2 + i, load<T, V>(o2 + i) + scale[n] * z2);
            }
        }
    }
}

// d1, d2 = scale * g masked by z1, z2 > 0. sums: [5][hb*V] = g*z (both halves, without scale), d1, d1*y1, d2, d2*y2.
template <typename T, int V>
void ghost_grad(int N, int cb, int hb, long pixels, const T* g, const T* y1, const T* y2, const T* coef, const T* scale,
                T* d1, T* d2, double* sums, int threads) {
    const long hc = long(hb) * V;
    const Sums<double> all(2, 5 * hc, threads);
#pragma omp parallel num_threads(threads)
    {
        double* local = all.mine();
#pragma omp for schedule(static)
        for (int nb = 0; nb < N * hb; ++nb) {
            const int n = nb / hb, h = nb % hb;
            const T* c = coef + h * V;
            const vec<T, V> a1 = load<T, V>(c), b1 = load<T, V>(c + hc), a2 = load<T, V>(c + 2 * hc),
                            b2 = load<T, V>(c + 3 * hc), zero{};
            const T* g1 = g + (long(n) * cb + h) * pixels * V;
            const T* g2 = g1 + hb * pixels * V;
            const long base = nb * pixels * V;
            for (long p0 = 0; p0 < pixels; p0 += 128) {
                vec<T, V> s[5] = {};
                for (long i = p0 * V; i < std::min(pixels, p0 + 128) * V; i += V) {
                    const vec<T, V> u1 = load<T, V>(y1 + base + i), u2 = load<T, V>(y2 + base + i);
                    const vec<T, V> z1 = u1 * a1 + b1, z2 = u2 * a2 + b2;
                    vec<T, V> v1 = load<T, V>(g1 + i), v2;
                    if (cb == hb)
                        v2 = Lanes<T, V>::upper(v1), v1 = Lanes<T, V>::lower(v1);
                    else
                        v2 = load<T, V>(g2 + i);
                    v1 = z1 > zero ? v1 : zero;
                    v2 = z2 > zero ? v2 : zero;
                    s[0] += v1 * z1 + v2 * z2;
                    v1 *= scale[n];
                    v2 *= scale[n];
                    s[1] += v1, s[2] += v1 * u1, s[3] += v2, s[4] += v2 * u2;
                    store<T, V>(d1 + base + i, v1);
                    store<T, V>(d2 + base + i, v2);
                }
                for (int k = 0; k < 5; ++k)
                    for (int i = 0; i < V; ++i) local[k * hc + h * V + i] += s[k][i];
            }
        }
    }
    all.write(sums, 0, 5 * hc);
}
