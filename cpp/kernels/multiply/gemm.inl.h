// The micro-kernel of all matrix products. A tile of C, MR rows by NR columns, stays in registers during the whole sum
//
//   C[r][j] (+)= sum over runs, k:  A_r[run.a + k*step] * B[k][j]        in B k continues from run to run
//
// and is then stored with its epilogue. Rows of A and of C are pointers, so that dense layers, convolution forward and
// both of its backward passes are the same code: batch-reduce GEMM (arXiv 1906.06440) with indirect rows (1907.02129).
// Layout names: m, n, k are the sizes of C = A B; a panel is NR columns of B, [k][NR], zero-padded.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// 16 registers: 6x2 accumulators + 2 of B + 1 broadcast = 15. 32 registers: 6x4 + 4 + 1 = 29.
constexpr int kTileRows = 6;
constexpr int kTileVectors = kRegisters == 32 ? 4 : 2;
template <class T>
constexpr int kTileColumns = kTileVectors * kLanes<T>;
// A narrow tile of a weight gradient has more rows, 9x2 accumulators + 2 of B + 1, and reads dy less often: 4-5 % faster with 3
// channels. The rows of other products begin at any address, and there are no registers for nine pointers.
constexpr int kTallTileRows = 9;

// Steps of k in a block. Before AVX-512 a panel of B fills half of a 32 KiB L1. With AVX-512 a panel is read from L2, 256 bytes
// for 24 multiplications, and with a longer sum C is loaded and stored less often.
template <class T>
constexpr Int kBlockDepth = (LAMELLA_VECTOR_BYTES == 64 ? 65536 : 16384) / (kTileColumns<T> * Int(sizeof(T)));

struct Run {
    Int a;  // offset from each row's pointer
    Int k;  // steps
};

template <class T>
struct Epilogue {
    const T* bias;    // from the tile's first column on, or nullptr
    bool accumulate;  // add to C
    bool relu;        // after the bias
};

// Stores a tile with fewer columns than its width, from its copy `sums` of `width` columns: rare, so one function for all
// sizes.
template <class T>
[[gnu::noinline]] void store_cut_tile(const T* sums, Int width, Int rows, T* const* c, Int column, Int columns,
                                      const Epilogue<T>& epilogue) {
    const T* const bias = epilogue.bias;
    const bool accumulates = epilogue.accumulate, relu = epilogue.relu;
    for (Int r = 0; r < rows; ++r) {
        const T* const from = sums + r * width;
        T* const to = c[r] + column;
        for_vectors<T>(0, columns, [=](Int j, Int part) {
            Vec<T> sum = load(from + j, part);
            if (accumulates) sum += load(to + j, part);
            if (bias != nullptr) sum += load(bias + j, part);
            if (relu) sum = sum < T(0) ? Vec<T>{} : sum;
            store(to + j, sum, part);
        });
    }
}

template <class T, int MR, int NV>
LAMELLA_INLINE void store_tile(Vec<T> (&acc)[MR][NV], T* const* c, Int column, Int columns, const Epilogue<T>& epilogue) {
    constexpr Int kWidth = NV * kLanes<T>;
    if (columns < kWidth) {
        T sums[MR * kWidth];
        for (int r = 0; r < MR; ++r) {
            for (int v = 0; v < NV; ++v) store(sums + r * kWidth + v * kLanes<T>, acc[r][v]);
        }
        return store_cut_tile<T>(sums, kWidth, MR, c, column, columns, epilogue);
    }
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
        const Int j = v * kLanes<T>;
        const Vec<T> bias = epilogue.bias != nullptr ? load(epilogue.bias + j) : Vec<T>{};
#pragma GCC unroll 9
        for (int r = 0; r < MR; ++r) {
            Vec<T> sum = acc[r][v];
            if (epilogue.accumulate) sum += load(c[r] + column + j);
            sum += bias;
            if (epilogue.relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
            store(c[r] + column + j, sum);
        }
    }
}

