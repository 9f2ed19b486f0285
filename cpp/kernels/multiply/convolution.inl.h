// Sliding windows over volumes without im2col; an image is a volume of one slice, a sequence a volume of one row. The input is
// read through a zero-padded copy of some of its rows (a patch). Because channels are last, the taps of one filter row are
// contiguous, so a row of A is a pointer into the patch.
#pragma once
#include "kernels/multiply/few_columns.inl.h"
#include "kernels/multiply/thin_conv.inl.h"

namespace lamella {
namespace {

// Sizes of the input.
struct Extent {
    Int depth, height, width, in;

    Int size() const { return depth * height * width * in; }
};

// Slices, rows and columns of a volume; they may be outside of it.
struct Box {
    Int front, back, top, bottom, left, right;

    bool within(const Extent& x) const {
        return front >= 0 && back <= x.depth && top >= 0 && bottom <= x.height && left == 0 && right == x.width;
    }
};

// A box of a volume, with zeros outside of the volume: point (h, i, j) is at
// data + (h - box.front)*slice_size + (i - box.top)*row_size + (j - box.left)*C.
template <class T>
struct Patch {
    const T* data;
    Int row_size;
};

// A box whose columns are all inside is widened to all columns: then most patches need no copy, and all patches of a call have
// the same row size.
LAMELLA_INLINE Box widen(Box box, Int width) {
    if (box.left >= 0 && box.right <= width) box.left = 0, box.right = width;
    return box;
}

// The distance of slices in all patches of a call; their boxes are `first`, moved by up to `slices` and `rows` steps. If no box
// needs a copy it is the distance in the volume, otherwise the distance in a copy of `patch_rows` rows.
LAMELLA_INLINE Int patch_slice(const Extent& x, const Box& first, Int slices, Int rows, Int patch_rows) {
    const Box last{first.front + slices, first.back + slices, first.top + rows, first.bottom + rows, first.left, first.right};
    return (first.within(x) && last.within(x) ? x.height : patch_rows) * (first.right - first.left) * x.in;
}

template <class T>
Patch<T> patch_of(const T* volume, const Extent& x, const Box& box, Int slice_size, T* buffer) {
    const Int row_size = (box.right - box.left) * x.in;
    const bool one_row = box.back - box.front == 1 && box.bottom - box.top == 1;
    if (one_row && box.front >= 0 && box.back <= x.depth && box.top >= 0 && box.bottom <= x.height && box.left >= 0 &&
        box.right <= x.width) {
        return {volume + ((box.front * x.height + box.top) * x.width + box.left) * x.in, row_size};
    }
    if (box.within(x) && (box.back - box.front == 1 || slice_size == x.height * row_size)) {
        return {volume + (box.front * x.height + box.top) * row_size, row_size};
    }
    const Int first = smaller(larger(box.left, 0), box.right), last = larger(smaller(box.right, x.width), first);
    for (Int h = box.front; h < box.back; ++h) {
        for (Int i = box.top; i < box.bottom; ++i) {
            T* const row = buffer + (h - box.front) * slice_size + (i - box.top) * row_size;
            if (h < 0 || h >= x.depth || i < 0 || i >= x.height) {
                clear(row, row_size);
                continue;
            }
            clear(row, (first - box.left) * x.in);
            copy(volume + ((h * x.height + i) * x.width + first) * x.in, row + (first - box.left) * x.in,
                 (last - first) * x.in);
            clear(row + (last - box.left) * x.in, (box.right - last) * x.in);
        }
    }
    return {buffer, row_size};
}

// One filter position: its position in the input relative to an output point's origin, and its matrix.
template <class T>
struct Tap {
    Int slice, row, column;
    const T* w;
};

// Output point (o, p, q) sums over the taps the input point (o*slice_step + tap.slice, p*row_step + tap.row,
// q*column_step + tap.column) times the tap's [in][out] matrix ([out][in] if transposed). Values of output point (n, o, p, q)
// begin at y + n*y_image + o*y_slice + p*y_row + q*y_column.
template <class T>
struct Convolution {
    const T* x;
    Int images, depth, height, width, in;
    Int slice_step, row_step, column_step;
    const Tap<T>* taps;
    Int tap_count;
    bool transposed;
    T* y;
    Int y_image, y_slice, y_row, y_column;
    Int slices, rows, columns, out;
    const T* bias;
    bool relu;

