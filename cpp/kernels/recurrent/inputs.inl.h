// The products with the kernel [F, gates*U]: the inputs' part of the gates' sums, and dx.
//
// A chunk computes them for a few steps at a time, just before the steps read the sums, or just after the backward pass has
// written their gradients: so these stay in L2. With dropout masks, or more threads than chunks, all steps are one product. The
// bits are the same. Without a backward pass the sums of a few steps are all that is stored.
#pragma once
#include "kernels/recurrent/recurrent.inl.h"

namespace lamella {
namespace {

// y [N, T, C] (+)= x * mask, mask [N, C]: dropout, the same at all steps, 0 or 1/(1-rate).
template <class T>
void drop(const T* x, const T* mask, const Steps& s, Int columns, bool accumulate, T* y) {
    parallel_for(s.sequences * s.steps, larger(1, kChunkElements / larger(columns, 1)), [=](Int begin, Int end) {
        for (Int at = begin; at < end; ++at) {
            const T* const row = x + at * columns;
            const T* const m = mask + at / s.steps * columns;
            T* const out = y + at * columns;
            for_vectors<T>(0, columns, [=](Int i, Int part) {
                const Vec<T> product = load(row + i, part) * load(m + i, part);
                store(out + i, accumulate ? load(out + i, part) + product : product, part);
            });
        }
    });
}

// z [rows of chunks, gates*U] = (x * mask of the gate) kernel + bias.
template <class T>
Status project(In<T> x, const RecurrentLayer<T>& layer, const T* bias, const Steps& s, T* z) {
    In<T> kernel = layer.kernel, masks = layer.input_dropout;
    const Int features = kernel.shape[0], columns = kernel.shape[1], rows = s.sequences * s.steps;
    const Int groups = group_count<T>(masks), width = columns / groups;
    const bool drops = masks.size > 0;
    T* dropped;
    const Workspace own(part(dropped, drops ? rows * features : 0));
    if (!own) return kOutOfMemory;
    for (Int group = 0; group < groups; ++group) {
        if (drops) drop(x.data, masks.data + group * s.sequences * features, s, features, false, dropped);
        const Int from = group * width;
        const Product<T> product{rows,
                                 width,
                                 features,
                                 drops ? dropped : x.data,
                                 features,
                                 1,
                                 kernel.data + from,
                                 columns,
                                 1,
                                 z + from,
                                 columns,
                                 1,
                                 bias == nullptr ? nullptr : bias + from,
                                 false};
        const auto input = [&](Int row) { return s.input_of(row); };
        if (const Status error = multiply_matrices<T>(product, input, [](Int row) { return row; })) return error;
    }
    return nullptr;
}

// dx of `project`: sum over groups of (dz kernel^T) * mask.
template <class T>
Status project_backward(const T* dz, const RecurrentLayer<T>& layer, const Steps& s, T* dx) {
    In<T> kernel = layer.kernel, masks = layer.input_dropout;
    const Int features = kernel.shape[0], columns = kernel.shape[1], rows = s.sequences * s.steps;
    const Int groups = group_count<T>(masks), width = columns / groups;
    const bool drops = masks.size > 0;
    T* dropped;
    const Workspace own(part(dropped, drops ? rows * features : 0));
    if (!own) return kOutOfMemory;
    T* const to = drops ? dropped : dx;
    for (Int group = 0; group < groups; ++group) {
        const Int from = group * width;
        const Product<T> product{rows, features, width, dz + from, columns, 1,       kernel.data + from,
                                 1,    columns,  to,    features,  1,       nullptr, false};
        const auto input = [&](Int row) { return s.input_of(row); };
        if (const Status error = multiply_matrices<T>(product, [](Int row) { return row; }, input)) return error;
        if (drops) drop(to, masks.data + group * s.sequences * features, s, features, group > 0, dx);
    }
    return nullptr;
}

// Steps whose inputs are multiplied together: kBytes of the gates' sums stay in L2, and no more than kRowsTogether rows.
constexpr Int kRowsTogether = 240;
static_assert(kMostSequences <= kRowsTogether, "one step of a chunk fits");
template <class T>
LAMELLA_INLINE Int steps_together(const Steps& s, Int columns) {
    constexpr Int kBytes = 1 << 18;
    return larger(1, smaller(kRowsTogether / s.grain, kBytes / Int(sizeof(T)) / (s.grain * columns)));
}

template <class T>
LAMELLA_INLINE bool computes_at_once(const RecurrentLayer<T>& layer, const Steps& s) {
    return layer.input_dropout.size > 0 || ceil_divide(s.sequences, s.grain) < num_threads();
}

// z [rows of chunks, gates*U], the inputs' part of the gates' sums, which the gates replace. If `gates` is absent, each chunk
// has memory for the steps that are multiplied together.
template <class T>
struct InputProducts {
    In<T> x;
    const RecurrentLayer<T>& layer;
    const T* bias;
    const Steps& s;
    Int features, columns;
    bool at_once, some;  // some: z has only the steps of a chunk that are multiplied together
    Int some_steps;
    T *panels, *z;
    Workspace own;