// `tiles` tiles, one below the other. kStep: the distance in A from k to k+1, or 0 if it is `step`; kLdb: the distance in B
// from k to k+1, or 0 if it is `ldb`. Without these parameters unrelated code changes which of them the compiler treats as
// constants.
template <class T, int MR, int NV, int kStep, int kLdb>
[[gnu::noinline]] void multiply_tiles(const T* const* rows, Int step, const Run* runs, Int run_count, const T* panel, Int ldb,
                                      T* const* c, Int column, Int columns, const Epilogue<T>& epilogue, Int tiles) {
    for (; tiles > 0; --tiles, rows += MR, c += MR) {
        const T* b = panel;
        Vec<T> acc[MR][NV] = {};
        for (Int run = 0; run < run_count; ++run) {
            const T* a[MR];
#pragma GCC unroll 9
            for (int r = 0; r < MR; ++r) a[r] = rows[r] + runs[run].a;
            Int at = 0;
            for (Int k = runs[run].k; k > 0; --k) {
                Vec<T> bv[NV];
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) bv[v] = load(b + v * kLanes<T>);
#pragma GCC unroll 9
                for (int r = 0; r < MR; ++r) {
                    const Vec<T> av = broadcast<T>(a[r][at]);
#pragma GCC unroll 4
                    for (int v = 0; v < NV; ++v) accumulate<T>(acc[r][v], av, bv[v]);
                }
                at += kStep != 0 ? kStep : step;
                b += kLdb != 0 ? kLdb : ldb;
            }
        }
        store_tile<T, MR, NV>(acc, c, column, columns, epilogue);
    }
}

// Rows of C that are rows of A times one panel.
template <class T>
struct Strip {
    const T* const* rows;  // of A
    T* const* c;           // rows of C
    Int column;            // the column of C at which the panel begins
    Int count;             // rows
};

template <class T, int NV, int kStep, int kLdb>
LAMELLA_INLINE void multiply_strip(const Strip<T>& strip, Int step, const Run* runs, Int run_count, const T* b, Int ldb,
                                   Int columns, const Epilogue<T>& epilogue) {
    constexpr bool kTall = kStep == 0 && NV < kTileVectors;
    constexpr int kMost = kTall ? kTallTileRows : kTileRows;
    const Int tiles = strip.count / kMost, done = tiles * kMost;
    if (tiles > 0) {
        multiply_tiles<T, kMost, NV, kStep, kLdb>(strip.rows, step, runs, run_count, b, ldb, strip.c, strip.column, columns,
                                                  epilogue, tiles);
    }
    switch (strip.count - done) {
#define CASE(rest)                                                                                                     \
    case rest:                                                                                                         \
        if constexpr (rest < kMost) {                                                                                  \
            multiply_tiles<T, rest, NV, kStep, kLdb>(strip.rows + done, step, runs, run_count, b, ldb, strip.c + done, \
                                                     strip.column, columns, epilogue, 1);                              \
        }                                                                                                              \
        return;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    }
}

// The width of the narrowest tile with at least `columns` columns.
template <class T>
LAMELLA_INLINE Int tile_columns(Int columns) {
    if (columns <= kLanes<T>) return kLanes<T>;
    return kTileVectors > 2 && columns <= 2 * kLanes<T> ? 2 * kLanes<T> : kTileColumns<T>;
}

template <class T, int kStep, int kLdb>
LAMELLA_INLINE void multiply_by(const Strip<T>& strip, Int step, const Run* runs, Int run_count, const T* b, Int ldb,
                                Int columns, const Epilogue<T>& epilogue) {
    const Int width = tile_columns<T>(columns);
    if (width == kLanes<T>) {
        multiply_strip<T, 1, kStep, kLdb>(strip, step, runs, run_count, b, ldb, columns, epilogue);
    } else if (width < kTileColumns<T>) {
        multiply_strip<T, 2, kStep, kLdb>(strip, step, runs, run_count, b, ldb, columns, epilogue);
    } else {
        multiply_strip<T, kTileVectors, kStep, kLdb>(strip, step, runs, run_count, b, ldb, columns, epilogue);
    }
}

