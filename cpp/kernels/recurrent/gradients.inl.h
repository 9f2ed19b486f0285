// The gradients of recurrent layers that are products over all steps: those of the inputs and of the weights.
//
// [x, h, 1]^T dz gives the gradients of kernel, recurrent kernel and bias as one product: dz, the larger factor, is read once.
#pragma once
#include "kernels/recurrent/recurrent.inl.h"

namespace lamella {
namespace {

// Packs all panels of B, one after the other; whole rows of B are read.
template <class T>
void pack_panels(const T* b, Int ldb, Int depth, Int columns, T* panels) {
    const Int whole = columns / kTileColumns<T>, panel_size = depth * kTileColumns<T>;
    for (Int k = 0; k < depth; ++k) {
        for (Int panel = 0; panel < whole; ++panel) {
            const T* const from = b + k * ldb + panel * kTileColumns<T>;
            T* const to = panels + panel * panel_size + k * kTileColumns<T>;
#pragma GCC unroll 4
            for (int v = 0; v < kTileVectors; ++v) store(to + v * kLanes<T>, load(from + v * kLanes<T>));
        }
    }
    const Int done = whole * kTileColumns<T>;
    if (done < columns) pack_panel(b + done, ldb, depth, columns - done, panels + whole * panel_size);
}

// A factor of dz: x, or h before the step.
template <class T>
struct Factor {
    const T* rows;  // [N*T, columns]
    bool inputs;    // rows are in the order of x, not of the chunks
    Int columns;    // 0 if it is absent
    const T* mask;  // [N, columns]: the dropout mask of each sequence, or nullptr
    T* gradient;    // [columns, ...)
};

// Rows k0 ... k1 of [x * mask, h * mask, 1] as tiles of `tile_size` for the micro-kernel. joined: memory for kRowsJoined rows.
constexpr Int kRowsJoined = 32;

template <class T>
void pack_factors(const Factor<T> (&factors)[2], bool one, const Steps& s, Int k0, Int k1, Int columns, T* joined, T* tiles,
                  Int tile_size) {
    const Int distance = row_distance<T>(columns);
    for (Int first = k0; first < k1; first += kRowsJoined) {
        const Int count = smaller(kRowsJoined, k1 - first);
        for (Int k = 0; k < count; ++k) {
            T* to = joined + k * distance;
            for (const Factor<T>& factor : factors) {
                const Int row = first + k;
                const T* const from = factor.rows + (factor.inputs ? s.input_of(row) : row) * factor.columns;
                if (factor.mask == nullptr) {
                    copy(from, to, factor.columns);
                } else {
                    const T* const mask = factor.mask + s.sequence_of(row) * factor.columns;
                    for_vectors<T>(0, factor.columns,
                                   [=](Int i, Int part) { store(to + i, load(from + i, part) * load(mask + i, part), part); });
                }
                to += factor.columns;
            }
            if (one) *to = 1;
        }
        pack_rows(joined, distance, count, columns, tiles + (first - k0) * kTileRows, tile_size);
    }
}

// The factors' gradients [columns, width) = factor^T dz, dbias [width] = sum of dz's rows; dbias may be nullptr. Rows of dz
// [N*T, width) are ldz apart, those of the gradients ldw. All k are summed in blocks, in order.
template <class T>
Status multiply_factors(const Factor<T> (&factors)[2], T* dbias, const T* dz, Int ldz, Int width, const Steps& s, Int ldw) {
    const Int columns = factors[0].columns + factors[1].columns + (dbias != nullptr), rows = s.sequences * s.steps;
    if (columns == 0) return nullptr;
    const Int blocks = larger(1, ceil_divide(rows, kBlockDepth<T>)), depth = ceil_divide(rows, blocks);
    const Int tiles = ceil_divide(columns, kTileRows), tile_size = depth * kTileRows, block_size = tiles * tile_size;
    // As many blocks of both are packed at once as stay in L3. A block of dz is read as a whole, because its rows are
    // contiguous: tasks that pack only their own columns would wait for memory.
    constexpr Int kPackedBytes = 1 << 22;
    const Int panels = ceil_divide(width, kTileColumns<T>), panels_size = panels * kTileColumns<T> * depth;
    const Int some_blocks = smaller(blocks, larger(1, kPackedBytes / larger(1, (block_size + panels_size) * Int(sizeof(T)))));
    T *packed, *packed_panels;
    const Workspace shared(part(packed, some_blocks * block_size), part(packed_panels, some_blocks * panels_size));
    if (!shared) return kOutOfMemory;

    const Int row_groups = ceil_divide(columns, kMostGroupRows), group_tiles = ceil_divide(tiles, row_groups);
    const bool serial = 2 * columns * panels * kTileColumns<T> * rows <= kChunkFlops;
    constexpr Int kGroupPanels = 8;
    const Int group_panels = serial ? panels : smaller(kGroupPanels, ceil_divide(panels * row_groups, 8));
    const Int column_groups = ceil_divide(panels, group_panels);
    for (Int from = 0; from < blocks; from += some_blocks) {
        const Int count = smaller(some_blocks, blocks - from);
        const Int joined_size = kRowsJoined * row_distance<T>(columns);
        const Int grain = larger(1, kChunkElements / larger(1, block_size));
        const Status failed = in_chunks(count, grain, [&](Int begin, Int end) -> Status {
            T* joined;
            const Workspace own(part(joined, joined_size));
            if (!own) return kOutOfMemory;
            for (Int block = begin; block < end; ++block) {
                const Int k0 = (from + block) * depth;
                pack_factors(factors, dbias != nullptr, s, k0, smaller(k0 + depth, rows), columns, joined,
                             packed + block * block_size, tile_size);
                pack_panels(dz + k0 * ldz, ldz, smaller(depth, rows - k0), width, packed_panels + block * panels_size);
            }
            return nullptr;
        });
        if (failed != nullptr) return failed;
        const Int flops = 2 * group_tiles * kTileRows * group_panels * kTileColumns<T> * larger(1, count * depth);
        parallel_for(row_groups * column_groups, larger(1, kChunkFlops / flops), [&](Int begin, Int end) {
            for (Int task = begin; task < end; ++task) {
                const Int tile0 = task / column_groups * group_tiles, i0 = tile0 * kTileRows;
                const Int height = smaller(group_tiles * kTileRows, columns - i0);
                const T* a[kMostGroupRows];
                T* c[kMostGroupRows];
                for (Int i = 0; i < height; ++i) {
                    const Int x = i0 + i, h = x - factors[0].columns;
                    c[i] = h < 0                    ? factors[0].gradient + x * ldw
                           : h < factors[1].columns ? factors[1].gradient + h * ldw
                                                    : dbias;
                }
                const Int j0 = task % column_groups * group_panels * kTileColumns<T>;
                const Int own_width = smaller(group_panels * kTileColumns<T>, width - j0);
                for (Int block = 0; block < count; ++block) {
                    const Int k0 = (from + block) * depth, k = smaller(depth, rows - k0);
                    const T* const block_tiles = packed + block * block_size + tile0 * tile_size;
                    for (Int i = 0; i < height; ++i) a[i] = block_tiles + i / kTileRows * tile_size + i % kTileRows;
                    const T* const own = packed_panels + block * panels_size + j0 * k;
                    const Run run{0, k};
                    for (Int j = 0; j < own_width; j += kTileColumns<T>) {
                        const Strip<T> strip{a, c, j0 + j, height};
                        multiply_by<T, kTileRows, kTileColumns<T>>(strip, kTileRows, &run, 1, own + j * k, kTileColumns<T>,
                                                                   smaller(kTileColumns<T>, own_width - j),
                                                                   {nullptr, from + block > 0, false});
                    }
                }
            }
        });
    }
    return nullptr;
}

// Results of a layer's backward pass: the gradients of kernel [F, gates*U] and recurrent kernel [U, gates*U]; each may be
// absent.
template <class T>
struct WeightGradients {
    const RecurrentLayer<T>& layer;
    const RecurrentGradients<T>& gradients;
    Int features, units, gates;
    Steps steps;

