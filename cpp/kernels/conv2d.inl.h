// Convolution in two dimensions. x [N, H, W, C], w [R, S, C, K], y [N, P, Q, K].
//
// All three passes slide over a zero-padded copy of some rows of the input: in NHWC the taps of one filter row lie side
// by side, so a row of A is a pointer into that copy, and no im2col is made. Forward and the gradient of the input are
// one function, convolve, over a list of taps; a stride s in the latter falls apart into s*s phases, each a convolution
// of stride 1 with some of the taps.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/gemm.inl.h"

namespace lamella {
namespace {

// Steps beyond this are refused, so that no product of sizes overflows.
constexpr Int kMaxStep = 1 << 20;

// What a kernel carves out of one scratch buffer.
class Arena {
public:
    explicit Arena(void* memory) : at_(static_cast<char*>(memory)) {}

    template <class E>
    E* take(Int count) {
        E* const taken = reinterpret_cast<E*>(at_);
        at_ += bytes<E>(count);
        return taken;
    }

    template <class E>
    static Int bytes(Int count) {
        return (count * Int(sizeof(E)) + 63) / 64 * 64;
    }

private:
    char* at_;
};

// Rows and columns of an image, which may lie outside it.
struct Box {
    Int top, bottom, left, right;
};

// A box of an image with zeros where it lies outside: point (i, j) at data + (i - box.top)*row_size + (j - box.left)*C.
template <class T>
struct Patch {
    const T* data;
    Int row_size;
};

template <class T>
void copy(const T* from, T* to, Int count) {
    for_vectors<T>(0, count, [&](Int i, Int part) { store(to + i, load(from + i, part), part); });
}

template <class T>
void clear(T* to, Int count) {
    for_vectors<T>(0, count, [&](Int i, Int part) { store(to + i, Vec<T>{}, part); });
}

// A box that stays within the columns is widened to all of them: then most patches need no copy, and all of a call's
// patches have one row size.
LAMELLA_INLINE Box widen(Box box, Int width) {
    if (box.left >= 0 && box.right <= width) box.left = 0, box.right = width;
    return box;
}

template <class T>
Patch<T> patch_of(const T* image, Int height, Int width, Int in, const Box& box, T* buffer) {
    const Int row_size = (box.right - box.left) * in;
    if (box.left == 0 && box.right == width && box.top >= 0 && box.bottom <= height) {
        return {image + box.top * row_size, row_size};
    }
    const Int first = smaller(larger(box.left, 0), box.right), last = larger(smaller(box.right, width), first);
    for (Int i = box.top; i < box.bottom; ++i) {
        T* const row = buffer + (i - box.top) * row_size;
        if (i < 0 || i >= height) {
            clear(row, row_size);
            continue;
        }
        clear(row, (first - box.left) * in);
        copy(image + (i * width + first) * in, row + (first - box.left) * in, (last - first) * in);
        clear(row + (last - box.left) * in, (box.right - last) * in);
    }
    return {buffer, row_size};
}

// One filter position: its place in the input relative to an output point's origin, and its matrix.
template <class T>
struct Tap {
    Int row, column;
    const T* w;
};

// Output point (p, q) sums over the taps the input point (p*row_step + tap.row, q*column_step + tap.column) times the
// tap's [in][out] matrix ([out][in] if transposed). Values of output point (n, p, q) start at
// y + n*y_image + p*y_row + q*y_column.
template <class T>
struct Convolution {
    const T* x;
    Int images, height, width, in;
    Int row_step, column_step;
    const Tap<T>* taps;
    Int tap_count;
    bool transposed;
    T* y;
    Int y_image, y_row, y_column;
    Int rows, columns, out;
    const T* bias;
    bool relu;

