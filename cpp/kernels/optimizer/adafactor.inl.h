// Adafactor: the moving average of the squares of a matrix is stored as its means over rows and over columns.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

// The last two axes of an array are matrices. An array with fewer axes has none: its average is stored whole.
struct Matrices {
    Int count, rows, columns;
};

template <class V>
Matrices matrices_of(const V& x) {
    if (x.rank < 2 || x.size == 0) return {0, 0, 0};
    const Int rows = x.shape[x.rank - 2], columns = x.shape[x.rank - 1];
    return {x.size / (rows * columns), rows, columns};
}

// A part of the work: rows [row, row + rows) of one matrix, or all rows of several small matrices; of an array without matrices
// the elements [row, row + rows). `sums` is the place of its first sum over columns; after the sums is room for one more row.
struct Piece {
    Int array, matrix, matrices, row, rows, sums;
};

// A large matrix is cut into at most this many pieces, each of which stores the sums of its columns.
constexpr Int kMostBands = 32;

// Squares of a column are summed for this many rows at a time, and then these sums: a sum of 8,192 numbers of float32 one by
// one had an error of 8e-6.
constexpr Int kRowsOfSum = 64;

// Calls f(piece) for the pieces of all arrays in order, which depend only on the shapes. Returns the number of sums of columns.
template <class T, class F>
Int for_each_piece(InList<T> gs, const F& f) {
    Int sums = 0;
    for (Int k = 0; k < gs.count; ++k) {
        const Matrices m = matrices_of(gs.items[k]);
        if (m.count == 0) {
            const Int size = gs.items[k].size;
            for (Int at = 0; at < size; at += kChunkElements) f({k, 0, 0, at, smaller(kChunkElements, size - at), sums});
            continue;
        }
        const Int size = m.rows * m.columns;
        if (size >= kChunkElements) {
            const Int rows = larger(ceil_divide(m.rows, kMostBands), ceil_divide(kChunkElements, m.columns));
            for (Int matrix = 0; matrix < m.count; ++matrix) {
                for (Int row = 0; row < m.rows; row += rows, sums += 2 * m.columns) {
                    f({k, matrix, 1, row, smaller(rows, m.rows - row), sums});
                }
            }
        } else {
            const Int together = kChunkElements / size;
            for (Int matrix = 0; matrix < m.count; matrix += together) {
                const Int count = smaller(together, m.count - matrix);
                f({k, matrix, count, 0, m.rows, sums});
                sums += (count + 1) * m.columns;
            }
        }
    }
    return sums;
}

// 1 / sqrt(x), finite for 0: so 0 * result is 0. NaN stays NaN.
template <class T>
LAMELLA_INLINE T inverse_root(T x) {
    constexpr T kLeast = sizeof(T) == 4 ? T(1e-37) : T(1e-300);
    return 1 / __builtin_sqrt(x < kLeast ? kLeast : x);
}

template <class T>
bool fit_factors(InList<T> gs, List<T> rows, List<T> columns) {
    if (rows.count != gs.count || columns.count != gs.count) return false;
    for (Int k = 0; k < gs.count; ++k) {
        const View<const T>& g = gs.items[k];
        const View<T>&r = rows.items[k], &c = columns.items[k];
        if (r.rank != g.rank) return false;
        if (g.rank < 2) {
            if (!same_shape(r, g) || c.size != 0) return false;
            continue;
        }
        if (c.rank != g.rank) return false;
        for (Int axis = 0; axis < g.rank; ++axis) {
            if (r.shape[axis] != (axis == g.rank - 1 ? 1 : g.shape[axis])) return false;
            if (c.shape[axis] != (axis == g.rank - 2 ? 1 : g.shape[axis])) return false;
        }
    }
    return true;
}

// What all passes read of one array.
template <class T>
struct Factored {
    Gradient<T> g;
    Matrices m;
    T *p, *average, *columns;     // parameters, rows or the whole average, columns
    T *row_roots, *column_roots;  // 1 / sqrt of both factors
    T largest;                    // 1 / eps1

    // The step of a row before it is scaled: d / max(sqrt(row * column / mean of rows), eps1).
    LAMELLA_INLINE Vec<T> in_row(Int row_of_all, Int matrix, Int j, Int part) const {
        const Vec<T> root = row_roots[row_of_all] * load(column_roots + matrix * m.columns + j, part);
        return gradient(row_of_all * m.columns + j, part) * clamp<T>(root, T(0), largest);
    }
    // The same for an array without matrices.
    LAMELLA_INLINE Vec<T> whole(Int i, Int part) const {
        return gradient(i, part) * clamp<T>(T(1) / sqrt<T>(load(average + i, part)), T(0), largest);
    }
    LAMELLA_INLINE Vec<T> gradient(Int i, Int part) const { return g.bounded(g.unscaled(i, part)); }
};

