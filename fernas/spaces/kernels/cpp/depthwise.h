// Depthwise convolution of one row of one block. `src` points at the first tap of the first output pixel, `rs` is the
// distance of two rows. Up to three pixels beyond `Wo` are written (the callers leave room).
#pragma once

#include "vector.h"

// PX output pixels at once. Every input pixel is loaded once per row of the kernel and meets all taps that it belongs to.
template <typename T, int V, int S, int K, int D, int PX>
inline void depth_block(const T* src, long rs, const T* w, long wstep, T* out, bool acc) {
    vec<T, V> a[PX];
    if (acc) {
        UNROLL for (int p = 0; p < PX; ++p) a[p] = load<T, V>(out + p * V);
    } else {
        UNROLL for (int p = 0; p < PX; ++p) a[p] = vec<T, V>{};
    }
    for (int ky = 0; ky < K; ++ky) {
        const T* q = src + ky * D * rs;
        if constexpr (ACC >= 16) {
            vec<T, V> taps[K];
            UNROLL for (int kx = 0; kx < K; ++kx) taps[kx] = load<T, V>(w + kx * wstep);
            UNROLL for (int i = 0; i < (PX - 1) * S + (K - 1) * D + 1; ++i) {
                const vec<T, V> v = load<T, V>(q + i * V);
                UNROLL for (int kx = 0; kx < K; ++kx)
                    if (i >= kx * D && (i - kx * D) % S == 0 && (i - kx * D) / S < PX)
                        a[(i - kx * D) / S] += taps[kx] * v;
            }
        } else {  // too few registers for that
            for (int kx = 0; kx < K; ++kx) {
                const vec<T, V> tap = load<T, V>(w + kx * wstep);
                UNROLL for (int p = 0; p < PX; ++p) a[p] += tap * load<T, V>(q + (p * S + kx * D) * V);
            }
        }
        w += K * wstep;
    }
    UNROLL for (int p = 0; p < PX; ++p) store<T, V>(out + p * V, a[p]);
}

template <typename T, int V, int S, int K, int D>
void depth_row_k(const T* src, long rs, const T* w, long wstep, T* out, int Wo, bool acc) {
    int x = 0;
    if constexpr (ACC >= 16)
        for (; x + 16 <= Wo; x += 16) depth_block<T, V, S, K, D, 16>(src + x * S * V, rs, w, wstep, out + x * V, acc);
    if constexpr (ACC >= 8)
        for (; x + 8 <= Wo; x += 8) depth_block<T, V, S, K, D, 8>(src + x * S * V, rs, w, wstep, out + x * V, acc);
    for (; x < Wo; x += 4) depth_block<T, V, S, K, D, 4>(src + x * S * V, rs, w, wstep, out + x * V, acc);
}

// Kernels of 3x3 and 5x5, dilation 1 and 2; `wstep` = V, or -V for the flipped kernel.
template <typename T, int V, int S>
void depth_row(const T* src, long rs, int k, int dil, const T* w, long wstep, T* out, int Wo, bool acc) {
    auto f = k == 3 ? (dil == 1 ? depth_row_k<T, V, S, 3, 1> : depth_row_k<T, V, S, 3, 2>)
                    : (dil == 1 ? depth_row_k<T, V, S, 5, 1> : depth_row_k<T, V, S, 5, 2>);
    f(src, rs, w, wstep, out, Wo, acc);
}

// Input gradient of a strided depthwise convolution: one row of dv is added into the padded gradient map.
template <typename T, int V, int S>
void depth_scatter(T* dst, long rs, int k, int dil, const T* w, const T* dv, int Wo) {
    for (int ky = 0; ky < k; ++ky)
        for (int kx = 0; kx < k; ++kx) {
            const vec<T, V> wv = load<T, V>(w + (ky * k + kx) * V);
            T* q = dst + ky * dil * rs + kx * dil * V;
            for (int x = 0; x < Wo; ++x)
                store<T, V>(q + x * S * V, load<T, V>(q + x * S * V) + wv * load<T, V>(dv + x * V));
        }
}

// Weight gradient of a depthwise convolution, one row: dw[ky][kx] += sum over x of dv[x] * src[...].
template <typename T, int V, int S, int K, int D>
void depth_weight_row_k(const T* src, long rs, const T* dv, int Wo, T* dw) {
    if constexpr (K == 3) {  // all nine sums stay in registers
        vec<T, V> a[K * K];
        UNROLL for (int i = 0; i < K * K; ++i) a[i] = load<T, V>(dw + i * V);
        for (int x = 0; x < Wo; ++x) {
            const vec<T, V> d = load<T, V>(dv + x * V);
            UNROLL for (int ky = 0; ky < K; ++ky) UNROLL for (int kx = 0; kx < K; ++kx)
                a[ky * K + kx] += d * load<T, V>(src + ky * D * rs + (x * S + kx * D) * V);
        }
        UNROLL for (int i = 0; i < K * K; ++i) store<T, V>(dw + i * V, a[i]);
    } else {  // one row of the kernel at a time; a block of gradients in registers, every input pixel loaded once
        constexpr int X = ACC >= 16 ? 12 : 1;
        for (int ky = 0; ky < K; ++ky) {
            const T* q = src + ky * D * rs;
            vec<T, V> a[K];
            UNROLL for (int i = 0; i < K; ++i) a[i] = load<T, V>(dw + (ky * K + i) * V);
            int x = 0;
            for (; X > 1 && x + X <= Wo; x += X) {
                vec<T, V> d[X];
                UNROLL for (int i = 0; i < X; ++i) d[i] = load<T, V>(dv + (x + i) * V);
                UNROLL for (int i = 0; i < (X - 1) * S + (K - 1) * D + 1; ++i) {
                    const vec<T, V> v = load<T, V>(q + (x * S + i) * V);
                    UNROLL for (int kx = 0; kx < K; ++kx)
                        if (i >= kx * D && (i - kx * D) % S == 0 && (i - kx * D) / S < X)
                            a[kx] += d[(i - kx * D) / S] * v;
                }
            }
            for (; x < Wo; ++x) {
                const vec<T, V> d = load<T, V>(dv + x * V);
                UNROLL for (int kx = 0; kx < K; ++kx) a[kx] += d * load<T, V>(q + (x * S + kx * D) * V);
            }
            UNROLL for (int i = 0; i < K; ++i) store<T, V>(dw + (ky * K + i) * V, a[i]);
        }
    }
}

template <typename T, int V, int S>
void depth_weight_row(const T* src, long rs, int k, int dil, const T* dv, int Wo, T* dw) {
    auto f = k == 3 ? (dil == 1 ? depth_weight_row_k<T, V, S, 3, 1> : depth_weight_row_k<T, V, S, 3, 2>)
                    : (dil == 1 ? depth_weight_row_k<T, V, S, 5, 1> : depth_weight_row_k<T, V, S, 5, 2>);
    f(src, rs, dv, Wo, dw);
}
