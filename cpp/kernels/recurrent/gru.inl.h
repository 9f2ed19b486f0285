// GRU over all time steps. Gates z, r, n: h' = z h + (1-z) n with n = act(x K + b + (r h) R), or, with reset after the product,
// n = act(x K + b + r q) with q = h R + b'.
#pragma once
#include "kernels/recurrent/gradients.inl.h"
#include "kernels/recurrent/inputs.inl.h"

namespace lamella {
namespace {

// A sequence in a step. z: the gates' sums of the inputs, which are replaced by the gates; sum: the gates' sums of h; reset: r
// h. h is replaced; before that it is copied to previous. output: the other place for the new h. inner: for r h or q. previous,
// inner and output may be nullptr.
template <class T>
struct GruRow {
    T* z;
    const T* sum;
    T *h, *reset, *previous, *inner, *output;
};

// The first part of a step: gates z and r, and r h or q.
template <class T, class Rec>
LAMELLA_INLINE void gru_gates(const GruRow<T>& row, Int u, bool after, const Rec& rec) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> update = rec(load(row.z + i, part) + load(row.sum + i, part)),
                     reset = rec(load(row.z + u + i, part) + load(row.sum + u + i, part)), h = load(row.h + i, part);
        store(row.z + i, update, part);
        store(row.z + u + i, reset, part);
        if (row.previous != nullptr) store(row.previous + i, h, part);
        if (after && row.inner == nullptr) return;
        const Vec<T> q = after ? load(row.sum + 2 * u + i, part) : reset * h;
        if (row.inner != nullptr) store(row.inner + i, q, part);
        if (!after) store(row.reset + i, q, part);
    });
}

template <class T, class Act>
LAMELLA_INLINE void gru_output(const GruRow<T>& row, Int u, bool after, const Act& act) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> z = load(row.z + i, part), q = load(row.sum + 2 * u + i, part);
        const Vec<T> n = act(load(row.z + 2 * u + i, part) + (after ? load(row.z + u + i, part) * q : q));
        const Vec<T> h = z * load(row.h + i, part) + (T(1) - z) * n;
        store(row.z + 2 * u + i, n, part);
        store(row.h + i, h, part);
        if (row.output != nullptr) store(row.output + i, h, part);
    });
}

template <class T>
Status gru_forward(In<T> x, const RecurrentLayer<T>& layer, Int activation, Int recurrent_activation, Int reset_after,
                   In<T> bias, In<T> h0, Out<T> gates, Out<T> previous, Out<T> inner, Out<T> outputs, Out<T> h) {
    if (const Status error = check_recurrent(x, layer, 3, activation, recurrent_activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0], columns = 3 * u;
    const bool after = reset_after != 0;
    if (const Status error = check_outputs(x, layer, outputs.shape, outputs.rank)) return error;
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == (reset_after != 0 ? 2 : 1) * columns);
    LAMELLA_REQUIRE(h0.size == n * u && h.size == n * u);
    LAMELLA_REQUIRE(gates.size == 0 || gates.size == n * t * columns);
    LAMELLA_REQUIRE(previous.size == 0 || previous.size == n * t * u);
    LAMELLA_REQUIRE(inner.size == previous.size);
    const Steps s(n, t, layer, 2 * t * u * columns);
    InputProducts<T> inputs(x, layer, bias.size == 0 ? nullptr : bias.data, s, gates);
    if (const Status error = inputs.prepare()) return error;

    // With reset before the product, the third gate needs r first.
    const Recurrent<T> gates_at_once(layer, n, 3, 0, after ? 3 : 2, false), last_gate(layer, n, 3, 2, after ? 0 : 1, false);
    if (!gates_at_once.own || !last_gate.own) return kOutOfMemory;
    const T* const recurrent_bias = after && bias.size > 0 ? bias.data + columns : nullptr;
    const Outputs<T> all{outputs.data, outputs.shape[1], u, t};
    if (t == 0) clear(outputs.data, outputs.size);
    return for_chunks(s, [&](Int first, Int rows) -> Status {
        Matrix<T> h_now, dropped, reset, sums;
        T* own_z;
        const Workspace own(rows_of_chunk(h_now, u), rows_of_chunk(dropped, u), rows_of_chunk(reset, u),
                            rows_of_chunk(sums, columns), part(own_z, inputs.own_size()));
        if (!own) return kOutOfMemory;
        const Starts starts = find_starts(s, first, rows);
        read_states<T>(h0, first, rows, u, h_now);
        for (Int step = 0; step < t; ++step) {
            T* const z = inputs.compute(first, rows, step, own_z);
            step_forward<T>(gates_at_once, h_now, first, rows, recurrent_bias, dropped, sums);
            const auto row_at = [&](Int r) -> GruRow<T> {
                const Int at = s.row(first, rows, step) + r;
                return {z + r * columns,
                        sums.at(r),
                        h_now.at(r),
                        reset.at(r),
                        previous.size > 0 ? previous.data + at * u : nullptr,
                        inner.size > 0 ? inner.data + at * u : nullptr,
                        all.at(first + r, step)};
            };
            with_functions<T>(activation, recurrent_activation, [&](const auto&, const auto& rec) {
                for (Int r = 0; r < rows; ++r) {
                    const GruRow<T> row = row_at(r);
                    if (!s.masked(first + r, step)) {
                        gru_gates(row, u, after, rec);
                        continue;
                    }
                    clear(row.reset, u);
                    if (row.previous != nullptr) copy(row.h, row.previous, u);
                    if (row.inner != nullptr) clear(row.inner, u);
                }
            });
            if (!after) step_forward<T>(last_gate, reset, first, rows, nullptr, dropped, sums.from(2 * u));
            with_functions<T>(activation, recurrent_activation, [&](const auto& act, const auto&) {
                for (Int r = 0; r < rows; ++r) {
                    const GruRow<T> row = row_at(r);
                    inputs.prefetch(row.z, rows, step);
                    if (s.masked(first + r, step)) write_output(all, first + r, step, step >= starts.step[r], row.h);
                    else gru_output(row, u, after, act);
                }
            });
        }
        write_states<T>(h_now, first, rows, u, h);
        return nullptr;
    });
}

