// The convolution terms of one source state: all operations of all edges that leave it, on one padded, activated copy of
// the image that stays in the cache.
#pragma once

#include "depthwise.h"
#include "gemm.h"

enum { DEPTH_POINT = 0, FULL = 1, REDUCE = 2 };  // depthwise + 1x1; k x k; the two sub-sampled 1x1 of FactorizedReduce
enum { ACT_NONE = 0, ACT_RELU = 1, ACT_AFFINE_RELU = 2 };

struct Shape {
    int N, G, cbi, H, W, Ho, Wo, S, cbo, act;
};

struct Op {
    int type, k, dil;
    int pad() const { return type == DEPTH_POINT ? dil * (k / 2) : type == FULL ? k / 2 : 0; }
    int taps() const { return type == DEPTH_POINT ? 1 : type == FULL ? k * k : 2; }
    int ty(int t) const { return type == FULL ? t / k - k / 2 : t; }
    int tx(int t) const { return type == FULL ? t % k - k / 2 : t; }
};

struct Padded {  // the padded copy of one image: [blocks][Hp][Wp][V]
    int P, Hp, Wp, blocks;
    long rs, plane;
    Padded(const Shape& s, const Op* ops, int nops, int V) {
        P = 1;
        for (int i = 0; i < nops; ++i) P = std::max(P, ops[i].pad());
        Hp = s.H + 2 * P + 2;
        Wp = s.W + 2 * P + 2;
        blocks = s.G * s.cbi;
        rs = long(Wp) * V;
        plane = rs * Hp;
    }
    size_t size() const { return size_t(plane) * blocks + 64 * 16; }
};

template <typename T, int V>
inline long block_offset(const Shape& s, int n, int b) {  // of an input block, in elements
    return ((long(b / s.cbi) * s.N + n) * s.cbi + b % s.cbi) * long(s.H) * s.W * V;
}

template <typename T, int V>
void fill_padded(const Shape& s, const Padded& p, int n, const T* x, const T* scale, const T* shift, T* dst) {
    for (int b = 0; b < p.blocks; ++b) {
        const T* src = x + block_offset<T, V>(s, n, b);
        vec<T, V> sc{}, sh{};
        if (s.act == ACT_AFFINE_RELU) sc = load<T, V>(scale + b * V), sh = load<T, V>(shift + b * V);
        for (int r = 0; r < p.Hp; ++r) {
            T* d = dst + b * p.plane + r * p.rs;
            const int y = r - p.P;
            if (y < 0 || y >= s.H) {
                std::memset(d, 0, p.rs * sizeof(T));
                continue;
            }
            std::memset(d, 0, p.P * V * sizeof(T));
            d += p.P * V;
            const T* q = src + long(y) * s.W * V;
            if (s.act == ACT_AFFINE_RELU)
                for (int i = 0; i < s.W; ++i)
                    store<T, V>(d + i * V, positive<T, V>(load<T, V>(q + i * V) * sc + sh));
            else if (s.act == ACT_RELU)
                for (int i = 0; i < s.W; ++i) store<T, V>(d + i * V, positive<T, V>(load<T, V>(q + i * V)));
            else
                std::memcpy(d, q, size_t(s.W) * V * sizeof(T));
            std::memset(d + s.W * V, 0, (p.rs - (p.P + s.W) * V) * sizeof(T));
        }
    }
}

template <typename T, int V>
inline void add_stats(const T* y, long cn, int M, int cbo, double* sum, double* square) {
    for (int c = 0; c < cbo; ++c) {
        vec<T, V> a{}, b{};
        for (int m = 0; m < M; ++m) {
            const vec<T, V> v = load<T, V>(y + c * cn + m * V);
            a += v;
            b += v * v;
        }
        for (int i = 0; i < V; ++i) sum[c * V + i] += a[i], square[c * V + i] += b[i];
    }
}

inline int tile_rows(int Wo, int Ho) { return std::min(Ho, std::max(1, 64 / Wo)); }