template <class T, int kStep>
LAMELLA_INLINE void multiply(const Strip<T>& strip, Int step, const Run* runs, Int run_count, const T* b, Int ldb, Int columns,
                             const Epilogue<T>& epilogue) {
    if (ldb == kTileColumns<T>) {
        multiply_by<T, kStep, kTileColumns<T>>(strip, step, runs, run_count, b, ldb, columns, epilogue);
    } else {
        multiply_by<T, kStep, 0>(strip, step, runs, run_count, b, ldb, columns, epilogue);
    }
}

// `count` panels without empty columns, side by side in B and panel_size apart.
template <class T>
void pack_full_panels(const T* b, Int ldb, Int depth, Int count, T* panels, Int panel_size) {
    for (Int k = 0; k < depth; ++k, b += ldb, panels += kTileColumns<T>) {
        for (Int i = 0; i < count; ++i) {
            const T* const from = b + i * kTileColumns<T>;
#pragma GCC unroll 4
            for (int v = 0; v < kTileVectors; ++v) store(panels + i * panel_size + v * kLanes<T>, load(from + v * kLanes<T>));
        }
    }
}

// panel[k][0..NR) = b[k*ldb + 0..columns), then zeros.
template <class T>
void pack_panel(const T* b, Int ldb, Int depth, Int columns, T* panel) {
    if (columns == kTileColumns<T>) return pack_full_panels(b, ldb, depth, 1, panel, 0);
    for (Int k = 0; k < depth; ++k, b += ldb, panel += kTileColumns<T>) {
        for (Int j = 0; j < kTileColumns<T>; j += kLanes<T>) {
            const Int some = smaller(kLanes<T>, columns - j);
            store(panel + j, some <= 0 ? Vec<T>{} : load(b + j, some == kLanes<T> ? 0 : some));
        }
    }
}

// panel[k][j] = b[j*ldb + k]: B is read transposed, in squares with the length of a vector.
template <class T>
void pack_panel_transposed(const T* b, Int ldb, Int depth, Int columns, T* panel) {
    constexpr Int kSquare = kLanes<T>;
    const Int whole_depth = depth / kSquare * kSquare, whole_columns = columns / kSquare * kSquare;
    for (Int k0 = 0; k0 < whole_depth; k0 += kSquare) {
        for (Int j0 = 0; j0 < whole_columns; j0 += kSquare) {
            Vec<T> square[kSquare];
#pragma GCC unroll 16
            for (int j = 0; j < kSquare; ++j) square[j] = load(b + (j0 + j) * ldb + k0);
            transpose<T>(square);
#pragma GCC unroll 16
            for (int k = 0; k < kSquare; ++k) store(panel + (k0 + k) * kTileColumns<T> + j0, square[k]);
        }
    }
    for (Int k = 0; k < depth; ++k) {
        T* const row = panel + k * kTileColumns<T>;
        for (Int j = k < whole_depth ? whole_columns : 0; j < columns; ++j) row[j] = b[j * ldb + k];
        for (Int j = columns; j < kTileColumns<T>; ++j) row[j] = T(0);
    }
}