// The backward step of a sequence. z: the gates; before: h before the step; inner: r h or q; dy: the gradient of the output, or
// nullptr. d: the gradient of h after the step, which is replaced by the part of the gradient of h before it that does not come
// from the products. dz: the gradient of the products with the recurrent kernel; dsums: that of the gates' sums, which may be
// z. dreset: the gradient of r h. dinner: the gradient of q, which may be inner.
template <class T>
struct GruRowBack {
    const T *z, *before, *inner, *dy, *dreset;
    T *d, *dz, *dsums, *dinner;
};

template <class T>
LAMELLA_INLINE void gru_output_back(const GruRowBack<T>& row, Int u, bool after, const Slope<T>& slope,
                                    const Slope<T>& gate_slope) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> update = load(row.z + i, part), reset = load(row.z + u + i, part), now = load(row.z + 2 * u + i, part);
        const Vec<T> before = load(row.before + i, part), inner = load(row.inner + i, part);
        Vec<T> whole = load(row.d + i, part);
        if (row.dy != nullptr) whole += load(row.dy + i, part);
        const Vec<T> d_now = whole * (T(1) - update) * slope.at(now), d_update = whole * (before - now) * gate_slope.at(update);
        store(row.d + i, whole * update, part);
        store(row.dz + i, d_update, part);
        store(row.dsums + i, d_update, part);
        store(row.dsums + 2 * u + i, d_now, part);
        if (after) {
            const Vec<T> d_reset = d_now * inner * gate_slope.at(reset), d_inner = d_now * reset;
            store(row.dz + u + i, d_reset, part);
            store(row.dsums + u + i, d_reset, part);
            store(row.dz + 2 * u + i, d_inner, part);
            store(row.dinner + i, d_inner, part);
        } else {
            store(row.dz + 2 * u + i, d_now, part);
        }
    });
}

// The second part of a step with reset before the product.
template <class T>
LAMELLA_INLINE void gru_reset_back(const GruRowBack<T>& row, Int u, const Slope<T>& gate_slope) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> reset = load(row.z + u + i, part), d = load(row.dreset + i, part),
                     d_reset = d * load(row.before + i, part) * gate_slope.at(reset);
        store(row.dz + u + i, d_reset, part);
        store(row.dsums + u + i, d_reset, part);
        store(row.d + i, load(row.d + i, part) + d * reset, part);
    });
}