// y[o] = op_o(act(x)); sums: [nops][2][Co], of y and of its square.
template <typename T, int V, int S>
void conv_forward_s(const Shape& s, const T* x, const T* scale, const T* shift, int nops, const Op* ops,
                    const T* const* dw, const T* const* pw, T* const* y, double* sums, int threads) {
    const Padded p(s, ops, nops, V);
    const int R = tile_rows(s.Wo, s.Ho), Co = s.cbo * V;
    const long um = (long(R) * s.Wo + 16) * V, cn = long(s.Ho) * s.Wo * V;
    const size_t nsum = size_t(nops) * 2 * Co;
    const Sums<double> all(2, nsum, threads);
#pragma omp parallel num_threads(threads)
    {
        T* pad = scratch<T>(0, p.size());
        T* u = scratch<T>(1, um * p.blocks);
        double* local = all.mine();
        std::vector<const T*> seg(size_t(p.blocks) * 9);
#pragma omp for schedule(static)
        for (int n = 0; n < s.N; ++n) {
            fill_padded<T, V>(s, p, n, x, scale, shift, pad);
            for (int o = 0; o < nops; ++o) {
                const Op& op = ops[o];
                double* sum = local + size_t(o) * 2 * Co;
                T* out = y[o] + n * s.cbo * cn;
                if (op.type == DEPTH_POINT) {
                    const int d = p.P - op.pad(), kk = op.k * op.k;
                    for (int oy = 0; oy < s.Ho; oy += R) {
                        const int rows = std::min(R, s.Ho - oy), M = rows * s.Wo;
                        for (int b = 0; b < p.blocks; ++b) {
                            for (int r = 0; r < rows; ++r)
                                depth_row<T, V, S>(pad + b * p.plane + ((oy + r) * S + d) * p.rs + d * V, p.rs, op.k,
                                                   op.dil, dw[o] + b * kk * V, V, u + b * um + r * s.Wo * V, s.Wo,
                                                   false);
                            seg[b] = u + b * um;
                        }
                        T* c = out + long(oy) * s.Wo * V;
                        gemm<T, V, V, 1>(M, s.cbo, p.blocks, seg.data(), V, pw[o], Co, V, c, V, cn, false);
                        add_stats<T, V>(c, cn, M, s.cbo, sum, sum + Co);
                    }
                } else {
                    for (int oy = 0; oy < s.Ho; ++oy) {
                        int i = 0;
                        for (int t = 0; t < op.taps(); ++t)
                            for (int b = 0; b < p.blocks; ++b)
                                seg[i++] = pad + b * p.plane + (oy * S + op.ty(t) + p.P) * p.rs + (op.tx(t) + p.P) * V;
                        T* c = out + long(oy) * s.Wo * V;
                        gemm<T, V, S * V, 1>(s.Wo, s.cbo, i, seg.data(), V, pw[o], Co, V, c, V, cn, false);
                        add_stats<T, V>(c, cn, s.Wo, s.cbo, sum, sum + Co);
                    }
                }
            }
        }
    }
    all.write(sums, 0, nsum);
}