// tile[k][0..kTileRows) = a[k*step + 0..rows) for each tile of kTileRows; tiles are tile_size apart. Copies rows that are side
// by side in A, so that they do not alias in the cache. Eight tiles at a time read whole cache lines; those of the next rows
// are prefetched to L2, because the hardware does not follow such steps.
template <class T>
void pack_rows(const T* a, Int step, Int depth, Int rows, T* tiles, Int tile_size) {
    constexpr Int kTilesAtOnce = 8, kLine = 64 / Int{sizeof(T)};
    const Int whole = rows / kTileRows, rest = rows % kTileRows;
    for (Int first = 0; first < whole; first += kTilesAtOnce) {
        const Int last = first + kTilesAtOnce < whole ? first + kTilesAtOnce : whole;
        for (Int k = 0; k < depth; ++k) {
            const T* from = a + k * step + first * kTileRows;
            T* to = tiles + first * tile_size + k * kTileRows;
            for (Int tile = first; tile < last; ++tile, from += kTileRows, to += tile_size) {
                __builtin_memcpy(to, from, kTileRows * sizeof(T));
            }
            for (Int i = 0; i < (last - first) * kTileRows + kLine; i += kLine) __builtin_prefetch(from + i, 0, 2);
        }
    }
    for (Int k = 0; k < depth; ++k) {
        for (Int r = 0; r < rest; ++r) {
            tiles[whole * tile_size + k * kTileRows + r] = a[k * step + whole * kTileRows + r];
        }
    }
}

// A block of A with this number of rows and depth kBlockDepth fills half of a 512 KiB L2; a group of panels uses it.
constexpr Int kMostGroupRows = 42 * kTileRows;

// C = A B + bias, then relu. Element (i, k) of A is a[i*a_row + k*a_step], where a_row or a_step is 1; in the same way (k, j)
// of B is b[k*b_row + j*b_column] and (i, j) of C is c[i*c_row + j*c_column]. If c_row is 1 there is neither bias nor relu.
template <class T>
struct Product {
    Int m, n, k;
    const T* a;
    Int a_row, a_step;
    const T* b;
    Int b_row, b_column;
    T* c;
    Int c_row, c_column;
    const T* bias;
    bool relu;
};

// c[j*ldc + r] (+)= strip[r][j], in squares with the length of a vector.
template <class T>
void store_transposed(const T* strip, Int rows, Int columns, T* c, Int ldc, bool accumulate) {
    constexpr Int kSquare = kLanes<T>;
    const Int whole_rows = rows / kSquare * kSquare, whole_columns = columns / kSquare * kSquare;
    for (Int j0 = 0; j0 < whole_columns; j0 += kSquare) {
        for (Int r0 = 0; r0 < whole_rows; r0 += kSquare) {
            Vec<T> square[kSquare];
#pragma GCC unroll 16
            for (int r = 0; r < kSquare; ++r) square[r] = load(strip + (r0 + r) * kTileColumns<T> + j0);
            transpose<T>(square);
#pragma GCC unroll 16
            for (int j = 0; j < kSquare; ++j) {
                T* const to = c + (j0 + j) * ldc + r0;
                store(to, accumulate ? square[j] + load(to) : square[j]);
            }
        }
    }
    for (Int j = 0; j < columns; ++j) {
        T* const to = c + j * ldc;
        for (Int r = j < whole_columns ? whole_rows : 0; r < rows; ++r) {
            to[r] = strip[r * kTileColumns<T> + j] + (accumulate ? to[r] : T(0));
        }
    }
}

// All panels of B, [blocks of depth][panels]. Several at a time read whole pages of B.
template <class T>
void pack_all_panels(const Product<T>& p, Int blocks, Int depth, T* all, Int panel_size) {
    const Int panels = ceil_divide(p.n, kTileColumns<T>), at_once = p.b_column == 1 ? 4 : 1,
              groups = ceil_divide(panels, at_once);
    parallel_for(blocks * groups, larger(1, kChunkElements / (at_once * panel_size)), [&](Int begin, Int end) {
        for (Int item = begin; item < end; ++item) {
            const Int block = item / groups, k0 = block * depth, some = smaller(depth, p.k - k0);
            const Int first = item % groups * at_once, j = first * kTileColumns<T>;
            const Int columns = smaller(at_once * kTileColumns<T>, p.n - j), full = columns / kTileColumns<T>;
            const Int rest = columns % kTileColumns<T>;
            const T* const b = p.b + k0 * p.b_row + j * p.b_column;
            T* const to = all + (block * panels + first) * panel_size;
            if (p.b_column != 1) {
                pack_panel_transposed(b, p.b_column, some, columns, to);
                continue;
            }
            pack_full_panels(b, p.b_row, some, full, to, panel_size);
            if (rest > 0) pack_panel(b + full * kTileColumns<T>, p.b_row, some, rest, to + full * panel_size);
        }
    });
}

