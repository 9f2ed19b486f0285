// LSTM over all time steps. Gates i, f, g, o: c' = f c + i g, h' = o act(c').
#pragma once
#include "kernels/recurrent/gradients.inl.h"
#include "kernels/recurrent/inputs.inl.h"

namespace lamella {
namespace {

// A sequence in a step. z: the gates' sums of the inputs, which are replaced by the gates; sum: the gates' sums of h. h and c
// are replaced; before that they are copied to previous and cells. output: the other place for the new h. previous, cells and
// output may be nullptr.
template <class T>
struct LstmRow {
    T* z;
    const T* sum;
    T *h, *c, *previous, *cells, *output;
};

// A step has two parts, each for all sequences of a chunk, because the CPU computes neighbouring vectors of a part at the same
// time: the act(c) of a vector waits for its gates.
template <class T, class Act, class Rec>
LAMELLA_INLINE void lstm_gates(const LstmRow<T>& row, Int u, const Act& act, const Rec& rec) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const auto summed = [=](Int gate) { return load(row.z + gate * u + i, part) + load(row.sum + gate * u + i, part); };
        const Vec<T> in = rec(summed(0)), forget = rec(summed(1)), g = act(summed(2)), out = rec(summed(3)),
                     before = load(row.c + i, part);
        store(row.z + i, in, part);
        store(row.z + u + i, forget, part);
        store(row.z + 2 * u + i, g, part);
        store(row.z + 3 * u + i, out, part);
        if (row.cells != nullptr) store(row.cells + i, before, part);
        store(row.c + i, forget * before + in * g, part);
    });
}

template <class T, class Act>
LAMELLA_INLINE void lstm_output(const LstmRow<T>& row, Int u, const Act& act) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        if (row.previous != nullptr) store(row.previous + i, load(row.h + i, part), part);
        const Vec<T> h = act(load(row.c + i, part)) * load(row.z + 3 * u + i, part);
        store(row.h + i, h, part);
        if (row.output != nullptr) store(row.output + i, h, part);
    });
}

template <class T>
Status lstm_forward(In<T> x, const RecurrentLayer<T>& layer, Int activation, Int recurrent_activation, In<T> bias, In<T> h0,
                    In<T> c0, Out<T> gates, Out<T> previous, Out<T> cells, Out<T> outputs, Out<T> h, Out<T> c) {
    if (const Status error = check_recurrent(x, layer, 4, activation, recurrent_activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0], columns = 4 * u;
    if (const Status error = check_outputs(x, layer, outputs.shape, outputs.rank)) return error;
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == columns);
    LAMELLA_REQUIRE(h0.size == n * u && c0.size == n * u && h.size == n * u && c.size == n * u);
    LAMELLA_REQUIRE(gates.size == 0 || gates.size == n * t * columns);
    LAMELLA_REQUIRE(previous.size == 0 || previous.size == n * t * u);
    LAMELLA_REQUIRE(cells.size == 0 || cells.size == n * t * u);
    const Steps s(n, t, layer, 2 * t * u * columns);
    InputProducts<T> inputs(x, layer, bias.size == 0 ? nullptr : bias.data, s, gates);
    if (const Status error = inputs.prepare()) return error;

    const Recurrent<T> recurrent(layer, n, 4, 0, 4, false);
    if (!recurrent.own) return kOutOfMemory;
    const Outputs<T> all{outputs.data, outputs.shape[1], u, t};
    if (t == 0) clear(outputs.data, outputs.size);
    return for_chunks(s, [&](Int first, Int rows) -> Status {
        Matrix<T> h_now, c_now, dropped, sums;
        T* own_z;
        const Workspace own(rows_of_chunk(h_now, u), rows_of_chunk(c_now, u), rows_of_chunk(dropped, u),
                            rows_of_chunk(sums, columns), part(own_z, inputs.own_size()));
        if (!own) return kOutOfMemory;
        const Starts starts = find_starts(s, first, rows);
        read_states<T>(h0, first, rows, u, h_now);
        read_states<T>(c0, first, rows, u, c_now);
        for (Int step = 0; step < t; ++step) {
            T* const z = inputs.compute(first, rows, step, own_z);
            step_forward<T>(recurrent, h_now, first, rows, nullptr, dropped, sums);
            const auto row_at = [&](Int r) -> LstmRow<T> {
                const Int at = s.row(first, rows, step) + r;
                return {z + r * columns,
                        sums.at(r),
                        h_now.at(r),
                        c_now.at(r),
                        previous.size > 0 ? previous.data + at * u : nullptr,
                        cells.size > 0 ? cells.data + at * u : nullptr,
                        all.at(first + r, step)};
            };
            with_functions<T>(activation, recurrent_activation, [&](const auto& act, const auto& rec) {
                for (Int r = 0; r < rows; ++r) {
                    if (!s.masked(first + r, step)) lstm_gates(row_at(r), u, act, rec);
                }
                for (Int r = 0; r < rows; ++r) {
                    const LstmRow<T> row = row_at(r);
                    inputs.prefetch(row.z, rows, step);
                    if (!s.masked(first + r, step)) {
                        lstm_output(row, u, act);
                        continue;
                    }
                    if (row.previous != nullptr) copy(row.h, row.previous, u);
                    if (row.cells != nullptr) copy(row.c, row.cells, u);
                    write_output(all, first + r, step, step >= starts.step[r], row.h);
                }
            });
        }
        write_states<T>(h_now, first, rows, u, h);
        write_states<T>(c_now, first, rows, u, c);
        return nullptr;
    });
}

