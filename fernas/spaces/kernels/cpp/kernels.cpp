// Compiled loops of one cell, supernet or final. Plain C++17 with GCC vector extensions, OpenMP over images, no other
// dependency. Compiled once for float and once for double (REAL); the latter is for the equality tests.
//
// Layout. A map of C channels is stored in blocks of V channels, [N][C/V][H][W][V] (V = 16, or 8 for narrow networks), so
// one pixel of one block is one vector and its neighbours lie at constant distances. "cb" counts blocks. A cell output of
// four nodes is [4][N][cb][H][W][V], one "group" per node.

#include "conv.h"
#include "ghost.h"
#include "passes.h"
#include "pool.h"

#ifndef REAL
#define REAL float
#endif

typedef REAL T;

#define DISPATCH(V, NAME, ...) ((V) == 16 ? NAME<T, 16>(__VA_ARGS__) : NAME<T, 8>(__VA_ARGS__))

extern "C" {

int abi() { return 1; }  // as ABI in library.py: a stale or foreign library is refused

void conv_forward(int V, const int* shape, const T* x, const T* scale, const T* shift, int nops, const int* ops,
                  const T* const* dw, const T* const* pw, T* const* y, double* sums, int threads) {
    Shape s;
    std::memcpy(&s, shape, sizeof s);
    const Op* op = reinterpret_cast<const Op*>(ops);
    auto f = V == 16 ? (s.S == 1 ? conv_forward_s<T, 16, 1> : conv_forward_s<T, 16, 2>)
                     : (s.S == 1 ? conv_forward_s<T, 8, 1> : conv_forward_s<T, 8, 2>);
    f(s, x, scale, shift, nops, op, dw, pw, y, sums, threads);
}

void conv_backward(int V, const int* shape, const T* x, const T* scale, const T* shift, int nops, const int* ops,
                   const T* const* dw, const T* const* pwt, const T* const* y, const T* const* g, const T* coef,
                   const T* factor, T* dx, int add, double* sums, T* const* ddw, T* const* dpw, int need_w,
                   int threads) {
    Shape s;
    std::memcpy(&s, shape, sizeof s);
    const Op* op = reinterpret_cast<const Op*>(ops);
    auto f = V == 16 ? (s.S == 1 ? conv_backward_s<T, 16, 1> : conv_backward_s<T, 16, 2>)
                     : (s.S == 1 ? conv_backward_s<T, 8, 1> : conv_backward_s<T, 8, 2>);
    f(s, x, scale, shift, nops, op, dw, pwt, y, g, coef, factor, dx, add, sums, ddw, dpw, need_w, threads);
}

// The same for several operations, each on an input of its own.
void conv_forward_each(int V, const int* shape, const T* const* x, const T* scale, const T* shift, int nops,
                       const int* ops, const T* const* dw, const T* const* pw, T* const* y, double* sums, int threads) {
    const long ci = long(shape[1]) * shape[2] * V, co = long(shape[8]) * V;
    for (int i = 0; i < nops; ++i)
        conv_forward(V, shape, x[i], scale + i * ci, shift + i * ci, 1, ops + 3 * i, dw + i, pw + i, y + i,
                     sums + 2 * co * i, threads);
}

void conv_backward_each(int V, const int* shape, const T* const* x, const T* scale, const T* shift, int nops,
                        const int* ops, const T* const* dw, const T* const* pwt, const T* const* y, const T* const* g,
                        const T* coef, const T* factor, T* const* dx, int add, double* sums, T* const* ddw,
                        T* const* dpw, int need_w, int threads) {
    const long ci = long(shape[1]) * shape[2] * V, co = long(shape[8]) * V;
    for (int i = 0; i < nops; ++i)
        conv_backward(V, shape, x[i], scale + i * ci, shift + i * ci, 1, ops + 3 * i, dw + i, pwt + i, y + i, g + i,
                      coef + 3 * co * i, factor ? factor + long(i) * shape[0] : nullptr, dx[i], add, sums + 2 * ci * i,
                      need_w ? ddw + i : nullptr, need_w ? dpw + i : nullptr, need_w, threads);
}

void combine_maps(int V, int N, int cb, long pixels, int count, const T* const* in, const T* coef, const T* factor,
                  const T* bias, long bias_step, T* out, int threads) {
    DISPATCH(V, combine, N, cb, pixels, count, in, coef, factor, bias, bias_step, out, threads);
}

void product_sums(int V, int N, int cb, long pixels, int count, const T* const* g, const T* const* b, const T* factor,
                  double* sums, int threads) {
    DISPATCH(V, products, N, cb, pixels, count, g, b, factor, sums, threads);
}

void ghost_forward(int V, int N, int cb, int hb, long pixels, const T* y1, const T* y2, const T* coef, const T* scale,
                   T* out, int threads) {
    DISPATCH(V, ghost_out, N, cb, hb, pixels, y1, y2, coef, scale, out, threads);
}

void ghost_backward(int V, int N, int cb, int hb, long pixels, const T* g, const T* y1, const T* y2, const T* coef,
                    const T* scale, T* d1, T* d2, double* sums, int threads) {
    DISPATCH(V, ghost_grad, N, cb, hb, pixels, g, y1, y2, coef, scale, d1, d2, sums, threads);
}

void pools_forward(int V, int N, int cb, int H, int W, int Ho, int Wo, int S, const T* x, T* mx, T* av, uint8_t* index,
                   double* sums, int threads) {
    DISPATCH(V, pool_forward, N, cb, H, W, Ho, Wo, S, x, mx, av, index, sums, threads);
}

void pools_backward(int V, int N, int cb, int H, int W, int Ho, int Wo, int S, int edges, const T* const* g,
                    const T* mx, const T* av, const uint8_t* index, const T* coef, const T* factor, T* dx, int add,
                    int threads) {
    DISPATCH(V, pool_backward, N, cb, H, W, Ho, Wo, S, edges, g, mx, av, index, coef, factor, dx, add, threads);
}

}  // extern "C"
