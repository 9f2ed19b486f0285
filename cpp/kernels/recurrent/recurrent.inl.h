// The common parts of the recurrent kernels: N sequences of T steps, F features, U units. A gate is U columns of the kernel
// [F, gates*U] and of the recurrent kernel [U, gates*U].
//
// Each chunk of sequences runs through all its steps independently: no step depends on another sequence, so threads synchronize
// once a call, not once a step.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/elementwise/activation.inl.h"
#include "kernels/multiply/gemm.inl.h"

namespace lamella {
namespace {

// --- elementwise functions of a step ---

// The numbers of cpp/table/recurrent.def.
enum Function : Int { kLinear, kRelu, kTanh, kSigmoid, kHardSigmoid, kFunctions };

LAMELLA_INLINE bool is_function(Int function) { return function >= 0 && function < kFunctions; }

template <class T>
LAMELLA_INLINE Vec<T> apply(Int function, Vec<T> v) {
    switch (function) {
        case kRelu:
            return v < T(0) ? Vec<T>{} : v;
        case kTanh:
            return tanh<T>(v);
        case kSigmoid:
            return sigmoid<T>(v);
        case kHardSigmoid:
            return hard_sigmoid<T>(v);
        default:
            return v;
    }
}

// Calls f(act, rec) with the two functions of a step. The pairs that Keras's layers have by default are compiled; for others
// each vector selects its function.
template <class T, class F>
LAMELLA_INLINE void with_functions(Int activation, Int recurrent_activation, const F& f) {
    const auto tanh_of = [](Vec<T> v) { return tanh<T>(v); };
    if (activation == kTanh && recurrent_activation == kSigmoid) {
        f(tanh_of, [](Vec<T> v) { return sigmoid<T>(v); });
    } else if (activation == kTanh && recurrent_activation == kHardSigmoid) {
        f(tanh_of, [](Vec<T> v) { return hard_sigmoid<T>(v); });
    } else {
        f([=](Vec<T> v) { return apply<T>(activation, v); }, [=](Vec<T> v) { return apply<T>(recurrent_activation, v); });
    }
}

// The derivative of a function from its value y: a + b*y + c*y*y, and 0 where y <= low or y >= high.
template <class T>
struct Slope {
    T a, b, c, low, high;

    LAMELLA_INLINE Vec<T> at(Vec<T> y) const { return ((y <= low) | (y >= high)) ? Vec<T>{} : (y * c + b) * y + a; }
};

template <class T>
LAMELLA_INLINE Slope<T> slope_of(Int function) {
    const T none = T(__builtin_nan(""));  // comparisons with it are false
    switch (function) {
        case kRelu:
            return {1, 0, 0, 0, none};
        case kTanh:
            return {1, 0, -1, none, none};
        case kSigmoid:
            return {0, 1, -1, none, none};
        case kHardSigmoid:
            return {T(0.2), 0, 0, 0, 1};
        default:
            return {1, 0, 0, none, none};
    }
}

// --- order of the steps, masks, chunks ---

// The most sequences of a chunk: tiles of 6 + 6 + 4 rows. Each step of a chunk reads all recurrent weights, one byte for 8
// operations, for which L2 and L3 are fast enough.
constexpr Int kMostSequences = 16;

// x, mask and outputs have the order [sequences, steps]. Gates and states, which only the kernels read, have the order of the
// computation: [chunks][steps][sequences of the chunk], so that the rows of a step are side by side.
struct Steps {
    Int sequences, steps;
    const std::uint8_t* mask;  // [sequences, steps] or nullptr: all are computed
    bool backwards;            // from the last input to the first
    Int grain;                 // sequences of a chunk; the last one may have fewer

    // Chunks of equal size. Their number is even if there is more than one, except if the work is so small that one thread does
    // it.
    template <class T>
    LAMELLA_INLINE Steps(Int sequences_, Int steps_, const RecurrentLayer<T>& layer, Int flops_of_one)
        : sequences(sequences_),
          steps(steps_),
          mask(layer.mask.size == 0 ? nullptr : layer.mask.data),
          backwards(layer.backwards != 0) {
        const Int chunks = ceil_divide(sequences, kMostSequences), even = ceil_divide(chunks, 2) * 2;
        const bool serial = sequences * flops_of_one <= kChunkFlops;
        grain = larger(1, ceil_divide(sequences, larger(1, serial ? chunks : even)));
    }

    // The index of the input of a sequence's step.
    LAMELLA_INLINE Int at(Int sequence, Int step) const { return sequence * steps + (backwards ? steps - 1 - step : step); }
    LAMELLA_INLINE bool masked(Int sequence, Int step) const { return mask != nullptr && mask[at(sequence, step)] == 0; }