// The backward step of a sequence. z: the gates; c: the state before the step; dh, dc: the gradients of the states after the
// step. They are replaced: dc by the gradient of c, dh by the part of h's gradient that does not come from the gates, which is
// 0. dy: the gradient of the output, or nullptr. dz: the gradient of the gates' sums, which may be z. activated: act(c').
template <class T>
struct LstmRowBack {
    const T *z, *c, *dy;
    T *dh, *dc, *dz, *activated;
};

template <class T, class Act>
LAMELLA_INLINE void lstm_activate(const LstmRowBack<T>& row, Int u, const Act& act) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> cell =
            load(row.z + u + i, part) * load(row.c + i, part) + load(row.z + i, part) * load(row.z + 2 * u + i, part);
        store(row.activated + i, act(cell), part);
    });
}

template <class T>
LAMELLA_INLINE void lstm_step_back(const LstmRowBack<T>& row, Int u, const Slope<T>& slope, const Slope<T>& gate_slope) {
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> in = load(row.z + i, part), forget = load(row.z + u + i, part), g = load(row.z + 2 * u + i, part),
                     out = load(row.z + 3 * u + i, part), cell = load(row.activated + i, part);
        Vec<T> d = load(row.dh + i, part);
        if (row.dy != nullptr) d += load(row.dy + i, part);
        const Vec<T> d_cell = load(row.dc + i, part) + d * out * slope.at(cell);
        store(row.dz + i, d_cell * g * gate_slope.at(in), part);
        store(row.dz + u + i, d_cell * load(row.c + i, part) * gate_slope.at(forget), part);
        store(row.dz + 2 * u + i, d_cell * in * slope.at(g), part);
        store(row.dz + 3 * u + i, d * cell * gate_slope.at(out), part);
        store(row.dc + i, d_cell * forget, part);
        store(row.dh + i, Vec<T>{}, part);
    });
}