    Int depth() const { return tap_count * in; }
    Int panels() const { return ceil_divide(out, kTileColumns<T>); }
};

// What one output row reads: the box of output row 0.
template <class T>
Box reach(const Convolution<T>& v) {
    Box box{v.taps[0].row, v.taps[0].row + 1, v.taps[0].column, v.taps[0].column + 1};
    for (Int t = 1; t < v.tap_count; ++t) {
        box.top = smaller(box.top, v.taps[t].row);
        box.bottom = larger(box.bottom, v.taps[t].row + 1);
        box.left = smaller(box.left, v.taps[t].column);
        box.right = larger(box.right, v.taps[t].column + 1);
    }
    box.right += (v.columns - 1) * v.column_step;
    return widen(box, v.width);
}

// Output rows done at once: their patch fills half of a 512 KiB L2 together with what it is multiplied by.
LAMELLA_INLINE Int rows_at_once(Int rows, Int row_step, Int patch_row_bytes) {
    constexpr Int kPatchBytes = 128 * 1024;
    return larger(1, smaller(rows, kPatchBytes / larger(1, row_step * patch_row_bytes)));
}

// The k of an output point as runs in its patch, cut into blocks of equal depth. Taps that lie side by side share a run.
struct Plan {
    Run* runs;
    Int* block_end;  // one past the block's last run
    Int blocks, block_depth;
};

template <class T>
Int plan_bytes(Int tap_count, Int in) {
    const Int blocks = ceil_divide(tap_count * in, kBlockDepth<T>);
    return Arena::bytes<Run>(tap_count + blocks) + Arena::bytes<Int>(blocks);
}

template <class T>
Plan plan_runs(const Convolution<T>& v, const Box& box, Arena* arena) {
    const Int most_blocks = ceil_divide(v.depth(), kBlockDepth<T>);
    Plan plan{arena->take<Run>(v.tap_count + most_blocks), arena->take<Int>(most_blocks), 0,
              ceil_divide(v.depth(), most_blocks)};
    const Int row_size = (box.right - box.left) * v.in;
    Int count = 0, filled = 0;
    for (Int t = 0; t < v.tap_count; ++t) {
        Int a = (v.taps[t].row - box.top) * row_size + (v.taps[t].column - box.left) * v.in;
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
    return plan;
}

template <class T>
Int convolve_bytes(Int tap_count, Int in, Int out) {
    return plan_bytes<T>(tap_count, in) +
           Arena::bytes<T>(ceil_divide(out, kTileColumns<T>) * kTileColumns<T> * tap_count * in);
}

// The taps' matrices as panels [panel][k][NR].
template <class T>
void pack_taps(const Convolution<T>& v, T* packed) {
    const Int panel_size = v.depth() * kTileColumns<T>;
    parallel_for(v.panels(), larger(1, kChunkElements / panel_size), [&](Int begin, Int end) {
        for (Int panel = begin; panel < end; ++panel) {
            const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
            for (Int t = 0; t < v.tap_count; ++t) {
                T* const to = packed + panel * panel_size + t * v.in * kTileColumns<T>;
                if (v.transposed) pack_panel_transposed(v.taps[t].w + j * v.in, v.in, v.in, columns, to);
                else pack_panel(v.taps[t].w + j, v.out, v.in, columns, to);
            }
        }
    });
}

// Needs convolve_bytes of `arena`.
template <class T>
Status convolve(const Convolution<T>& v, Arena arena) {
    if (v.images * v.rows * v.columns * v.out == 0) return nullptr;
    const Box reached = reach(v);
    const Plan plan = plan_runs(v, reached, &arena);
    T* const packed = arena.take<T>(v.panels() * kTileColumns<T> * v.depth());
    pack_taps(v, packed);

    const Int patch_row = (reached.right - reached.left) * v.in;
    const Int block_rows = rows_at_once(v.rows, v.row_step, patch_row * Int(sizeof(T)));
    const Int row_blocks = ceil_divide(v.rows, block_rows), points = block_rows * v.columns;
    const Int patch_size = ((block_rows - 1) * v.row_step + reached.bottom - reached.top) * patch_row;
    const Int flops = 2 * points * v.out * v.depth();
    Int failed = 0;
    parallel_for(v.images * row_blocks, larger(1, kChunkFlops / flops), [&](Int begin, Int end) {
        void* const scratch = thread_scratch(Arena::bytes<T>(patch_size) + 2 * Arena::bytes<T*>(points));
        if (scratch == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(scratch);
        T* const buffer = own.take<T>(patch_size);
        const T** const a = own.take<const T*>(points);
        T** const c = own.take<T*>(points);
        for (Int unit = begin; unit < end; ++unit) {
            const Int n = unit / row_blocks, p0 = unit % row_blocks * block_rows, p1 = smaller(p0 + block_rows, v.rows);
            const Box box{reached.top + p0 * v.row_step, reached.bottom + (p1 - 1) * v.row_step, reached.left,
                          reached.right};
            const Patch<T> patch =
                patch_of(v.x + n * v.height * v.width * v.in, v.height, v.width, v.in, box, buffer);
            Int count = 0;
            for (Int p = p0; p < p1; ++p) {
                for (Int q = 0; q < v.columns; ++q, ++count) {
                    a[count] = patch.data + (p - p0) * v.row_step * patch.row_size + q * v.column_step * v.in;
                    c[count] = v.y + n * v.y_image + p * v.y_row + q * v.y_column;
                }
            }
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* b = packed + panel * v.depth() * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
                for (Int block = 0; block < plan.blocks; ++block) {
                    const Int first = block > 0 ? plan.block_end[block - 1] : 0;
                    const bool last = block == plan.blocks - 1;
                    const Epilogue<T> epilogue{last && v.bias != nullptr ? v.bias + j : nullptr, block > 0,
                                               last && v.relu};
                    for (Int i = 0; i < count; i += kTileRows) {
                        multiply<T, 1>({a + i, c + i, j, smaller(kTileRows, count - i)}, 1, plan.runs + first,
                                       plan.block_end[block] - first, b, kTileColumns<T>, columns, epilogue);
                    }
                    b += plan.block_depth * kTileColumns<T>;
                }
            }
        }
    });
    return failed != 0 ? kOutOfMemory : nullptr;
}

#define LAMELLA_REQUIRE_CONV2D(x, w_rank_ok, y)                                                   \
    LAMELLA_REQUIRE(x.rank == 4 && w_rank_ok && y.rank == 4);                                     \
    LAMELLA_REQUIRE(x.shape[0] == y.shape[0]);                                                    \
    LAMELLA_REQUIRE(sh >= 1 && sw >= 1 && sh <= kMaxStep && sw <= kMaxStep);                      \
    LAMELLA_REQUIRE(dh >= 1 && dw >= 1 && dh <= kMaxStep && dw <= kMaxStep);                      \
    LAMELLA_REQUIRE(pt >= 0 && pl >= 0 && pt <= kMaxStep && pl <= kMaxStep)

template <class T>
Status conv2d_forward(In<T> x, In<T> w, In<T> bias, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Int relu,
                      Out<T> y) {
    LAMELLA_REQUIRE_CONV2D(x, w.rank == 4, y);
    LAMELLA_REQUIRE(w.size > 0);
    LAMELLA_REQUIRE(x.shape[3] == w.shape[2] && y.shape[3] == w.shape[3]);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == w.shape[3]);
    const Int r = w.shape[0], s = w.shape[1], in = w.shape[2], out = w.shape[3];
    void* const scratch = call_scratch(Arena::bytes<Tap<T>>(r * s) + convolve_bytes<T>(r * s, in, out));
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Tap<T>* const taps = arena.take<Tap<T>>(r * s);
    for (Int t = 0; t < r * s; ++t) taps[t] = {t / s * dh - pt, t % s * dw - pl, w.data + t * in * out};
    const Int rows = y.shape[1], columns = y.shape[2];
    return convolve<T>({x.data, x.shape[0], x.shape[1], x.shape[2], in, sh, sw, taps, r * s, false, y.data,
                        rows * columns * out, columns * out, out, rows, columns, out,
                        bias.size > 0 ? bias.data : nullptr, relu != 0},
                       arena);
}

template <class T>
Status conv2d_backward_input(In<T> dy, In<T> w, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Out<T> dx) {
    LAMELLA_REQUIRE_CONV2D(dy, w.rank == 4, dx);
    LAMELLA_REQUIRE(w.size > 0);
    LAMELLA_REQUIRE(dx.shape[3] == w.shape[2] && dy.shape[3] == w.shape[3]);
    const Int r = w.shape[0], s = w.shape[1], in = w.shape[2], out = w.shape[3];
    const Int height = dx.shape[1], width = dx.shape[2];
    void* const scratch = call_scratch(Arena::bytes<Tap<T>>(r * s) + convolve_bytes<T>(r * s, out, in));
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Tap<T>* const taps = arena.take<Tap<T>>(r * s);
    for (Int a = 0; a < smaller(sh, height); ++a) {
        for (Int b = 0; b < smaller(sw, width); ++b) {
            // dx points (a + i*sh, b + j*sw): tap (k, l) brings dy point (i + row, j + column), if that is whole.
            Int count = 0;
            for (Int k = r - 1; k >= 0; --k) {
                for (Int l = s - 1; l >= 0; --l) {
                    const Int row = a + pt - k * dh, column = b + pl - l * dw;
                    if (row % sh != 0 || column % sw != 0) continue;
                    taps[count++] = {row / sh, column / sw, w.data + (k * s + l) * in * out};
                }
            }
            const Int rows = ceil_divide(height - a, sh), columns = ceil_divide(width - b, sw);
            T* const first = dx.data + (a * width + b) * in;
            if (count == 0) {
                for (Int point = 0; point < dx.shape[0] * rows * columns; ++point) {
                    const Int n = point / (rows * columns), i = point / columns % rows, j = point % columns;
                    clear(first + ((n * height + i * sh) * width + j * sw) * in, in);
                }
                continue;
            }
            const Status error = convolve<T>(
                {dy.data, dy.shape[0], dy.shape[1], dy.shape[2], out, 1, 1, taps, count, true, first,
                 height * width * in, sh * width * in, sw * in, rows, columns, in, nullptr, false},
                arena);
            if (error != nullptr) return error;
        }
    }
    return nullptr;
}

// Rows of A that lie side by side in the patch: dweights rows [first, first + size).
struct Window {
    Int offset, first, size;
};

// dweights = sum over output points of x^T dy: the k of the product are the output points. The units (some output rows
// of one image) are cut into slices by shape alone; each slice sums into its own copy, and the copies add up in order.
template <class T>
Status conv2d_backward_weights(In<T> x, In<T> dy, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Out<T> dweights,
                               Out<T> dbias) {
    LAMELLA_REQUIRE_CONV2D(x, dweights.rank == 4, dy);
    LAMELLA_REQUIRE(x.shape[3] == dweights.shape[2] && dy.shape[3] == dweights.shape[3]);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[3]);
    const Int images = x.shape[0], height = x.shape[1], width = x.shape[2];
    const Int rows = dy.shape[1], columns = dy.shape[2];
    const Int r = dweights.shape[0], s = dweights.shape[1], in = dweights.shape[2], out = dweights.shape[3];
    if (dweights.size == 0) return nullptr;
    if (dbias.size > 0) {
        if (const Status error = sum_over_rows(dy.data, images * rows * columns, out, dbias.data)) return error;
    }
    if (dy.size == 0 || x.size == 0) {
        clear(dweights.data, dweights.size);
        return nullptr;
    }
    const Box reached =
        widen({-pt, (r - 1) * dh + 1 - pt, -pl, (columns - 1) * sw + (s - 1) * dw + 1 - pl}, width);
    const Int patch_row = (reached.right - reached.left) * in;
    // The patch rows and the panel of dy that one pass multiplies stay in L1.
    constexpr Int kPoints = kBlockDepth<T> / 2;
    const Int block_rows = larger(1, smaller(rows, kPoints / columns)), row_blocks = ceil_divide(rows, block_rows);
    const Int units = images * row_blocks;
    const Int patch_size = ((block_rows - 1) * sh + reached.bottom - reached.top) * patch_row;

