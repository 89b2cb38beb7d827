// Matrix product: c[m][n] (+)= sum over segments s and k of A_s[m*AM + k*AK] * b[(s*K + k)*bk + n], n in vectors.
#pragma once

#include "vector.h"

template <typename T, int V, int AM, int AK, int MB, int NV>
inline void micro(int nseg, const T* const* seg, long a0, int K, const T* B, long bk, long bn, T* C, long cm, long cn,
                  bool acc) {
    vec<T, V> c[MB][NV];
    if (acc) {
        UNROLL for (int m = 0; m < MB; ++m) UNROLL for (int j = 0; j < NV; ++j) c[m][j] = load<T, V>(C + m * cm + j * cn);
    } else {
        UNROLL for (int m = 0; m < MB; ++m) UNROLL for (int j = 0; j < NV; ++j) c[m][j] = vec<T, V>{};
    }
    for (int s = 0; s < nseg; ++s) {
        const T* A = seg[s] + a0;
        for (int k = 0; k < K; ++k) {
            vec<T, V> b[NV];
            UNROLL for (int j = 0; j < NV; ++j) b[j] = load<T, V>(B + j * bn);
            UNROLL for (int m = 0; m < MB; ++m) {
                const T a = A[m * AM];
                UNROLL for (int j = 0; j < NV; ++j) c[m][j] += a * b[j];
            }
            A += AK;
            B += bk;
        }
    }
    UNROLL for (int m = 0; m < MB; ++m) UNROLL for (int j = 0; j < NV; ++j) store<T, V>(C + m * cm + j * cn, c[m][j]);
}

template <typename T, int V, int AM, int AK, int MB, int NV>
inline void panel(int m, int M, int nseg, const T* const* seg, int K, const T* B, long bk, long bn, T* C, long cm,
                  long cn, bool acc) {
    for (; m + MB <= M; m += MB)
        micro<T, V, AM, AK, MB, NV>(nseg, seg, long(m) * AM, K, B, bk, bn, C + m * cm, cm, cn, acc);
    if constexpr (MB > 1)
        if (m < M) panel<T, V, AM, AK, MB / 2, NV>(m, M, nseg, seg, K, B, bk, bn, C, cm, cn, acc);
}

template <typename T, int V, int AM, int AK>
void gemm(int M, int NB, int nseg, const T* const* seg, int K, const T* B, long bk, long bn, T* C, long cm, long cn,
          bool acc) {
    int j = 0;  // two vectors at a time: with four, a wide B no longer stays in the first-level cache
    for (; j + 2 <= NB; j += 2)
        panel<T, V, AM, AK, ACC / 2, 2>(0, M, nseg, seg, K, B + j * bn, bk, bn, C + j * cn, cm, cn, acc);
    for (; j < NB; ++j)
        panel<T, V, AM, AK, ACC, 1>(0, M, nseg, seg, K, B + j * bn, bk, bn, C + j * cn, cm, cn, acc);
}
