// Rows of tables by their indices. x, dx [R, C]; rows [N]; y, dy [N, C].
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

template <class Table, class Taken>
LAMELLA_INLINE bool rows_fit(const Table& x, Labels rows, const Taken& y) {
    return x.rank == 2 && y.rank == 2 && rows.rank == 1 && y.shape[0] == rows.size && y.shape[1] == x.shape[1];
}

// Rows lie anywhere, so the machine does not foresee which line comes next. Of a row of more than kForeseen bytes it does.
constexpr Int kAhead = 4, kForeseen = 2048;

// Asks for row rows[i + kAhead] of the table.
template <class T>
LAMELLA_INLINE void prefetch_row(const T* table, Labels rows, Int columns, Int i, Int row_bytes) {
    if (i + kAhead >= rows.size || row_bytes > kForeseen) return;
    const char* next = reinterpret_cast<const char*>(table + rows.data[i + kAhead] * columns);
    for (Int at = 0; at < row_bytes; at += 64) __builtin_prefetch(next + at, 0, 3);
}

template <class T>
Status take_forward(In<T> x, Labels rows, Out<T> y) {
    LAMELLA_REQUIRE(rows_fit(x, rows, y));
    LAMELLA_REQUIRE(all_within(rows, x.shape[0]));
    const Int columns = x.shape[1];
    for_rows({rows.size, columns}, [&](Int i) {
        prefetch_row(x.data, rows, columns, i, columns * Int{sizeof(T)});
        copy(x.data + rows.data[i] * columns, y.data + i * columns, columns);
    });
    return nullptr;
}

// dy[places[first]] + ... + dy[places[last - 1]], in this order, where first < last.
template <class T>
LAMELLA_INLINE void sum_rows_at(const T* dy, Int columns, const Int* places, Int first, Int last, T* to) {
    constexpr int kBlock = 4;  // two cache lines of each row (AVX2); independent additions need not wait for each other
    constexpr Int kStep = kBlock * kLanes<T>;
    const auto sum_block = [=](Int c, Int part, auto vectors) {
        constexpr int kVectors = decltype(vectors)::value;
        Vec<T> total[kVectors] = {};
        for (Int begin = first, end; begin < last; begin = end) {
            end = smaller(begin + kRowsOfPiece, last);
            Vec<T> sum[kVectors];
            for (int v = 0; v < kVectors; ++v) sum[v] = load(dy + places[begin] * columns + c + v * kLanes<T>, part);
            for (Int k = begin + 1; k < end; ++k) {
                const T* from = dy + places[k] * columns + c;
                for (int v = 0; v < kVectors; ++v) sum[v] += load(from + v * kLanes<T>, part);
            }
            for (int v = 0; v < kVectors; ++v) total[v] = begin == first ? sum[v] : total[v] + sum[v];
        }
        for (int v = 0; v < kVectors; ++v) store(to + c + v * kLanes<T>, total[v], part);
    };
    const Int blocks = columns / kStep * kStep;
    for (Int c = 0; c < blocks; c += kStep) sum_block(c, 0, Number<kBlock>{});
    for_vectors<T>(blocks, columns, [=](Int c, Int part) { sum_block(c, part, Number<1>{}); });
}

// Rows that ascend are distinct, so that no two threads write one of them.
LAMELLA_INLINE bool ascend(Labels rows) {
    for (Int i = 1; i < rows.size; ++i) {
        if (rows.data[i - 1] >= rows.data[i]) return false;
    }
    return true;
}

template <class T>
Status put_rows(InList<T> ys, Labels rows, List<T> tables) {
    LAMELLA_REQUIRE(ys.count == tables.count);
    LAMELLA_REQUIRE(ascend(rows));
    for (Int k = 0; k < tables.count; ++k) {
        LAMELLA_REQUIRE(rows_fit(tables.items[k], rows, ys.items[k]));
        LAMELLA_REQUIRE(all_within(rows, tables.items[k].shape[0]));
    }
    for (Int k = 0; k < tables.count; ++k) {
        const T* const from = ys.items[k].data;
        T* const table = tables.items[k].data;
        const Int columns = ys.items[k].shape[1];
        for_rows({rows.size, columns}, [&](Int i) {
            prefetch_row(table, rows, columns, i, columns * Int{sizeof(T)});
            copy(from + i * columns, table + rows.data[i] * columns, columns);
        });
    }
    return nullptr;
}

// First the positions of each row in `rows` are listed in order, so that a row of dx is written once and by one thread.
template <class T>
Status take_backward(In<T> dy, Labels rows, Out<T> dx) {
    LAMELLA_REQUIRE(rows_fit(dx, rows, dy));
    LAMELLA_REQUIRE(all_within(rows, dx.shape[0]));
    const Int table = dx.shape[0], columns = dx.shape[1];
    if (dx.size == 0) return nullptr;
    Int *starts, *places;
    const Workspace own(part(starts, table + 1), part(places, rows.size));
    if (!own) return kOutOfMemory;
    for (Int r = 0; r <= table; ++r) starts[r] = 0;
    for (Int i = 0; i < rows.size; ++i) ++starts[rows.data[i]];
    for (Int r = 0; r < table; ++r) starts[r + 1] += starts[r];
    // starts[r] is the end of the places of row r; this loop moves it to their beginning.
    for (Int i = rows.size - 1; i >= 0; --i) places[--starts[rows.data[i]]] = i;
    for_rows({table, columns}, [&](Int r) {
        T* to = dx.data + r * columns;
        if (starts[r] == starts[r + 1]) {
            for_vectors<T>(0, columns, [=](Int c, Int part) { store(to + c, Vec<T>{}, part); });
        } else {
            sum_rows_at(dy.data, columns, places, starts[r], starts[r + 1], to);
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