// Sums the squares of a piece's parameters and gradients. An average that is stored whole is updated, rows are, and the sums of
// columns are written. Returns the sum of squares of the parameters.
template <class T>
double first_pass(const Factored<T>& x, const Piece& piece, T* sums, T take) {
    double squares = 0;
    if (x.m.count == 0) {
        squares += static_cast<double>(sum_long<T>(piece.rows, [=](Int i, Int part) {
            const Vec<T> p = load(x.p + piece.row + i, part), d = x.gradient(piece.row + i, part);
            const Vec<T> v = load(x.average + piece.row + i, part);
            store(x.average + piece.row + i, v + take * (d * d - v), part);
            return p * p;
        }));
        return squares;
    }
    const Int columns = x.m.columns;
    T* const few = sums + piece.matrices * columns;
    for (Int of_piece = 0; of_piece < piece.matrices; ++of_piece, sums += columns) {
        for (Int j = 0; j < columns; ++j) sums[j] = few[j] = 0;
        const Int first = (piece.matrix + of_piece) * x.m.rows + piece.row, last = first + piece.rows - 1;
        for (Int row = first; row <= last; ++row) {
            const T sum = sum_long<T>(columns, [=](Int j, Int part) {
                const Vec<T> d = x.gradient(row * columns + j, part);
                store(few + j, load(few + j, part) + d * d, part);
                return d * d;
            });
            x.average[row] += take * (sum / T(columns) - x.average[row]);
            if (row == last || (row - first) % kRowsOfSum == kRowsOfSum - 1) {
                for (Int j = 0; j < columns; ++j) {
                    sums[j] += few[j];
                    few[j] = 0;
                }
            }
        }
        squares += static_cast<double>(sum_long<T>(piece.rows * columns, [=](Int i, Int part) {
            const Vec<T> p = load(x.p + first * columns + i, part);
            return p * p;
        }));
    }
    return squares;
}

// Updates the columns of the matrices that begin in a piece, from the sums of all their pieces in order, and computes the
// roots.
template <class T>
void find_roots(const Factored<T>& x, const Piece& piece, const T* sums, T take, T eps1) {
    const Int columns = x.m.columns, bands = ceil_divide(x.m.rows, piece.rows);
    for (Int of_piece = 0; of_piece < piece.matrices; ++of_piece, sums += columns) {
        const Int matrix = piece.matrix + of_piece;
        T* const averages = x.columns + matrix * columns;
        for (Int j = 0; j < columns; ++j) {
            T sum = sums[j];
            for (Int band = 1; band < bands; ++band) sum += sums[2 * band * columns + j];
            averages[j] += take * (sum / T(x.m.rows) - averages[j]);
            x.column_roots[matrix * columns + j] = inverse_root(averages[j]);
        }
        const T* const rows = x.average + matrix * x.m.rows;
        double sum = 0;
        for (Int i = 0; i < x.m.rows; ++i) sum += static_cast<double>(rows[i]);
        const T mean = T(sum / static_cast<double>(x.m.rows)), divisor = mean < eps1 ? eps1 : mean;
        for (Int i = 0; i < x.m.rows; ++i) x.row_roots[matrix * x.m.rows + i] = inverse_root(rows[i] / divisor);
    }
}

// f(step, i, part) for each vector of a piece, with its place i in the array; returns the sum of what f returns.
template <class T, class F>
double over_steps(const Factored<T>& x, const Piece& piece, const F& f) {
    if (x.m.count == 0) {
        return static_cast<double>(
            sum_long<T>(piece.rows, [=](Int i, Int part) { return f(x.whole(piece.row + i, part), piece.row + i, part); }));
    }
    double sum = 0;
    for (Int matrix = piece.matrix; matrix < piece.matrix + piece.matrices; ++matrix) {
        const Int first = matrix * x.m.rows + piece.row;
        for (Int row = first; row < first + piece.rows; ++row) {
            sum += static_cast<double>(sum_long<T>(
                x.m.columns, [=](Int j, Int part) { return f(x.in_row(row, matrix, j, part), row * x.m.columns + j, part); }));
        }
    }
    return sum;
}

