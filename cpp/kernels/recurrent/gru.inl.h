// GRU over all time steps. Gates z, r, n: h' = z h + (1-z) n with n = act(x K + b + (r h) R), or, with reset after the product,
// n = act(x K + b + r q) with q = h R + b'.
#pragma once
#include "kernels/recurrent/gradients.inl.h"

namespace lamella {
namespace {

// h = z h + (1-z) n, n = act(read).
template <class T, class Read>
LAMELLA_INLINE void gru_update(T* gates, T* h, Int u, Int activation, const Read& read) {
    activate<T>(activation, u, gates + 2 * u, read);
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> z = load(gates + i, part), n = load(gates + 2 * u + i, part);
        store(h + i, z * load(h + i, part) + (T(1) - z) * n, part);
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
    LAMELLA_REQUIRE(gates.size == n * t * columns);
    LAMELLA_REQUIRE(previous.size == 0 || previous.size == n * t * u);
    LAMELLA_REQUIRE(inner.size == previous.size);
    const Steps s(n, t, layer, 2 * t * u * columns);
    if (const Status error = project(x, layer, bias.size == 0 ? nullptr : bias.data, s, gates.data)) return error;

    // With reset before the product, the third gate needs r first.
    const Recurrent<T> gates_at_once(layer, n, 3, 0, after ? 3 : 2, false), last_gate(layer, n, 3, 2, after ? 0 : 1, false);
    if (!gates_at_once.own || !last_gate.own) return kOutOfMemory;
    const T* const recurrent_bias = after && bias.size > 0 ? bias.data + columns : nullptr;
    const Outputs<T> all{outputs.data, outputs.shape[1], u, t};
    if (t == 0) clear(outputs.data, outputs.size);
    return for_chunks(s, [&](Int first, Int rows) -> Status {
        Matrix<T> h_now, dropped, reset, sums;
        const Workspace own(rows_of_chunk(h_now, u), rows_of_chunk(dropped, u), rows_of_chunk(reset, u),
                            rows_of_chunk(sums, columns));
        if (!own) return kOutOfMemory;
        const Starts starts = find_starts(s, first, rows);
        read_states<T>(h0, first, rows, u, h_now);
        for (Int step = 0; step < t; ++step) {
            step_forward<T>(gates_at_once, h_now, first, rows, recurrent_bias, dropped, sums);
            for (Int r = 0; r < rows; ++r) {
                const Int at = s.row(first, rows, step) + r;
                if (previous.size > 0) copy(h_now.at(r), previous.data + at * u, u);
                T* const z = gates.data + at * columns;
                const T* const sum = sums.at(r);
                const T* const before = h_now.at(r);
                T* const to = reset.at(r);
                if (s.masked(first + r, step)) {
                    clear(to, u);
                    continue;
                }
                activate<T>(recurrent_activation, 2 * u, z,
                            [=](Int i, Int part) { return load(z + i, part) + load(sum + i, part); });
                // r h, the factor of the third gate's product, or q, which is multiplied by r.
                for_vectors<T>(0, u, [=](Int i, Int part) {
                    const Vec<T> q = after ? load(sum + 2 * u + i, part) : load(z + u + i, part) * load(before + i, part);
                    store(to + i, q, part);
                });
            }
            if (!after) {
                step_forward<T>(last_gate, reset, first, rows, nullptr, dropped, sums.from(2 * u));
            }
            for (Int r = 0; r < rows; ++r) {
                const Int at = s.row(first, rows, step) + r;
                if (inner.size > 0) copy(reset.at(r), inner.data + at * u, u);
                if (!s.masked(first + r, step)) {
                    T* const z = gates.data + at * columns;
                    const T* const sum = sums.at(r) + 2 * u;
                    gru_update(z, h_now.at(r), u, activation, [=](Int i, Int part) {
                        const Vec<T> recurrent = load(sum + i, part);
                        return load(z + 2 * u + i, part) + (after ? load(z + u + i, part) * recurrent : recurrent);
                    });
                }
                write_output(all, first + r, step, step >= starts.step[r], h_now.at(r));
            }
        }
        write_states<T>(h_now, first, rows, u, h);
        return nullptr;
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
                for (Int r = 0; r < rows; ++r) {
                    const Int at = s.row(first, rows, step) + r;
                    T *const d = dh_now.at(r), *const to = dz.at(r), *const sums = dgates.data + at * columns;
                    const T *const z = gates.data + at * columns, *const before = previous.data + at * u;
                    if (step > 0) {
                        const Int next = at - rows;
                        prefetch_row(gates.data + next * columns, columns);
                        prefetch_row(previous.data + next * u, u);
                        prefetch_row(inner.data + next * u, u);
                        prefetch_output_gradient(dys, first + r, step - 1);
                    }
                    clear(dreset.at(r), u);
                    add_output_gradient(dys, first + r, step, step >= starts.step[r], d);
                    if (s.masked(first + r, step)) {
                        clear(to, columns);
                        clear(sums, columns);
                        if (after) clear(dinner.data + at * u, u);
                        continue;
                    }
                    const T* const q = inner.data + at * u;
                    T* const dq = after ? dinner.data + at * u : nullptr;
                    for_vectors<T>(0, u, [=](Int i, Int part) {
                        const Vec<T> update = load(z + i, part), reset = load(z + u + i, part), now = load(z + 2 * u + i, part),
                                     whole = load(d + i, part);
                        const Vec<T> d_now = whole * (T(1) - update) * slope.at(now);
                        store(to + i, whole * (load(before + i, part) - now) * gate_slope.at(update), part);
                        store(d + i, whole * update, part);
                        if (after) {
                            store(to + u + i, d_now * load(q + i, part) * gate_slope.at(reset), part);
                            store(to + 2 * u + i, d_now * reset, part);
                            store(dq + i, d_now * reset, part);
                            store(sums + 2 * u + i, d_now, part);
                        } else {
                            store(to + 2 * u + i, d_now, part);
                        }
                    });
                    if (after) copy(to, sums, 2 * u);
                }
                if (!after) {
                    step_backward<T>(last_gate, dz.from(2 * u), first, rows, product, dreset);
                    for (Int r = 0; r < rows; ++r) {
                        const Int at = s.row(first, rows, step) + r;
                        if (s.masked(first + r, step)) continue;
                        T *const d = dh_now.at(r), *const to = dz.at(r), *const sums = dgates.data + at * columns;
                        const T *const z = gates.data + at * columns, *const before = previous.data + at * u;
                        const T* const dr = dreset.at(r);
                        for_vectors<T>(0, u, [=](Int i, Int part) {
                            const Vec<T> reset = load(z + u + i, part), d_reset = load(dr + i, part);
                            store(to + u + i, d_reset * load(before + i, part) * gate_slope.at(reset), part);
                            store(d + i, load(d + i, part) + d_reset * reset, part);
                        });
                        copy(to, sums, columns);
                    }
                }
                step_backward<T>(gates_at_once, dz, first, rows, product, dh_now);
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
    return gradients.dx.size > 0 ? project_backward(dgates.data, layer, s, gradients.dx.data) : nullptr;
}

}  // namespace
}  // namespace lamella