    constexpr Int kMaxSlices = 16, kSliceBytes = 16 << 20;
    const Int by_memory = larger(1, kSliceBytes / (dweights.size * Int(sizeof(T))));
    const Int by_work = ceil_divide(2 * units * block_rows * columns * dweights.size, kChunkFlops);
    const Int slices = smaller(smaller(kMaxSlices, units), smaller(by_memory, by_work));

    const Int window_size = dw == 1 ? s * in : in, window_count = r * s * in / window_size;
    const Int scratch_bytes = Arena::bytes<Window>(window_count) + Arena::bytes<T>((slices - 1) * dweights.size);
    void* const scratch = call_scratch(scratch_bytes);
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Window* const windows = arena.take<Window>(window_count);
    T* const copies = arena.take<T>((slices - 1) * dweights.size);
    for (Int i = 0; i < window_count; ++i) {
        const Int tap = i * window_size / in, row = tap / s * dh, column = tap % s * dw - pl - reached.left;
        windows[i] = {row * patch_row + column * in, i * window_size, window_size};
    }

    // Points of a patch that lie this far apart evict each other from L1, so tiles of A are copied out if enough panels
    // use them. A group of tiles stays in L1 beside one panel.
    constexpr Int kGroupTiles = 4;
    const Int panels = ceil_divide(out, kTileColumns<T>);
    const bool pack = sw * in * Int(sizeof(T)) >= 1024 && panels >= 4;

