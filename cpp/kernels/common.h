// Names that every family uses: the table's argument types, checks, threads, workspaces, vectors.
#pragma once
#include "core/bundles.h"
#include "core/check.h"
#include "core/parallel.h"
#include "core/view.h"
#include "core/window.h"
#include "core/workspace.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace lamella {
namespace {

template <class T>
using In = const View<const T>&;
template <class T>
using Out = const View<T>&;
template <class T>
using List = const ViewList<T>&;
template <class T>
using InList = const ViewList<const T>&;
using Bytes = const View<std::uint8_t>&;
using InBytes = const View<const std::uint8_t>&;
using InBytesList = const ViewList<const std::uint8_t>&;
using BytesList = const ViewList<std::uint8_t>&;
using Labels = const View<const Int>&;
using Reals = const View<const Real>&;
using OutLabels = const View<Int>&;

// A number as a type.
template <int kValue>
struct Number {
    static constexpr int value = kValue;
};

// Rows that a sum over rows adds one after another; a sum over more is one of such sums. One by one, a million equal numbers of
// float32 had an error of 1 %.
constexpr Int kRowsOfPiece = 1024;

LAMELLA_INLINE Int ceil_divide(Int a, Int b) { return (a + b - 1) / b; }
LAMELLA_INLINE Int smaller(Int a, Int b) { return a < b ? a : b; }
LAMELLA_INLINE Int larger(Int a, Int b) { return a > b ? a : b; }

// parallel_for with chunks that may fail: f(begin, end) returns a Status. nullptr, or the Status of a chunk that failed.
template <class F>
LAMELLA_INLINE Status in_chunks(Int n, Int grain, const F& f) {
    Status failed = nullptr;
    parallel_for(n, grain, [&](Int begin, Int end) {
        if (const Status error = f(begin, end)) __atomic_store_n(&failed, error, __ATOMIC_RELAXED);
    });
    return failed;
}

template <class T>
void copy(const T* from, T* to, Int count) {
    for_vectors<T>(0, count, [&](Int i, Int part) { store(to + i, load(from + i, part), part); });
}

template <class T>
void clear(T* to, Int count) {
    for_vectors<T>(0, count, [&](Int i, Int part) { store(to + i, Vec<T>{}, part); });
}

// Labels and indices are checked before they are used.
LAMELLA_INLINE bool all_within(Labels y, Int end) {
    for (Int i = 0; i < y.size; ++i) {
        if (y.data[i] < 0 || y.data[i] >= end) return false;
    }
    return true;
}

}  // namespace
}  // namespace lamella