// The gradient of a term's product y is coef[0]*f*g + coef[1]*y + coef[2], channel by channel (BatchNorm backward and the
// factor softmax(alpha) in one); f = factor[o][n], one per image (drop path), or 1 where `factor` is null. The gradient of
// the source is masked by the activation and written or added to dx. sums: [2][Ci], of dx before adding and of dx * x.
template <typename T, int V, int S>
void conv_backward_s(const Shape& s, const T* x, const T* scale, const T* shift, int nops, const Op* ops,
                     const T* const* dw, const T* const* pwt, const T* const* y, const T* const* g, const T* coef,
                     const T* factor, T* dx, int add, double* sums, T* const* ddw, T* const* dpw, int need_w,
                     int threads) {
    const Padded p(s, ops, nops, V);
    const int R = tile_rows(s.Wo, s.Ho), Co = s.cbo * V, Ci = p.blocks * V, maxb = std::max(s.cbo, p.blocks);
    const long um = (long(R) * s.Wo + 16) * V, cn = long(s.Ho) * s.Wo * V;
    std::vector<size_t> dw_at(nops), pw_at(nops);
    size_t total = 0;
    for (int o = 0; o < nops; ++o) {
        dw_at[o] = total;
        total += ops[o].type == DEPTH_POINT ? size_t(ops[o].k) * ops[o].k * Ci : 0;
        pw_at[o] = total;
        total += size_t(ops[o].taps()) * Ci * Co;
    }
    const Sums<double> all(2, sums ? 2 * Ci : 0, threads);
    const Sums<T> weights(7, need_w ? total : 0, threads);
#pragma omp parallel num_threads(threads)
    {
        T* pad = scratch<T>(0, p.size());
        T* u = scratch<T>(1, um * maxb);
        T* dr = scratch<T>(3, p.size());   // gradient of the padded input
        T* dvp = scratch<T>(4, p.size());  // padded gradient of the depthwise output (stride 1)
        T* dy = scratch<T>(5, um * s.cbo);
        T* dv = scratch<T>(6, um * p.blocks);
        double* local = all.mine();
        T* wsum = weights.mine();
        std::vector<const T*> seg(maxb);
        std::memset(dvp, 0, p.size() * sizeof(T));
#pragma omp for schedule(static)
        for (int n = 0; n < s.N; ++n) {
            if (need_w) fill_padded<T, V>(s, p, n, x, scale, shift, pad);
            const bool fresh = S == 1 && nops == 1 && ops[0].type == DEPTH_POINT;  // then dr is written, not added to
            if (!fresh) std::memset(dr, 0, p.size() * sizeof(T));
            for (int o = 0; o < nops; ++o) {
                const Op& op = ops[o];
                const int d = p.P - op.pad(), kk = op.k * op.k;
                const T* ca = coef + size_t(o) * 3 * Co;
                const T f = factor ? factor[long(o) * s.N + n] : T(1);
                int done = 0;  // finished rows of the input gradient
                for (int oy = 0; oy < s.Ho; oy += R) {
                    const int rows = std::min(R, s.Ho - oy), M = rows * s.Wo;
                    for (int c = 0; c < s.cbo; ++c) {
                        const long at = (n * s.cbo + c) * cn + long(oy) * s.Wo * V;
                        const vec<T, V> A = f * load<T, V>(ca + c * V), B = load<T, V>(ca + Co + c * V),
                                        D = load<T, V>(ca + 2 * Co + c * V);
                        for (int m = 0; m < M; ++m)
                            store<T, V>(dy + c * um + m * V,
                                        A * load<T, V>(g[o] + at + m * V) + (B * load<T, V>(y[o] + at + m * V) + D));
                    }
                    const int next = std::min(M, (s.Ho - oy - rows) * s.Wo);  // pixels of the next tile
                    const long ahead = n * s.cbo * cn + long(oy + rows) * s.Wo * V;
                    for (int c = 0; c < s.cbo; ++c) fetch<T, V>(y[o] + ahead + c * cn, next);
                    if (op.type == DEPTH_POINT) {
                        for (int c = 0; c < s.cbo; ++c) seg[c] = dy + c * um;
                        gemm<T, V, V, 1>(M, p.blocks, s.cbo, seg.data(), V, pwt[o], Ci, V, dv, V, um, false);
                        for (int c = 0; c < s.cbo; ++c) fetch<T, V>(g[o] + ahead + c * cn, next);
                        for (int b = 0; b < p.blocks; ++b)
                            for (int r = 0; r < rows; ++r) {
                                const T* in = pad + b * p.plane + ((oy + r) * S + d) * p.rs + d * V;
                                const T* dvr = dv + b * um + r * s.Wo * V;
                                if (need_w) {
                                    depth_row<T, V, S>(in, p.rs, op.k, op.dil, dw[o] + b * kk * V, V,
                                                       u + b * um + r * s.Wo * V, s.Wo, false);
                                    depth_weight_row<T, V, S>(in, p.rs, op.k, op.dil, dvr, s.Wo,
                                                              wsum + dw_at[o] + b * kk * V);
                                }
                                if (S == 1)
                                    std::memcpy(dvp + b * p.plane + (oy + r + p.P) * p.rs + p.P * V, dvr,
                                                size_t(s.Wo) * V * sizeof(T));
                                else
                                    depth_scatter<T, V, S>(dr + b * p.plane + ((oy + r) * S + d) * p.rs + d * V, p.rs,
                                                           op.k, op.dil, dw[o] + b * kk * V, dvr, s.Wo);
                            }
                        if (S == 1) {  // correlate with the flipped kernel, as far as the rows written so far allow
                            const int upto = oy + rows == s.Ho ? s.H : std::max(done, oy + rows - op.pad());
                            for (int b = 0; b < p.blocks; ++b)
                                for (int r = done; r < upto; ++r)
                                    depth_row<T, V, 1>(dvp + b * p.plane + (r + d) * p.rs + d * V, p.rs, op.k, op.dil,
                                                       dw[o] + (b * kk + kk - 1) * V, -V,
                                                       dr + b * p.plane + (r + p.P) * p.rs + p.P * V, s.W, !fresh);
                            done = upto;
                        }
                        if (need_w)
                            for (int b = 0; b < p.blocks; ++b) {
                                const T* a = u + b * um;
                                gemm<T, V, 1, V>(V, s.cbo, 1, &a, M, dy, V, um, wsum + pw_at[o] + b * V * Co, Co, V,
                                                 true);
                            }
                    } else {
                        for (int r = 0; r < rows; ++r)
                            for (int t = 0; t < op.taps(); ++t) {
                                const long at = ((oy + r) * S + op.ty(t) + p.P) * p.rs + (op.tx(t) + p.P) * V;
                                for (int c = 0; c < s.cbo; ++c) seg[c] = dy + c * um + r * s.Wo * V;
                                const T* wt = pwt[o] + size_t(t) * Co * Ci;
                                gemm<T, V, V, 1>(s.Wo, p.blocks, s.cbo, seg.data(), V, wt, Ci, V, dr + at, S * V,
                                                 p.plane, true);
                                if (need_w)
                                    for (int b = 0; b < p.blocks; ++b) {
                                        const T* a = pad + b * p.plane + at;
                                        gemm<T, V, 1, S * V>(V, s.cbo, 1, &a, s.Wo, dy + r * s.Wo * V, V, um,
                                                             wsum + pw_at[o] + (size_t(t) * Ci + b * V) * Co, Co, V,
                                                             true);
                                    }
                            }
                    }
                }
            }
            for (int b = 0; b < p.blocks; ++b) {
                const long at = block_offset<T, V>(s, n, b);
                const vec<T, V> zero{};
                vec<T, V> sc = zero + T(1), sh = zero;
                if (s.act == ACT_AFFINE_RELU) sc = load<T, V>(scale + b * V), sh = load<T, V>(shift + b * V);
                for (int r = 0; r < s.H; ++r) {
                    const long q = b * p.plane + (r + p.P) * p.rs + p.P * V;
                    vec<T, V> s1{}, s2{};
                    for (int i = 0; i < s.W; ++i) {
                        vec<T, V> v = load<T, V>(dr + q + i * V);
                        const vec<T, V> xv = load<T, V>(x + at + (long(r) * s.W + i) * V);
                        if (s.act != ACT_NONE) v = xv * sc + sh > zero ? v : zero;
                        T* to = dx + at + (long(r) * s.W + i) * V;
                        if (sums) {
                            s1 += v;
                            s2 += v * xv;
                        }
                        store<T, V>(to, add ? v + load<T, V>(to) : v);
                    }
                    if (sums)
                        for (int i = 0; i < V; ++i) local[b * V + i] += s1[i], local[Ci + b * V + i] += s2[i];
                }
            }
        }
    }
    if (sums) all.write(sums, 0, 2 * Ci);
    if (need_w)
        for (int o = 0; o < nops; ++o) {
            if (ops[o].type == DEPTH_POINT) weights.write(ddw[o], dw_at[o], size_t(ops[o].k) * ops[o].k * Ci);
            weights.write(dpw[o], pw_at[o], size_t(ops[o].taps()) * Ci * Co);
        }
}