    InputProducts(In<T> x_, const RecurrentLayer<T>& layer_, const T* bias_, const Steps& s_, Out<T> gates)
        : x(x_),
          layer(layer_),
          bias(bias_),
          s(s_),
          features(layer.kernel.shape[0]),
          columns(layer.kernel.shape[1]),
          at_once(computes_at_once(layer, s)),
          some(gates.size == 0 && !at_once),
          some_steps(steps_together<T>(s, columns)),
          own(part(panels, at_once ? 0 : ceil_divide(columns, kTileColumns<T>) * kTileColumns<T> * features),
              part(z, gates.size == 0 && at_once ? s.sequences * s.steps * columns : 0)) {
        if (gates.size > 0) z = gates.data;
    }

    // Before the chunks.
    Status prepare() {
        if (!own) return kOutOfMemory;
        if (at_once) return project(x, layer, bias, s, z);
        for (Int j = 0; j < columns; j += kTileColumns<T>) {
            pack_panel(layer.kernel.data + j, columns, features, smaller(kTileColumns<T>, columns - j), panels + j * features);
        }
        return nullptr;
    }

    // The size of a chunk's own memory.
    Int own_size() const { return some ? s.grain * some_steps * columns : 0; }

    // Before each step of a chunk: the first row of the step's sums; the rows of its other sequences follow.
    T* compute(Int first, Int rows, Int step, T* own_z) const {
        T* const sums = some ? own_z + step % some_steps * rows * columns : z + s.row(first, rows, step) * columns;
        if (at_once || step % some_steps != 0) return sums;
        const T* from[kRowsTogether];
        T* to[kRowsTogether];
        const Int count = rows * smaller(some_steps, s.steps - step);
        for (Int i = 0; i < count; ++i) {
            from[i] = x.data + s.at(first + i % rows, step + i / rows) * features;
            to[i] = sums + i * columns;
        }
        multiply_rows(from, to, count, panels, features, columns, bias, false);
        return sums;
    }

    // While a step is computed: prefetches a row of the next step, if it has left L2.
    void prefetch(const T* row, Int rows, Int step) const {
        if (!some && step + 1 < s.steps) prefetch_row(row + rows * columns, columns);
    }
};

// dx from dz, the gradient of the gates' sums.
template <class T>
struct InputGradients {
    const RecurrentLayer<T>& layer;
    const Steps& s;
    const T* dz;
    T* dx;  // nullptr if it is not wanted
    Int features, columns;
    bool at_once;
    Int some_steps;
    T* panels;
    Workspace own;

    InputGradients(const RecurrentLayer<T>& layer_, const Steps& s_, const T* dz_, Out<T> dx_)
        : layer(layer_),
          s(s_),
          dz(dz_),
          dx(dx_.size > 0 ? dx_.data : nullptr),
          features(layer.kernel.shape[0]),
          columns(layer.kernel.shape[1]),
          at_once(computes_at_once(layer, s)),
          some_steps(steps_together<T>(s, columns)),
          own(part(panels, at_once || dx == nullptr ? 0 : ceil_divide(features, kTileColumns<T>) * kTileColumns<T> * columns)) {
        if (!own || at_once || dx == nullptr) return;
        for (Int j = 0; j < features; j += kTileColumns<T>) {
            pack_panel_transposed(layer.kernel.data + j * columns, columns, columns, smaller(kTileColumns<T>, features - j),
                                  panels + j * columns);
        }
    }

    // After each step of a chunk.
    void compute(Int first, Int rows, Int step) const {
        if (at_once || dx == nullptr || step % some_steps != 0) return;
        const T* from[kRowsTogether];
        T* to[kRowsTogether];
        const Int count = rows * smaller(some_steps, s.steps - step);
        for (Int i = 0; i < count; ++i) {
            from[i] = dz + (s.row(first, rows, step) + i) * columns;
            to[i] = dx + s.at(first + i % rows, step + i / rows) * features;
        }
        multiply_rows<T>(from, to, count, panels, columns, features, nullptr, false);
    }

    // After the chunks.
    Status finish() const { return at_once && dx != nullptr ? project_backward(dz, layer, s, dx) : nullptr; }
};

}  // namespace
}  // namespace lamella