    Int failed = 0;
    parallel_for(slices, 1, [&](Int slice, Int) {
        const Int panel_size = block_rows * columns * kTileColumns<T>;
        const Int tiles_size = pack ? kGroupTiles * kTileRows * block_rows * columns : 0;
        void* const memory = thread_scratch(Arena::bytes<T>(patch_size) + Arena::bytes<T>(panels * panel_size) +
                                            Arena::bytes<T>(tiles_size) + Arena::bytes<Run>(block_rows));
        if (memory == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(memory);
        T* const buffer = own.take<T>(patch_size);
        T* const packed = own.take<T>(panels * panel_size);
        T* const tiles = own.take<T>(tiles_size);
        Run* const runs = own.take<Run>(block_rows);
        T* const sum = slice == 0 ? dweights.data : copies + (slice - 1) * dweights.size;
        const Int first_unit = slice * units / slices, end_unit = (slice + 1) * units / slices;
        for (Int unit = first_unit; unit < end_unit; ++unit) {
            const Int n = unit / row_blocks, p0 = unit % row_blocks * block_rows, p1 = smaller(p0 + block_rows, rows);
            const Box box{reached.top + p0 * sh, reached.bottom + (p1 - 1) * sh, reached.left, reached.right};
            const Patch<T> patch = patch_of(x.data + n * height * width * in, height, width, in, box, buffer);
            for (Int p = p0; p < p1; ++p) runs[p - p0] = {(p - p0) * sh * patch.row_size, columns};
            const Int points = (p1 - p0) * columns;
            for (Int panel = 0; panel < panels; ++panel) {
                const Int j = panel * kTileColumns<T>;
                pack_panel(dy.data + (n * rows + p0) * columns * out + j, out, points,
                           smaller(kTileColumns<T>, out - j), packed + panel * panel_size);
            }
            const Epilogue<T> epilogue{nullptr, unit > first_unit, false};
            for (Int w = 0; w < window_count; ++w) {
                for (Int i0 = 0; i0 < windows[w].size; i0 += kGroupTiles * kTileRows) {
                    const Int i1 = smaller(i0 + kGroupTiles * kTileRows, windows[w].size);
                    const T* const from = patch.data + windows[w].offset;
                    for (Int i = i0; pack && i < i1; i += kTileRows) {
                        T* to = tiles + (i - i0) * block_rows * columns;
                        for (Int p = 0; p < p1 - p0; ++p, to += columns * kTileRows) {
                            pack_rows(from + runs[p].a + i, sw * in, columns, smaller(kTileRows, i1 - i), to);
                        }
                    }
                    for (Int panel = 0; panel < panels; ++panel) {
                        const Int j = panel * kTileColumns<T>, panel_columns = smaller(kTileColumns<T>, out - j);
                        const T* const b = packed + panel * panel_size;
                        for (Int i = i0; i < i1; i += kTileRows) {
                            const T* a[kTileRows];
                            T* c[kTileRows];
                            const Tile<T> tile{a, c, j, smaller(kTileRows, i1 - i)};
                            for (Int row = 0; row < tile.count; ++row) {
                                a[row] = pack ? tiles + (i - i0) * block_rows * columns + row : from + i + row;
                                c[row] = sum + (windows[w].first + i + row) * out;
                            }
                            const Run all{0, points};
                            if (pack) {
                                multiply<T, kTileRows>(tile, kTileRows, &all, 1, b, kTileColumns<T>, panel_columns,
                                                       epilogue);
                            } else {
                                multiply<T, 0>(tile, sw * in, runs, p1 - p0, b, kTileColumns<T>, panel_columns,
                                               epilogue);
                            }
                        }
                    }
                }
            }
        }
    });
    if (failed != 0) return kOutOfMemory;
    parallel_for(dweights.size, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int part) {
            Vec<T> sum = load(dweights.data + i, part);
            for (Int slice = 1; slice < slices; ++slice) sum += load(copies + (slice - 1) * dweights.size + i, part);
            store(dweights.data + i, sum, part);
        });
    });
    return nullptr;
}

#undef LAMELLA_REQUIRE_CONV2D

}  // namespace
}  // namespace lamella