template <class T>
Status gru_backward(In<T> x, const RecurrentLayer<T>& layer, Int activation, Int recurrent_activation, Int reset_after,
                    In<T> gates, In<T> previous, In<T> inner, In<T> doutputs, In<T> dh, Out<T> dgates, Out<T> dinner,
                    const RecurrentGradients<T>& gradients) {
    if (const Status error = check_recurrent(x, layer, 3, activation, recurrent_activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0], columns = 3 * u;
    const bool after = reset_after != 0;
    if (const Status error = check_backward(x, layer, doutputs, dh, gradients)) return error;
    LAMELLA_REQUIRE(gates.size == n * t * columns && dgates.size == gates.size);
    LAMELLA_REQUIRE(previous.size == n * t * u && inner.size == n * t * u);
    LAMELLA_REQUIRE(dinner.size == (reset_after != 0 ? inner.size : 0));
    LAMELLA_REQUIRE(dinner.size == 0 || dinner.data != previous.data);
    LAMELLA_REQUIRE(dinner.size == 0 || dinner.data != doutputs.data);
    LAMELLA_REQUIRE(gradients.dbias.size == 0 || gradients.dbias.size == (reset_after != 0 ? 2 : 1) * columns);
    const Steps s(n, t, layer, 2 * t * u * columns);
    const Slope<T> slope = slope_of<T>(activation), gate_slope = slope_of<T>(recurrent_activation);
    const Outputs<const T> dys = output_gradients(doutputs, u, t);
    const InputGradients<T> inputs(layer, s, dgates.data, gradients.dx);
    if (!inputs.own) return kOutOfMemory;
    {  // the packed weights are not needed for the products over all steps
        const Recurrent<T> gates_at_once(layer, n, 3, 0, after ? 3 : 2, true), last_gate(layer, n, 3, 2, after ? 0 : 1, true);
        if (!gates_at_once.own || !last_gate.own) return kOutOfMemory;
        const Status failed = for_chunks(s, [&](Int first, Int rows) -> Status {
            Matrix<T> dh_now, product, dreset;
            Matrix<T> dz;  // the gradient of the products with the recurrent kernel
            const Workspace own(rows_of_chunk(dh_now, u), rows_of_chunk(product, u), rows_of_chunk(dreset, u),
                                rows_of_chunk(dz, columns));
            if (!own) return kOutOfMemory;
            const Starts starts = find_starts(s, first, rows);
            read_states<T>(dh, first, rows, u, dh_now);
            for (Int step = t - 1; step >= 0; --step) {
                const auto row_at = [&](Int r) -> GruRowBack<T> {
                    const Int at = s.row(first, rows, step) + r;
                    return {gates.data + at * columns,
                            previous.data + at * u,
                            inner.data + at * u,
                            dys.at(first + r, step),
                            dreset.at(r),
                            dh_now.at(r),
                            dz.at(r),
                            dgates.data + at * columns,
                            after ? dinner.data + at * u : nullptr};
                };
                for (Int r = 0; r < rows; ++r) {
                    const GruRowBack<T> row = row_at(r);
                    if (step > 0) {
                        prefetch_row(row.z - rows * columns, columns);
                        prefetch_row(row.before - rows * u, u);
                        prefetch_row(row.inner - rows * u, u);
                        prefetch_output_gradient(dys, first + r, step - 1);
                    }
                    if (!after) clear(dreset.at(r), u);
                    if (!s.masked(first + r, step)) {
                        gru_output_back(row, u, after, slope, gate_slope);
                        continue;
                    }
                    add_output_gradient(dys, first + r, step, step >= starts.step[r], row.d);
                    clear(row.dz, columns);
                    clear(row.dsums, columns);
                    if (after) clear(row.dinner, u);
                }
                if (!after) {
                    step_backward<T>(last_gate, dz.from(2 * u), first, rows, product, dreset);
                    for (Int r = 0; r < rows; ++r) {
                        if (!s.masked(first + r, step)) gru_reset_back(row_at(r), u, gate_slope);
                    }
                }
                step_backward<T>(gates_at_once, dz, first, rows, product, dh_now);
                inputs.compute(first, rows, step);
            }
            write_states<T>(dh_now, first, rows, u, gradients.dh0);
            return nullptr;
        });
        if (failed != nullptr) return failed;
    }
    const WeightGradients<T> all{layer, gradients, x.shape[2], u, 3, s};
    T* const db = gradients.dbias.size == 0 ? nullptr : gradients.dbias.data;
    T* const db_last = db == nullptr ? nullptr : db + 2 * u;
    const T* const dz_last = dgates.data + 2 * u;
    if (const Status error = all.multiply(0, 2, x.data, previous.data, dgates.data, columns, db)) return error;
    if (const Status error = all.multiply(2, 1, x.data, after ? nullptr : inner.data, dz_last, columns, db_last)) return error;
    if (after) {
        T* const recurrent_last = db == nullptr ? nullptr : db + columns + 2 * u;
        if (const Status error = all.multiply(2, 1, nullptr, previous.data, dinner.data, u, recurrent_last)) return error;
        if (db != nullptr) copy(db, db + columns, 2 * u);
    }
    return inputs.finish();
}

}  // namespace
}  // namespace lamella