    // The gradients of `count` gates from `first` on, and dbias [count*U], from dz, the gradient of these gates' sums. x [N*T,
    // F] and h [N*T, U] are the other factors of the products with the weights; x, h and dbias may be nullptr.
    Status multiply(Int first, Int count, const T* x, const T* h, const T* dz, Int ldz, T* dbias) const {
        const bool each = group_count<T>(layer.input_dropout) > 1, each_h = group_count<T>(layer.recurrent_dropout) > 1;
        const Int groups = each || each_h ? count : 1, width = count / groups * units;
        for (Int group = 0; group < groups; ++group) {
            const Int gate = first + group;
            const T* const masks = layer.input_dropout.size == 0 ? nullptr : layer.input_dropout.data;
            const T* const masks_h = layer.recurrent_dropout.size == 0 ? nullptr : layer.recurrent_dropout.data;
            const Factor<T> factors[2] = {
                {x, true, x == nullptr || gradients.dkernel.size == 0 ? 0 : features,
                 each ? masks + gate * steps.sequences * features : masks, gradients.dkernel.data + gate * units},
                {h, false, h == nullptr || gradients.drecurrent.size == 0 ? 0 : units,
                 each_h ? masks_h + gate * steps.sequences * units : masks_h, gradients.drecurrent.data + gate * units}};
            if (const Status error = multiply_factors(factors, dbias == nullptr ? nullptr : dbias + group * width,
                                                      dz + group * width, ldz, width, steps, gates * units)) {
                return error;
            }
        }
        return nullptr;
    }
};

}  // namespace
}  // namespace lamella
