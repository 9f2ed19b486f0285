// Convolution with different weights at each position (place). x [N, H, W, C], w [P*Q, R*S*C, F], y [N, P, Q, F]; for sequences
// [N, H, C] W, S and Q are 1. Windows are inside of x.
//
// Each place is one product over the images. Its weights are read once for all images; with few images reading them takes most
// of the time.
#pragma once
#include "kernels/axes.h"
#include "kernels/column_sums.inl.h"
#include "kernels/multiply/gemm.inl.h"

namespace lamella {
namespace {

// Rows and columns.
struct LocalGeometry {
    Int images, channels, filters;
    Int x[2], y[2], size[2], stride[2];

    Int image() const { return x[0] * x[1] * channels; }
    Int places() const { return y[0] * y[1]; }
    Int terms() const { return size[0] * size[1] * channels; }
    Int flops() const { return 2 * images * terms() * filters; }  // of a place, in each pass
    // The offset in an image at which the window of a place begins.
    Int start(Int place) const { return (place / y[1] * stride[0] * x[1] + place % y[1] * stride[1]) * channels; }
};

template <class A, class B>
LAMELLA_INLINE LocalGeometry local_geometry(const A& x, const B& y, const Window& window) {
    LocalGeometry g{x.shape[0], x.shape[x.rank - 1], y.shape[y.rank - 1], {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    for (Int i = 0; i < window.axes; ++i) {
        const Int axis = kMaxAxes - window.axes + i;
        g.x[i] = x.shape[1 + i];
        g.y[i] = y.shape[1 + i];
        g.size[i] = window.size[axis];
        g.stride[i] = window.stride[axis];
    }
    return g;
}

// The elements of a window as runs of `terms` contiguous elements of x. The n-th element of run r is multiplied by row
// row(r) + n * row_step of the place's weights, whose order is [window, C], or with channels_first [C, window].
struct LocalRuns {
    Int count, terms, row_step;
    Int in_row;   // runs of a row of the window
    Int columns;  // elements of x from one row to the next
    Int channels;

    // joined: the rows of a window as wide as x are one run.
    LAMELLA_INLINE LocalRuns(const LocalGeometry& g, bool channels_first, bool joined)
        : count(g.size[0]), columns(g.x[1] * g.channels), channels(g.channels) {
        terms = g.size[1] * channels;
        row_step = in_row = 1;
        if (channels_first) {
            in_row = g.size[1];
            row_step = count = g.size[0] * g.size[1];
            terms = channels;
        } else if (joined && g.size[1] == g.x[1]) {
            terms *= count;
            count = 1;
        }
    }

    // The offset of a run from the window's first element, and from the first element of its row.
    Int at(Int run) const { return run / in_row * columns + at_in_row(run); }
    Int at_in_row(Int run) const { return run % in_row * channels; }
    Int row(Int run) const { return row_step == 1 ? run * terms : run; }
};

LAMELLA_INLINE bool lies_inside(const Window& window, const Int* x, const Int* y) {
    for (Int i = 0; i < window.axes; ++i) {
        const Int axis = kMaxAxes - window.axes + i, size = window.size[axis], length = x[1 + i];
        if (window.dilation[axis] != 1 || window.before[axis] != 0) return false;
        if (size < 1 || size > length || y[1 + i] != (length - size) / window.stride[axis] + 1) return false;
    }
    return true;
}

#define LAMELLA_REQUIRE_LOCAL(x, w, y)                                             \
    LAMELLA_REQUIRE(is_window(window) && window.axes <= 2);                        \
    LAMELLA_REQUIRE(x.rank == window.axes + 2 && y.rank == x.rank && w.rank == 3); \
    LAMELLA_REQUIRE(x.shape[0] == y.shape[0]);                                     \
    LAMELLA_REQUIRE(steps_fit(window.stride, 1));                                  \
    LAMELLA_REQUIRE(lies_inside(window, x.shape, y.shape));                        \
    const LocalGeometry g = local_geometry(x, y, window);                          \
    LAMELLA_REQUIRE(w.shape[0] == g.places() && w.shape[1] == g.terms() && w.shape[2] == g.filters)

// Calls f(first, count) for groups of rows of a product, because the pointers to the rows are on the stack.
template <class F>
LAMELLA_INLINE void for_row_groups(Int rows, const F& f) {
    for (Int first = 0; first < rows; first += kMostGroupRows) f(first, smaller(kMostGroupRows, rows - first));
}

template <class T>
Status local_conv_forward(In<T> x, In<T> w, In<T> bias, Window window, Int channels_first, Out<T> y) {
    LAMELLA_REQUIRE_LOCAL(x, w, y);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == g.places() * g.filters);
    if (y.size == 0) return nullptr;
    const LocalRuns runs(g, channels_first != 0, true);
    // As in multiply_matrices: with few images a copy of the weights is too expensive, unless their rows alias in L1.
    const bool aliased = g.filters * Int(sizeof(T)) % 512 == 0 && g.terms() > 64;
    const bool in_place = runs.row_step == 1 && (g.images <= kTileRows || (g.images < 8 * kTileRows && !aliased));
    const Int panel_size = g.terms() * kTileColumns<T>, distance = g.places() * g.filters;
    const Int grain = larger(1, kChunkFlops / larger(1, g.flops()));
    return in_chunks(g.places(), grain, [&](Int begin, Int end) -> Status {
        T* panel;
        Run* seen;
        const Workspace own(part(panel, panel_size), part(seen, runs.count));
        if (!own) return kOutOfMemory;
        for (Int run = 0; run < runs.count; ++run) seen[run] = {runs.at(run), runs.terms};
        for (Int place = begin; place < end; ++place) {
            const T* const weights = w.data + place * g.terms() * g.filters;
            for (Int j = 0; j < g.filters; j += kTileColumns<T>) {
                const Int columns = smaller(kTileColumns<T>, g.filters - j);
                const bool packed = !in_place || columns < kTileColumns<T>;
                for (Int run = 0; packed && run < runs.count; ++run) {
                    pack_panel(weights + runs.row(run) * g.filters + j, runs.row_step * g.filters, runs.terms, columns,
                               panel + run * runs.terms * kTileColumns<T>);
                }
                const Epilogue<T> epilogue{bias.size > 0 ? bias.data + place * g.filters + j : nullptr, false, false};
                for_row_groups(g.images, [&](Int first, Int count) {
                    const T* rows[kMostGroupRows];
                    T* c[kMostGroupRows];
                    for (Int i = 0; i < count; ++i) {
                        rows[i] = x.data + (first + i) * g.image() + g.start(place);
                        c[i] = y.data + (first + i) * distance + place * g.filters;
                    }
                    multiply<T, 1>({rows, c, j, count}, 1, seen, runs.count, packed ? panel : weights + j,
                                   packed ? kTileColumns<T> : g.filters, columns, epilogue);
                });
            }
        }
        return nullptr;
    });
}

// Rows of dx one by one: each row of a window is a product that is added to a row of dx, place by place.
template <class T>
Status local_conv_backward_input(In<T> dy, In<T> w, Window window, Int channels_first, Out<T> dx) {
    LAMELLA_REQUIRE_LOCAL(dx, w, dy);
    if (dx.size == 0) return nullptr;
    const LocalRuns runs(g, channels_first != 0, false);
    const Int panel_size = g.filters * kTileColumns<T>, distance = g.places() * g.filters, width = g.x[1] * g.channels;
    const Int row_flops = g.flops() * g.places() / g.x[0] + g.images * width;
    return in_chunks(g.x[0], larger(1, kChunkFlops / row_flops), [&](Int begin, Int end) -> Status {
        T* panel;
        const Workspace own(part(panel, panel_size));
        if (!own) return kOutOfMemory;
        const Run seen{0, g.filters};
        for (Int h = begin; h < end; ++h) {
            for (Int n = 0; n < g.images; ++n) clear(dx.data + n * g.image() + h * width, width);
            // The rows of places whose windows contain row h.
            const Int first_row = h < g.size[0] ? 0 : (h - g.size[0]) / g.stride[0] + 1;
            const Int last_row = smaller(g.y[0] - 1, h / g.stride[0]);
            for (Int place = first_row * g.y[1]; place < (last_row + 1) * g.y[1]; ++place) {
                const Int window_row = h - place / g.y[1] * g.stride[0];
                const Int column = place % g.y[1] * g.stride[1] * g.channels;
                for (Int run = window_row * runs.in_row; run < (window_row + 1) * runs.in_row; ++run) {
                    const T* const weights = w.data + (place * g.terms() + runs.row(run)) * g.filters;
                    for (Int j = 0; j < runs.terms; j += kTileColumns<T>) {
                        const Int columns = smaller(kTileColumns<T>, runs.terms - j), ldb = runs.row_step * g.filters;
                        pack_panel_transposed(weights + j * ldb, ldb, g.filters, columns, panel);
                        for_row_groups(g.images, [&](Int first, Int count) {
                            const T* rows[kMostGroupRows];
                            T* c[kMostGroupRows];
                            for (Int i = 0; i < count; ++i) {
                                rows[i] = dy.data + (first + i) * distance + place * g.filters;
                                c[i] = dx.data + (first + i) * g.image() + h * width + column + runs.at_in_row(run);
                            }
                            multiply<T, 1>({rows, c, j, count}, 1, &seen, 1, panel, kTileColumns<T>, columns,
                                           {nullptr, true, false});
                        });
                    }
                }
            }
        }
        return nullptr;
    });
}

// dw of a place is a product over the images, which are summed in blocks, in order.
template <class T>
Status local_conv_backward_weights(In<T> x, In<T> dy, Window window, Int channels_first, Out<T> dw, Out<T> dbias) {
    LAMELLA_REQUIRE_LOCAL(x, dw, dy);
    const Int distance = g.places() * g.filters;
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == distance);
    if (dbias.size > 0) {
        if (const Status error = sum_over_rows(dy.data, g.images, distance, dbias.data)) return error;
    }
    if (dw.size == 0) return nullptr;
    if (g.images == 0) {
        clear(dw.data, dw.size);
        return nullptr;
    }
    const LocalRuns runs(g, channels_first != 0, true);
    const Int depth = smaller(g.images, kBlockDepth<T>), tile_size = depth * kTileRows;
    const Int tiles_size = ceil_divide(smaller(kMostGroupRows, runs.terms), kTileRows) * tile_size;
    const Int panels_size = ceil_divide(g.filters, kTileColumns<T>) * kTileColumns<T> * depth;
    const Int grain = larger(1, kChunkFlops / g.flops());
    return in_chunks(g.places(), grain, [&](Int begin, Int end) -> Status {
        T *tiles, *panels;
        const Workspace own(part(tiles, tiles_size), part(panels, panels_size));
        if (!own) return kOutOfMemory;
        for (Int place = begin; place < end; ++place) {
            T* const gradient = dw.data + place * g.terms() * g.filters;
            for (Int n = 0; n < g.images; n += depth) {
                const Run images{0, smaller(depth, g.images - n)};
                for (Int j = 0; j < g.filters; j += kTileColumns<T>) {
                    pack_panel(dy.data + n * distance + place * g.filters + j, distance, images.k,
                               smaller(kTileColumns<T>, g.filters - j), panels + j * images.k);
                }
                for (Int run = 0; run < runs.count; ++run) {
                    const T* const seen = x.data + n * g.image() + g.start(place) + runs.at(run);
                    for_row_groups(runs.terms, [&](Int first, Int count) {
                        pack_rows(seen + first, g.image(), images.k, count, tiles, tile_size);
                        const T* rows[kMostGroupRows];
                        T* c[kMostGroupRows];
                        for (Int i = 0; i < count; ++i) {
                            rows[i] = tiles + i / kTileRows * tile_size + i % kTileRows;
                            c[i] = gradient + (runs.row(run) + (first + i) * runs.row_step) * g.filters;
                        }
                        for (Int j = 0; j < g.filters; j += kTileColumns<T>) {
                            multiply<T, kTileRows>({rows, c, j, count}, kTileRows, &images, 1, panels + j * images.k,
                                                   kTileColumns<T>, smaller(kTileColumns<T>, g.filters - j),
                                                   {nullptr, n > 0, false});
                        }
                    });
                }
            }
        }
        return nullptr;
    });
}

}  // namespace
}  // namespace lamella