    // The index of the first row of a step in the chunk of `count` sequences from `first` on; the rows of its other sequences
    // follow.
    LAMELLA_INLINE Int row(Int first, Int count, Int step) const { return first * steps + step * count; }
    // The inverse: the sequence of a row, and the index of its input.
    LAMELLA_INLINE Int sequence_of(Int row) const {
        const Int first = row / (grain * steps) * grain, count = smaller(grain, sequences - first);
        return first + (row - first * steps) % count;
    }
    LAMELLA_INLINE Int input_of(Int row) const {
        const Int first = row / (grain * steps) * grain, count = smaller(grain, sequences - first),
                  at_first = row - first * steps;
        return at(first + at_first % count, at_first / count);
    }
};

// Calls f(first, rows) for each chunk; f returns a Status.
template <class F>
Status for_chunks(const Steps& s, const F& f) {
    return in_chunks(s.sequences, s.grain, [&](Int begin, Int end) { return f(begin, end - begin); });
}

// Rows of a chunk's workspace, one for each sequence. Between rows there is an additional cache line, so that the rows of a
// tile do not alias.
template <class T>
struct Matrix {
    T* data;
    Int distance;

    LAMELLA_INLINE T* at(Int row) const { return data + row * distance; }
    LAMELLA_INLINE Matrix from(Int column) const { return {data + column, distance}; }
};

template <class T>
LAMELLA_INLINE Int row_distance(Int columns) {
    constexpr Int kLine = 64 / sizeof(T);
    return (ceil_divide(columns, kLine) + 1) * kLine;
}

template <class T>
LAMELLA_INLINE Part<T> rows_of_chunk(Matrix<T>& rows, Int columns) {
    rows.distance = row_distance<T>(columns);
    return part(rows.data, kMostSequences * rows.distance);
}

// Copies the states [N, U] of a chunk to its rows, zeros if they are absent, and back.
template <class T>
LAMELLA_INLINE void read_states(In<T> states, Int first, Int count, Int units, Matrix<T> rows) {
    for (Int r = 0; r < count; ++r) {
        if (states.size > 0) copy(states.data + (first + r) * units, rows.at(r), units);
        else clear(rows.at(r), units);
    }
}

template <class T>
LAMELLA_INLINE void write_states(Matrix<T> rows, Int first, Int count, Int units, Out<T> states) {
    for (Int r = 0; r < count; ++r) copy(rows.at(r), states.data + (first + r) * units, units);
}

// Prefetches a row of the previous step while this step is computed.
template <class T>
LAMELLA_INLINE void prefetch_row(const T* row, Int columns) {
    for (Int i = 0; i < columns; i += 64 / Int(sizeof(T))) __builtin_prefetch(row + i, 0, 2);
}

// For each sequence of a chunk the first step that is computed: outputs before it are 0.
struct Starts {
    Int step[kMostSequences];
};

LAMELLA_INLINE Starts find_starts(const Steps& s, Int first, Int count) {
    Starts starts;
    for (Int r = 0; r < count; ++r) {
        Int step = 0;
        while (step < s.steps && s.masked(first + r, step)) ++step;
        starts.step[r] = step;
    }
    return starts;
}

// outputs [N, kept, U], the last `kept` steps, or their gradients; kept is 0 if they are absent.
template <class A>
struct Outputs {
    A* data;
    Int kept, units, steps;

