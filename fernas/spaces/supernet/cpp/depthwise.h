// Depthwise convolution of one row of one block. `src` points at the first tap of the first output pixel, `rs` is the
// distance of two rows. Up to three pixels beyond `Wo` are written (the callers leave room).
#pragma once

#include "vector.h"

template <typename T, int V, int S, int PX>
inline void depth_block(const T* src, long rs, int k, int dil, const T* w, long wstep, T* out, bool acc) {
    vec<T, V> a[PX];
    if (acc) {
        UNROLL for (int p = 0; p < PX; ++p) a[p] = load<T, V>(out + p * V);
    } else {
        UNROLL for (int p = 0; p < PX; ++p) a[p] = vec<T, V>{};
    }
    for (int ky = 0; ky < k; ++ky) {
        const T* q = src + ky * dil * rs;
        for (int kx = 0; kx < k; ++kx) {
            const vec<T, V> wv = load<T, V>(w);
            UNROLL for (int p = 0; p < PX; ++p) a[p] += wv * load<T, V>(q + p * S * V);
            w += wstep;
            q += dil * V;
        }
    }
    UNROLL for (int p = 0; p < PX; ++p) store<T, V>(out + p * V, a[p]);
}

template <typename T, int V, int S>
void depth_row(const T* src, long rs, int k, int dil, const T* w, long wstep, T* out, int Wo, bool acc) {
    int x = 0;
    if constexpr (ACC >= 16)
        for (; x + 16 <= Wo; x += 16) depth_block<T, V, S, 16>(src + x * S * V, rs, k, dil, w, wstep, out + x * V, acc);
    if constexpr (ACC >= 8)
        for (; x + 8 <= Wo; x += 8) depth_block<T, V, S, 8>(src + x * S * V, rs, k, dil, w, wstep, out + x * V, acc);
    for (; x < Wo; x += 4) depth_block<T, V, S, 4>(src + x * S * V, rs, k, dil, w, wstep, out + x * V, acc);
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
template <typename T, int V, int S, int K>
void depth_weight_row(const T* src, long rs, int dil, const T* dv, int Wo, T* dw) {
    if constexpr (ACC >= 16 || K == 3) {
        vec<T, V> a[K * K];
        UNROLL for (int i = 0; i < K * K; ++i) a[i] = load<T, V>(dw + i * V);
        for (int x = 0; x < Wo; ++x) {
            const vec<T, V> d = load<T, V>(dv + x * V);
            UNROLL for (int ky = 0; ky < K; ++ky) UNROLL for (int kx = 0; kx < K; ++kx)
                a[ky * K + kx] += d * load<T, V>(src + ky * dil * rs + (x * S + kx * dil) * V);
        }
        UNROLL for (int i = 0; i < K * K; ++i) store<T, V>(dw + i * V, a[i]);
    } else {
        for (int ky = 0; ky < K; ++ky) {
            vec<T, V> a[K];
            UNROLL for (int i = 0; i < K; ++i) a[i] = load<T, V>(dw + (ky * K + i) * V);
            for (int x = 0; x < Wo; ++x) {
                const vec<T, V> d = load<T, V>(dv + x * V);
                UNROLL for (int kx = 0; kx < K; ++kx)
                    a[kx] += d * load<T, V>(src + ky * dil * rs + (x * S + kx * dil) * V);
            }
            UNROLL for (int i = 0; i < K; ++i) store<T, V>(dw + (ky * K + i) * V, a[i]);
        }
    }
}