// All tiles of A, [blocks of depth][groups of rows].
template <class T>
void pack_all_rows(const Product<T>& p, Int blocks, Int depth, Int groups, Int group_rows, T* all) {
    parallel_for(blocks * groups, larger(1, kChunkElements / (group_rows * depth)), [&](Int begin, Int end) {
        for (Int item = begin; item < end; ++item) {
            const Int k0 = item / groups * depth, i0 = item % groups * group_rows;
            pack_rows(p.a + i0 + k0 * p.a_step, p.a_step, smaller(depth, p.k - k0), smaller(group_rows, p.m - i0),
                      all + item * group_rows * depth, depth * kTileRows);
        }
    });
}

// A factor of at most so many elements is packed once for all tasks; otherwise each task packs what it reads.
template <class T>
constexpr Int kMostShared = (Int{8} << 20) / Int(sizeof(T));
constexpr bool kShares = LAMELLA_VECTOR_BYTES <= 32;  // with longer vectors it was not measured

// a_at(i), c_at(i): the row of A, if rows are not packed, and the row of C that belong to row i of the product.
template <class T, class A, class C>
Status multiply_matrices(const Product<T>& p, const A& a_at, const C& c_at) {
    if (p.m == 0 || p.n == 0) return nullptr;
    constexpr Int kGroupPanels = 8;
    const Int panels = ceil_divide(p.n, kTileColumns<T>);
    const Int row_groups = ceil_divide(p.m, kMostGroupRows);
    const bool packs_a = p.a_step != 1, transposed = p.c_column != 1;
    const Int group_rows = ceil_divide(ceil_divide(p.m, row_groups), kTileRows) * kTileRows;
    // Each group of columns copies A's tiles again, so there are only as many groups as give eight tasks; one group if the work
    // is too small for a second thread.
    const Int most_panels = packs_a ? ceil_divide(panels * row_groups, 8) : panels / 8;
    const bool serial = 2 * group_rows * row_groups * panels * kTileColumns<T> * p.k <= kChunkFlops;
    const Int group_panels = serial ? panels : smaller(kGroupPanels, larger(1, most_panels));
    const Int column_groups = ceil_divide(panels, group_panels);
    const Int blocks = larger(1, ceil_divide(p.k, kBlockDepth<T>)), depth = ceil_divide(p.k, blocks);
    // A copy of a panel that is used only a few times is too expensive, unless the panel's rows are in few sets of L1 and evict
    // each other. The copy of a panel that is all of B is B itself.
    const bool aliased = p.b_row * Int(sizeof(T)) % 512 == 0 && depth > 64;
    const bool in_place =
        p.b_column == 1 && (p.m <= kTileRows || (p.m < 8 * kTileRows && !aliased) || p.b_row <= kTileColumns<T>);
    const Int flops = 2 * group_rows * group_panels * kTileColumns<T> * larger(p.k, 1);
    const Int tile_size = depth * kTileRows, tiles_size = packs_a ? group_rows * depth : 0;
    const Int strip_size = transposed ? group_rows * kTileColumns<T> : 0;
    const Int grain = larger(1, kChunkFlops / flops);
    // Panels are a cache line longer, so that they do not alias while several are packed.
    const Int panel_size = depth * kTileColumns<T> + 64 / Int{sizeof(T)};
    const Int all_panels_size = blocks * panels * panel_size, all_tiles_size = blocks * row_groups * tiles_size;
    const bool shares_b = kShares && !serial && !in_place && row_groups > 1 && all_panels_size <= kMostShared<T>;
    const bool shares_a = kShares && !serial && packs_a && column_groups > 1 && all_tiles_size <= kMostShared<T>;
    T *all_panels, *all_tiles;
    const Workspace shared(part(all_panels, shares_b ? all_panels_size : 0), part(all_tiles, shares_a ? all_tiles_size : 0));
    if (!shared) return kOutOfMemory;
    if (shares_b) pack_all_panels(p, blocks, depth, all_panels, panel_size);
    if (shares_a) pack_all_rows(p, blocks, depth, row_groups, group_rows, all_tiles);
    return in_chunks(row_groups * column_groups, grain, [&](Int begin, Int end) -> Status {
        T *panel, *own_tiles, *strip;
        const Workspace own(part(panel, shares_b ? 0 : depth * kTileColumns<T>), part(own_tiles, shares_a ? 0 : tiles_size),
                            part(strip, strip_size));
        if (!own) return kOutOfMemory;
        for (Int task = begin; task < end; ++task) {
            const Int i0 = task / column_groups * group_rows, count = smaller(group_rows, p.m - i0);
            const T* rows[kMostGroupRows];
            T* c[kMostGroupRows];
            for (Int i = 0; i < count; ++i) {
                if (!packs_a) rows[i] = p.a + a_at(i0 + i) * p.a_row;
                c[i] = transposed ? strip + i * kTileColumns<T> : p.c + c_at(i0 + i) * p.c_row;
            }
            const Int first = task % column_groups * group_panels, last = smaller(first + group_panels, panels);
            for (Int block = 0; block < blocks; ++block) {
                const Int k0 = block * depth, k1 = smaller(k0 + depth, p.k);
                if (packs_a) {
                    const T* const tiles =
                        shares_a ? all_tiles + (block * row_groups + task / column_groups) * tiles_size : own_tiles;
                    if (!shares_a) pack_rows(p.a + i0 + k0 * p.a_step, p.a_step, k1 - k0, count, own_tiles, tile_size);
                    for (Int i = 0; i < count; ++i) rows[i] = tiles + i / kTileRows * tile_size + i % kTileRows;
                }
                for (Int j = first * kTileColumns<T>; j < last * kTileColumns<T>; j += kTileColumns<T>) {
                    const Int columns = smaller(kTileColumns<T>, p.n - j);
                    const T* b = p.b + k0 * p.b_row + j * p.b_column;
                    const bool packed = !in_place || columns < tile_columns<T>(columns);
                    if (packed && !shares_b && p.b_column == 1) pack_panel(b, p.b_row, k1 - k0, columns, panel);
                    else if (packed && !shares_b) pack_panel_transposed(b, p.b_column, k1 - k0, columns, panel);
                    if (packed) b = shares_b ? all_panels + (block * panels + j / kTileColumns<T>)*panel_size : panel;
                    const Int ldb = packed ? kTileColumns<T> : p.b_row;

                    const bool end_of_sum = k1 == p.k;
                    const Epilogue<T> epilogue{end_of_sum && p.bias != nullptr ? p.bias + j : nullptr, k0 > 0 && !transposed,
                                               end_of_sum && p.relu};
                    const Strip<T> result{rows, c, transposed ? 0 : j, count};
                    const Run run{packs_a ? 0 : k0, k1 - k0};
                    if (packs_a) multiply<T, kTileRows>(result, kTileRows, &run, 1, b, ldb, columns, epilogue);
                    else multiply<T, 1>(result, 1, &run, 1, b, ldb, columns, epilogue);
                    if (transposed) store_transposed(strip, count, columns, p.c + i0 + j * p.c_column, p.c_column, k0 > 0);
                }
            }
        }
        return nullptr;
    });
}

template <class T>
Status multiply_matrices(const Product<T>& p) {
    const auto same = [](Int i) { return i; };
    return multiply_matrices<T>(p, same, same);
}

}  // namespace
}  // namespace lamella