    // The output of a step; nullptr if it is not one of the last steps.
    LAMELLA_INLINE A* at(Int sequence, Int step) const {
        const Int place = step - (steps - kept);
        return place < 0 || kept == 0 ? nullptr : data + (sequence * kept + place) * units;
    }
};

template <class T>
LAMELLA_INLINE Outputs<const T> output_gradients(In<T> doutputs, Int units, Int steps) {
    return {doutputs.data, doutputs.size == 0 ? 0 : doutputs.shape[1], units, steps};
}

template <class T>
LAMELLA_INLINE void write_output(const Outputs<T>& outputs, Int sequence, Int step, bool started, const T* h) {
    T* const to = outputs.at(sequence, step);
    if (to == nullptr) return;
    if (started) copy(h, to, outputs.units);
    else clear(to, outputs.units);
}

template <class T>
LAMELLA_INLINE void add_output_gradient(const Outputs<const T>& dys, Int sequence, Int step, bool started, T* dh) {
    const T* const dy = dys.at(sequence, step);
    if (dy == nullptr || !started) return;
    for_vectors<T>(0, dys.units, [=](Int i, Int part) { store(dh + i, load(dh + i, part) + load(dy + i, part), part); });
}

// Prefetches the gradient of a step's output. The rows of a chunk are [steps, units] apart, which hardware does not prefetch.
template <class T>
LAMELLA_INLINE void prefetch_output_gradient(const Outputs<const T>& dys, Int sequence, Int step) {
    if (const T* const dy = dys.at(sequence, step)) prefetch_row(dy, dys.units);
}

// --- dropout ---

// Masks [groups, N, columns]: one for all gates, one for each gate, or none.
template <class T>
LAMELLA_INLINE bool are_masks(In<T> masks, Int gates, Int sequences, Int columns) {
    return masks.size == 0 || (masks.rank == 3 && (masks.shape[0] == 1 || masks.shape[0] == gates) &&
                               masks.shape[1] == sequences && masks.shape[2] == columns);
}

template <class T>
LAMELLA_INLINE Int group_count(In<T> masks) {
    return masks.size == 0 ? 1 : masks.shape[0];
}

// --- products of one step ---

// Row r of c, to[r] [columns], (+)= row r of a, from[r] [depth], times panels, + bias.
template <class T>
void multiply_rows(const T* const* from, T* const* to, Int rows, const T* panels, Int depth, Int columns, const T* bias,
                   bool accumulate) {
    // A tile of one or two rows waits for its own sums: 8 rows are faster as tiles of 4 + 4 than of 6 + 2.
    const Int rest = rows % kTileRows, upper = rows > kTileRows && (rest == 1 || rest == 2) ? rows - rest - 2 : rows;
    const Int blocks = larger(1, ceil_divide(depth, kBlockDepth<T>)), block_depth = ceil_divide(depth, blocks);
    for (Int block = 0; block < blocks; ++block) {
        const Int k0 = block * block_depth, k1 = smaller(k0 + block_depth, depth);
        const Run run{k0, k1 - k0};
        for (Int j = 0; j < columns; j += kTileColumns<T>) {
            const Epilogue<T> epilogue{k1 == depth && bias != nullptr ? bias + j : nullptr, accumulate || k0 > 0, false};
            for (Int r = 0, count = upper; r < rows; r += count, count = rows - r) {
                const Strip<T> strip{from + r, to + r, j, count};
                multiply_by<T, 1, kTileColumns<T>>(strip, 1, &run, 1, panels + j * depth + k0 * kTileColumns<T>,
                                                   kTileColumns<T>, smaller(kTileColumns<T>, columns - j), epilogue);
            }
        }
    }
}

// c [rows, columns] (+)= a [rows, depth] times panels, + bias.
template <class T>
void multiply_panels(Matrix<T> a, const T* panels, Int depth, Int columns, const T* bias, bool accumulate, Matrix<T> c,
                     Int rows) {
    const T* from[kMostSequences];
    T* to[kMostSequences];
    for (Int r = 0; r < rows; ++r) from[r] = a.at(r), to[r] = c.at(r);
    multiply_rows(from, to, rows, panels, depth, columns, bias, accumulate);
}

// `count` of the `gates` gates of a recurrent kernel, from `first` on, packed for the products of a step; `transposed` in the
// backward pass. With a dropout mask for each gate, each gate is a separate product.
template <class T>
struct Recurrent {
    Int units, sequences;
    bool each;                        // gate has a mask of its own
    Int groups, width;                // columns of a group
    const T* masks;                   // [groups, sequences, units] or nullptr
    Int depth, columns, panels_size;  // sizes of a group's panels
    T* panels;
    Workspace own;

