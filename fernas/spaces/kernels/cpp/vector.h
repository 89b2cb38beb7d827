// Vectors, per-thread memory, sums over threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#endif

#define UNROLL _Pragma("GCC unroll 32")

#ifdef __AVX512F__
constexpr int ACC = 16;  // vector accumulators that fit the register file
#else
constexpr int ACC = 4;
#endif

template <typename T, int V>
struct Vec {
    typedef T type __attribute__((vector_size(V * sizeof(T))));
};

template <typename T, int V>
using vec = typename Vec<T, V>::type;

template <typename T, int V>
inline vec<T, V> load(const T* p) {
    vec<T, V> r;
    __builtin_memcpy(&r, p, sizeof r);
    return r;
}

template <typename T, int V>
inline void store(T* p, const vec<T, V>& v) {
    __builtin_memcpy(p, &v, sizeof v);
}

template <typename T, int V>
inline vec<T, V> positive(const vec<T, V>& v) {
    const vec<T, V> zero{};
    return v > zero ? v : zero;
}

// Asks for `count` cache lines from p on, one pixel of 16 floats each, before they are needed.
template <typename T, int V>
inline void fetch(const T* p, int count) {
    for (int i = 0; i < count; ++i) __builtin_prefetch(p + i * V, 0, 2);
}

inline int thread_number() {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

// Per-thread memory that is kept between calls, aligned to a cache line.
template <typename T>
T* scratch(int slot, size_t count) {
    static thread_local std::vector<char> buffers[8];
    auto& b = buffers[slot];
    const size_t bytes = count * sizeof(T) + 4096;
    if (b.size() < bytes) b.resize(bytes);
    auto p = reinterpret_cast<uintptr_t>(b.data());
    return reinterpret_cast<T*>((p + 63) / 64 * 64);
}

// One array of sums per thread, in memory of the calling thread. Work is dealt out statically and the arrays are added
// in the order of the threads, so that the same number of threads gives the same bits.
template <typename T>
class Sums {
  public:
    Sums(int slot, size_t count, int threads)
        : count_(count), threads_(threads), all_(scratch<T>(slot, count * size_t(threads))) {
        std::fill(all_, all_ + count_ * size_t(threads_), T(0));
    }
    T* mine() const { return all_ + count_ * size_t(thread_number()); }
    T total(size_t i) const {
        T sum = all_[i];
        for (int t = 1; t < threads_; ++t) sum += all_[t * count_ + i];
        return sum;
    }
    template <typename U>
    void write(U* out, size_t from, size_t count) const {
        for (size_t i = 0; i < count; ++i) out[i] = U(total(from + i));
    }

  private:
    size_t count_;
    int threads_;
    T* all_;
};