// Of each piece, of_p and of_u are the sums of squares of its parameters and of its step before it is scaled. of_u becomes the
// factor of the step of its array.
template <class T>
void find_factors(InList<T> gs, const Piece* piece, Int pieces, Real rate, Real eps2, Real threshold, double* of_p,
                  double* of_u) {
    for (Int first = 0, next; first < pieces; first = next) {
        for (next = first + 1; next < pieces && piece[next].array == piece[first].array; ++next) {
            of_p[first] += of_p[next];
            of_u[first] += of_u[next];
        }
        const double size = static_cast<double>(gs.items[piece[first].array].size);
        const double own_size = __builtin_sqrt(of_p[first] / size), step = __builtin_sqrt(of_u[first] / size) / threshold;
        const double factor = rate * (own_size > eps2 ? own_size : eps2) / (step > 1 ? step : 1);
        for (Int i = first; i < next; ++i) of_u[i] = factor;
    }
}

template <class T>
Status adafactor_update(List<T> ps, InList<T> gs, List<T> rows, List<T> columns, Real rate, Real kept, Real take, Real eps1,
                        Real eps2, Real threshold, const Bounds<T>& bounds) {
    LAMELLA_REQUIRE(same_shapes(gs, ps));
    LAMELLA_REQUIRE(fit_factors(gs, rows, columns));
    LAMELLA_REQUIRE(bounds.sums.count == 0 || same_shapes(gs, bounds.sums));
    Int pieces = 0, of_rows = 0, of_columns = 0;
    const Int of_sums = for_each_piece<T>(gs, [&](const Piece&) { ++pieces; });
    for (Int k = 0; k < gs.count; ++k) {
        const Matrices m = matrices_of(gs.items[k]);
        of_rows += m.count * m.rows;
        of_columns += m.count * m.columns;
    }
    const Int chunks = (row_length(gs) + kChunkElements - 1) / kChunkElements + gs.count;
    Piece* piece;
    Factored<T>* array;
    Int* start;
    double *scale, *of_chunks, *of_p, *of_u;
    T *sums, *row_roots, *column_roots;
    const Workspace own(part(piece, pieces), part(array, gs.count), part(start, gs.count + 1), part(scale, gs.count),
                        part(of_chunks, chunks), part(of_p, pieces), part(of_u, pieces), part(sums, of_sums),
                        part(row_roots, of_rows), part(column_roots, of_columns));
    if (!own) return kOutOfMemory;
    start[0] = 0;
    for (Int k = 0; k < gs.count; ++k) start[k + 1] = start[k] + length_in_row(gs.items[k].size);
    find_scales(gs, bounds, start, scale, of_chunks, chunks);
    Int at = 0, row = 0, column = 0;
    for_each_piece<T>(gs, [&](const Piece& one) { piece[at++] = one; });
    for (Int k = 0; k < gs.count; ++k) {
        const Matrices m = matrices_of(gs.items[k]);
        array[k] = {gradient_of(gs, bounds, k, scale[k]),
                    m,
                    ps.items[k].data,
                    rows.items[k].data,
                    columns.items[k].data,
                    row_roots + row,
                    column_roots + column,
                    T(1 / eps1)};
        row += m.count * m.rows;
        column += m.count * m.columns;
    }
    Int elements = 0;
    for (Int k = 0; k < gs.count; ++k) elements += gs.items[k].size;
    const Int grain = larger(Int{1}, kChunkElements * pieces / larger(Int{1}, elements));
    const auto for_pieces_of_all = [&](const auto& f) {
        parallel_for(pieces, grain, [&](Int begin, Int end) {
            for (Int i = begin; i < end; ++i) f(i, array[piece[i].array], piece[i]);
        });
    };

    for_pieces_of_all(
        [&](Int i, const Factored<T>& x, const Piece& one) { of_p[i] = first_pass(x, one, sums + one.sums, T(take)); });
    for_pieces_of_all([&](Int, const Factored<T>& x, const Piece& one) {
        if (one.matrices > 0 && one.row == 0) find_roots(x, one, sums + one.sums, T(take), T(eps1));
    });
    for_pieces_of_all([&](Int i, const Factored<T>& x, const Piece& one) {
        of_u[i] = over_steps(x, one, [](Vec<T> u, Int, Int) { return u * u; });
    });
    find_factors(gs, piece, pieces, rate, eps2, threshold, of_p, of_u);
    for_pieces_of_all([&](Int i, const Factored<T>& x, const Piece& one) {
        const T factor = T(of_u[i]), keep = T(kept);
        over_steps(x, one, [=](Vec<T> u, Int place, Int part) {
            store(x.p + place, keep * load(x.p + place, part) - factor * u, part);
            return u;
        });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