    Recurrent(const RecurrentLayer<T>& layer, Int sequences_, Int gates, Int first, Int count, bool transposed)
        : units(layer.recurrent_kernel.shape[0]),
          sequences(sequences_),
          each(layer.recurrent_dropout.size > 0 && layer.recurrent_dropout.shape[0] == gates),
          groups(each ? count : 1),
          width(each ? units : count * units),
          masks(layer.recurrent_dropout.size == 0 ? nullptr
                                                  : layer.recurrent_dropout.data + (each ? first * sequences * units : 0)),
          depth(transposed ? width : units),
          columns(transposed ? units : width),
          panels_size(ceil_divide(columns, kTileColumns<T>) * kTileColumns<T> * depth),
          own(part(panels, groups * panels_size)) {
        if (own) pack(layer.recurrent_kernel.data + first * units, gates * units, transposed);
    }

private:
    // weights: those of the first gate; ldw: columns of the whole recurrent kernel.
    void pack(const T* weights, Int ldw, bool transposed) {
        for (Int group = 0; group < groups; ++group) {
            T* const to = panels + group * panels_size;
            const T* const w = weights + group * width;
            for (Int j = 0; j < columns; j += kTileColumns<T>) {
                const Int some = smaller(kTileColumns<T>, columns - j);
                if (transposed) pack_panel_transposed(w + j * ldw, ldw, depth, some, to + j * depth);
                else pack_panel(w + j, ldw, depth, some, to + j * depth);
            }
        }
    }
};

// sums [rows, groups*width] = (h * mask of the group) weights + bias for sequences from `first` on; dropped: memory with h's
// shape.
template <class T>
void step_forward(const Recurrent<T>& recurrent, Matrix<T> h, Int first, Int rows, const T* bias, Matrix<T> dropped,
                  Matrix<T> sums) {
    const Int u = recurrent.units, width = recurrent.width;
    for (Int group = 0; group < recurrent.groups; ++group) {
        if (recurrent.masks != nullptr) {
            const T* const masks = recurrent.masks + (group * recurrent.sequences + first) * u;
            for (Int r = 0; r < rows; ++r) {
                for_vectors<T>(0, u, [=](Int i, Int part) {
                    store(dropped.at(r) + i, load(h.at(r) + i, part) * load(masks + r * u + i, part), part);
                });
            }
        }
        multiply_panels(recurrent.masks != nullptr ? dropped : h, recurrent.panels + group * recurrent.panels_size, u, width,
                        bias == nullptr ? nullptr : bias + group * width, false, sums.from(group * width), rows);
    }
}

// dh [rows, units] += (dz weights^T) * mask; product: memory with dh's shape.
template <class T>
void step_backward(const Recurrent<T>& recurrent, Matrix<T> dz, Int first, Int rows, Matrix<T> product, Matrix<T> dh) {
    const Int u = recurrent.units, width = recurrent.width;
    const bool drops = recurrent.masks != nullptr;
    for (Int group = 0; group < recurrent.groups; ++group) {
        multiply_panels<T>(dz.from(group * width), recurrent.panels + group * recurrent.panels_size, width, u, nullptr, !drops,
                           drops ? product : dh, rows);
        if (!drops) continue;
        const T* const masks = recurrent.masks + (group * recurrent.sequences + first) * u;
        for (Int r = 0; r < rows; ++r) {
            for_vectors<T>(0, u, [=](Int i, Int part) {
                const Vec<T> dropped = load(product.at(r) + i, part) * load(masks + r * u + i, part);
                store(dh.at(r) + i, load(dh.at(r) + i, part) + dropped, part);
            });
        }
    }
}

// --- the common checks and gradients of the three layers ---

// Checks x [N, T, F] and the layer.
template <class T>
Status check_recurrent(In<T> x, const RecurrentLayer<T>& layer, Int gates, Int activation, Int recurrent_activation) {
    In<T> kernel = layer.kernel, recurrent_kernel = layer.recurrent_kernel;
    InBytes mask = layer.mask;
    LAMELLA_REQUIRE(x.rank == 3 && kernel.rank == 2 && recurrent_kernel.rank == 2);
    LAMELLA_REQUIRE(kernel.shape[0] == x.shape[2] && recurrent_kernel.shape[0] > 0);
    LAMELLA_REQUIRE(kernel.shape[1] == gates * recurrent_kernel.shape[0]);
    LAMELLA_REQUIRE(recurrent_kernel.shape[1] == gates * recurrent_kernel.shape[0]);
    LAMELLA_REQUIRE(mask.size == 0 || (mask.rank == 2 && mask.shape[0] == x.shape[0] && mask.shape[1] == x.shape[1]));
    LAMELLA_REQUIRE(are_masks<T>(layer.input_dropout, gates, x.shape[0], x.shape[2]));
    LAMELLA_REQUIRE(are_masks<T>(layer.recurrent_dropout, gates, x.shape[0], recurrent_kernel.shape[0]));
    LAMELLA_REQUIRE(is_function(activation) && is_function(recurrent_activation));
    return nullptr;
}

template <class T>
Status check_outputs(In<T> x, const RecurrentLayer<T>& layer, const Int* shape, Int rank) {
    LAMELLA_REQUIRE(rank == 3 && shape[0] == x.shape[0] && shape[2] == layer.recurrent_kernel.shape[0]);
    LAMELLA_REQUIRE(shape[1] == x.shape[1] || shape[1] == 1);
    return nullptr;
}

template <class T>
Status check_backward(In<T> x, const RecurrentLayer<T>& layer, In<T> doutputs, In<T> dh,
                      const RecurrentGradients<T>& gradients) {
    Out<T> dx = gradients.dx, dkernel = gradients.dkernel, drecurrent = gradients.drecurrent, dh0 = gradients.dh0;
    if (doutputs.size > 0) {
        if (const Status error = check_outputs(x, layer, doutputs.shape, doutputs.rank)) return error;
    }
    LAMELLA_REQUIRE(dh0.size == x.shape[0] * layer.recurrent_kernel.shape[0]);
    LAMELLA_REQUIRE(dh.size == 0 || dh.size == dh0.size);
    LAMELLA_REQUIRE(dx.size == 0 || same_shape(dx, x));
    LAMELLA_REQUIRE(dkernel.size == 0 || same_shape(dkernel, layer.kernel));
    LAMELLA_REQUIRE(drecurrent.size == 0 || same_shape(drecurrent, layer.recurrent_kernel));
    return nullptr;
}

}  // namespace
}  // namespace lamella