template <class T>
Status lstm_backward(In<T> x, const RecurrentLayer<T>& layer, Int activation, Int recurrent_activation, In<T> gates,
                     In<T> previous, In<T> cells, In<T> doutputs, In<T> dh, In<T> dc, Out<T> dgates,
                     const RecurrentGradients<T>& gradients, Out<T> dc0) {
    if (const Status error = check_recurrent(x, layer, 4, activation, recurrent_activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0], columns = 4 * u;
    if (const Status error = check_backward(x, layer, doutputs, dh, gradients)) return error;
    LAMELLA_REQUIRE(gates.size == n * t * columns && dgates.size == gates.size);
    LAMELLA_REQUIRE(previous.size == n * t * u && cells.size == n * t * u);
    LAMELLA_REQUIRE(gradients.dbias.size == 0 || gradients.dbias.size == columns);
    LAMELLA_REQUIRE(dc0.size == n * u && (dc.size == 0 || dc.size == n * u));
    const Steps s(n, t, layer, 2 * t * u * columns);
    const Slope<T> slope = slope_of<T>(activation), gate_slope = slope_of<T>(recurrent_activation);
    const Outputs<const T> dys = output_gradients(doutputs, u, t);
    const InputGradients<T> inputs(layer, s, dgates.data, gradients.dx);
    if (!inputs.own) return kOutOfMemory;
    {  // the packed weights are not needed for the products over all steps
        const Recurrent<T> recurrent(layer, n, 4, 0, 4, true);
        if (!recurrent.own) return kOutOfMemory;
        const Status failed = for_chunks(s, [&](Int first, Int rows) -> Status {
            Matrix<T> dh_now, dc_now, product, activated;
            const Workspace own(rows_of_chunk(dh_now, u), rows_of_chunk(dc_now, u), rows_of_chunk(product, u),
                                rows_of_chunk(activated, u));
            if (!own) return kOutOfMemory;
            const Starts starts = find_starts(s, first, rows);
            read_states<T>(dh, first, rows, u, dh_now);
            read_states<T>(dc, first, rows, u, dc_now);
            for (Int step = t - 1; step >= 0; --step) {
                const Matrix<T> dz{dgates.data + s.row(first, rows, step) * columns, columns};
                const auto row_at = [&](Int r) -> LstmRowBack<T> {
                    const Int at = s.row(first, rows, step) + r;
                    return {gates.data + at * columns,
                            cells.data + at * u,
                            dys.at(first + r, step),
                            dh_now.at(r),
                            dc_now.at(r),
                            dz.at(r),
                            activated.at(r)};
                };
                with_functions<T>(activation, recurrent_activation, [&](const auto& act, const auto&) {
                    for (Int r = 0; r < rows; ++r) {
                        if (!s.masked(first + r, step)) lstm_activate(row_at(r), u, act);
                    }
                });
                for (Int r = 0; r < rows; ++r) {
                    if (step > 0) {
                        const Int next = s.row(first, rows, step - 1) + r;
                        prefetch_row(gates.data + next * columns, columns);
                        prefetch_row(cells.data + next * u, u);
                        prefetch_output_gradient(dys, first + r, step - 1);
                    }
                    if (!s.masked(first + r, step)) {
                        lstm_step_back(row_at(r), u, slope, gate_slope);
                        continue;
                    }
                    add_output_gradient(dys, first + r, step, step >= starts.step[r], dh_now.at(r));
                    clear(dz.at(r), columns);
                }
                step_backward<T>(recurrent, dz, first, rows, product, dh_now);
                inputs.compute(first, rows, step);
            }
            write_states<T>(dh_now, first, rows, u, gradients.dh0);
            write_states<T>(dc_now, first, rows, u, dc0);
            return nullptr;
        });
        if (failed != nullptr) return failed;
    }
    const WeightGradients<T> weights{layer, gradients, x.shape[2], u, 4, s};
    T* const db = gradients.dbias.size == 0 ? nullptr : gradients.dbias.data;
    if (const Status error = weights.multiply(0, 4, x.data, previous.data, dgates.data, columns, db)) return error;
    return inputs.finish();
}

}  // namespace
}  // namespace lamella