    Extent extent() const { return {depth, height, width, in}; }
    Int terms() const { return tap_count * in; }  // of one output value
    Int panels() const { return ceil_divide(out, kTileColumns<T>); }
};

// Whether the taps are neighbours in `height` rows of `width`, in one slice or in several neighbouring ones, with stride 1 in
// rows and columns.
template <class T>
bool has_rows(const Convolution<T>& v, Int height, Int width) {
    if (v.tap_count % (width * height) != 0 || v.row_step != 1 || v.column_step != 1) return false;
    const Tap<T>& first = v.taps[0];
    for (Int t = 0; t < v.tap_count; ++t) {
        const Tap<T>& tap = v.taps[t];
        if (tap.slice != first.slice + t / width / height || tap.row != first.row + t / width % height ||
            tap.column != first.column + t % width) {
            return false;
        }
    }
    return true;
}

// Whether the input is images, and the taps are 3 x 3 neighbours with stride 1.
template <class T>
bool is_3x3(const Convolution<T>& v) {
    return v.tap_count == 9 && v.depth == 1 && v.slices == 1 && v.taps[0].slice == 0 && has_rows(v, 3, 3);
}

// The box of the input that the first `columns` points of output row 0 of slice 0 read.
template <class T>
Box reach(const Convolution<T>& v, Int columns) {
    Box box{v.taps[0].slice, v.taps[0].slice + 1, v.taps[0].row, v.taps[0].row + 1, v.taps[0].column, v.taps[0].column + 1};
    for (Int t = 1; t < v.tap_count; ++t) {
        box.front = smaller(box.front, v.taps[t].slice);
        box.back = larger(box.back, v.taps[t].slice + 1);
        box.top = smaller(box.top, v.taps[t].row);
        box.bottom = larger(box.bottom, v.taps[t].row + 1);
        box.left = smaller(box.left, v.taps[t].column);
        box.right = larger(box.right, v.taps[t].column + 1);
    }
    box.right += (columns - 1) * v.column_step;
    return columns < v.columns ? box : widen(box, v.width);
}

// The number of output rows computed at once: their patch, and the weights multiplied with it, fill half of a 512 KiB L2.
// patch_row_bytes: bytes of a row of the patch in all its slices.
LAMELLA_INLINE Int rows_at_once(Int rows, Int row_step, Int patch_row_bytes) {
    constexpr Int kPatchBytes = 128 * 1024;
    return larger(1, smaller(rows, kPatchBytes / larger(1, row_step * patch_row_bytes)));
}

// Output rows of sequences are cut if they have more than twice so many points, so that what a unit reads stays in the cache,
// and so that one long sequence has several units.
constexpr Int kRowPoints = 512;

// The number of points of an output row that are computed at once. window: its sizes in slices and rows.
LAMELLA_INLINE Int columns_at_once(Int columns, Int window_slices, Int window_rows) {
    if (window_slices != 1 || window_rows != 1 || columns <= 2 * kRowPoints) return columns;
    return ceil_divide(columns, columns / kRowPoints);
}

// The k of an output point as runs in its patch, cut into blocks of equal depth. Contiguous taps share a run.
struct Plan {
    Run* runs;       // at most one for each tap and each block
    Int* block_end;  // one past the block's last run
    Int blocks, block_depth;
};

// plan must have memory for `most_blocks` blocks.
template <class T>
void plan_runs(const Convolution<T>& v, const Box& box, Int slice_size, Int most_blocks, Plan& plan) {
    plan.blocks = 0;
    plan.block_depth = ceil_divide(v.terms(), most_blocks);
    const Int row_size = (box.right - box.left) * v.in;
    Int count = 0, filled = 0;
    for (Int t = 0; t < v.tap_count; ++t) {
        const Tap<T>& tap = v.taps[t];
        Int a = (tap.slice - box.front) * slice_size + (tap.row - box.top) * row_size + (tap.column - box.left) * v.in;
        for (Int left = v.in; left > 0;) {
            const Int k = smaller(left, plan.block_depth - filled);
            if (filled > 0 && plan.runs[count - 1].a + plan.runs[count - 1].k == a) plan.runs[count - 1].k += k;
            else plan.runs[count++] = {a, k};
            a += k;
            left -= k;
            filled += k;
            if (filled == plan.block_depth || (left == 0 && t == v.tap_count - 1)) {
                plan.block_end[plan.blocks++] = count;
                filled = 0;
            }
        }
    }
}

// Packs the columns of tap t's matrix from j on as a panel [k][NR].
template <class T>
void pack_tap(const Convolution<T>& v, Int t, Int j, Int columns, T* panel) {
    if (v.transposed) pack_panel_transposed(v.taps[t].w + j * v.in, v.in, v.in, columns, panel);
    else pack_panel(v.taps[t].w + j, v.out, v.in, columns, panel);
}

// Packs the matrices of all taps as panels [panel][k][NR].
template <class T>
void pack_taps(const Convolution<T>& v, T* packed) {
    const Int panel_size = v.terms() * kTileColumns<T>;
    parallel_for(v.panels(), larger(1, kChunkElements / panel_size), [&](Int begin, Int end) {
        for (Int panel = begin; panel < end; ++panel) {
            const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
            for (Int t = 0; t < v.tap_count; ++t) {
                pack_tap(v, t, j, columns, packed + panel * panel_size + t * v.in * kTileColumns<T>);
            }
        }
    });
}

// Packs the matrices of all taps as [out][terms], for few columns.
template <class T>
void pack_few(const Convolution<T>& v, T* packed) {
    for (Int j = 0; j < v.out; ++j) {
        for (Int t = 0; t < v.tap_count; ++t) {
            const T* const from = v.taps[t].w + (v.transposed ? j * v.in : j);
            T* const to = packed + j * v.terms() + t * v.in;
            for (Int k = 0; k < v.in; ++k) to[k] = from[k * (v.transposed ? 1 : v.out)];
        }
    }
}

template <class T>
Status convolve_direct(const Convolution<T>& v) {
    const Extent extent = v.extent();
    const Box row = reach(v, v.columns);
    const Int block_columns = columns_at_once(v.columns, row.back - row.front, row.bottom - row.top);
    const Int column_blocks = ceil_divide(v.columns, block_columns);
    const Box reached = column_blocks > 1 ? reach(v, block_columns) : row;
    const Int patch_row = (reached.right - reached.left) * v.in, patch_slices = reached.back - reached.front;
    const Int block_rows = column_blocks > 1 ? 1 : rows_at_once(v.rows, v.row_step, patch_slices * patch_row * Int(sizeof(T)));
    const Int row_blocks = ceil_divide(v.rows, block_rows), points = block_rows * block_columns;
    const Int patch_rows = (block_rows - 1) * v.row_step + reached.bottom - reached.top;
    const Int slice_size = patch_slice(extent, reached, (v.slices - 1) * v.slice_step, (v.rows - 1) * v.row_step, patch_rows);
    const Int patch_size = patch_slices * patch_rows * patch_row;
    // Taps that are neighbours in a row share a run.
    const bool few = few_columns_pay<T>(v.out, v.terms(), v.in * smaller(v.tap_count, v.column_step == 1 ? 3 : 1));
    const Int most_blocks = few ? 1 : ceil_divide(v.terms(), kBlockDepth<T>);
    Plan plan;
    T* packed;
    const Workspace shared(part(plan.runs, v.tap_count + most_blocks), part(plan.block_end, most_blocks),
                           part(packed, v.panels() * kTileColumns<T> * v.terms()));
    if (!shared) return kOutOfMemory;
    plan_runs(v, reached, slice_size, most_blocks, plan);
    if (few) pack_few(v, packed);
    else pack_taps(v, packed);

    const Int flops = 2 * points * v.out * v.terms();
    const bool thin = kThinPays && v.in == 1 && is_3x3(v);
    const Int grain = larger(1, kChunkFlops / flops);
    return in_chunks(v.images * v.slices * row_blocks * column_blocks, grain, [&](Int begin, Int end) -> Status {
        T *buffer, **c;
        const T** a;
        const Workspace own(part(buffer, patch_size), part(a, points), part(c, points));
        if (!own) return kOutOfMemory;
        for (Int unit = begin; unit < end; ++unit) {
            const Int rows = unit / column_blocks, image = rows / row_blocks / v.slices, o = rows / row_blocks % v.slices;
            const Int p0 = rows % row_blocks * block_rows, p1 = smaller(p0 + block_rows, v.rows);
            const Int q0 = unit % column_blocks * block_columns, q1 = smaller(q0 + block_columns, v.columns);
            const Box box{reached.front + o * v.slice_step,  reached.back + o * v.slice_step,
                          reached.top + p0 * v.row_step,     reached.bottom + (p1 - 1) * v.row_step,
                          reached.left + q0 * v.column_step, reached.right + q0 * v.column_step};
            const Patch<T> patch = patch_of(v.x + image * extent.size(), extent, box, slice_size, buffer);
            T* const y = v.y + image * v.y_image + o * v.y_slice;
            if (thin) {
                convolve_thin<T>({patch.data + v.taps[0].column - reached.left, patch.row_size, y + p0 * v.y_row, v.y_row,
                                  v.y_column, p1 - p0, v.columns},
                                 packed, v.out, v.bias, v.relu);
                continue;
            }
            Int count = 0;
            for (Int p = p0; p < p1; ++p) {
                for (Int q = q0; q < q1; ++q, ++count) {
                    a[count] = patch.data + (p - p0) * v.row_step * patch.row_size + (q - q0) * v.column_step * v.in;
                    c[count] = y + p * v.y_row + q * v.y_column;
                }
            }
            if (few) {
                multiply_few<T>(v.out, a, count, plan.runs, plan.block_end[0], packed, v.terms(), c, v.bias, v.relu);
                continue;
            }
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* b = packed + panel * v.terms() * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
                for (Int block = 0; block < plan.blocks; ++block) {
                    const Int first = block > 0 ? plan.block_end[block - 1] : 0;
                    const bool last = block == plan.blocks - 1;
                    const Epilogue<T> epilogue{last && v.bias != nullptr ? v.bias + j : nullptr, block > 0, last && v.relu};
                    multiply<T, 1>({a, c, j, count}, 1, plan.runs + first, plan.block_end[block] - first, b, kTileColumns<T>,
                                   columns, epilogue);
                    b += plan.block_depth * kTileColumns<T>;
                }
            }
        }
        return nullptr;
    });
}

}  // namespace
}  // namespace lamella
