// Simple recurrent layer over all time steps: h' = act(x kernel + bias + h recurrent_kernel).
#pragma once
#include "kernels/recurrent/gradients.inl.h"
#include "kernels/recurrent/inputs.inl.h"

namespace lamella {
namespace {

template <class T>
Status simple_rnn_forward(In<T> x, const RecurrentLayer<T>& layer, Int activation, In<T> bias, In<T> h0, Out<T> states,
                          Out<T> previous, Out<T> outputs, Out<T> h) {
    if (const Status error = check_recurrent(x, layer, 1, activation, activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0];
    if (const Status error = check_outputs(x, layer, outputs.shape, outputs.rank)) return error;
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == u);
    LAMELLA_REQUIRE(h0.size == n * u && h.size == n * u);
    LAMELLA_REQUIRE(states.size == 0 || states.size == n * t * u);
    LAMELLA_REQUIRE(previous.size == 0 || previous.size == n * t * u);
    const Steps s(n, t, layer, 2 * t * u * u);
    InputProducts<T> inputs(x, layer, bias.size == 0 ? nullptr : bias.data, s, states);
    if (const Status error = inputs.prepare()) return error;
    const Recurrent<T> recurrent(layer, n, 1, 0, 1, false);
    if (!recurrent.own) return kOutOfMemory;
    const Outputs<T> all{outputs.data, outputs.shape[1], u, t};
    if (t == 0) clear(outputs.data, outputs.size);
    return for_chunks(s, [&](Int first, Int rows) -> Status {
        Matrix<T> h_now, dropped, sums;
        T* own_z;
        const Workspace own(rows_of_chunk(h_now, u), rows_of_chunk(dropped, u), rows_of_chunk(sums, u),
                            part(own_z, inputs.own_size()));
        if (!own) return kOutOfMemory;
        const Starts starts = find_starts(s, first, rows);
        read_states<T>(h0, first, rows, u, h_now);
        for (Int step = 0; step < t; ++step) {
            T* const sums_of_inputs = inputs.compute(first, rows, step, own_z);
            step_forward<T>(recurrent, h_now, first, rows, nullptr, dropped, sums);
            with_functions<T>(activation, kSigmoid, [&](const auto& act, const auto&) {
                for (Int r = 0; r < rows; ++r) {
                    const Int at = s.row(first, rows, step) + r;
                    T *const z = sums_of_inputs + r * u, *const h_row = h_now.at(r), *const output = all.at(first + r, step);
                    T* const before = previous.size > 0 ? previous.data + at * u : nullptr;
                    const T* const sum = sums.at(r);
                    if (s.masked(first + r, step)) {
                        if (before != nullptr) copy(h_row, before, u);
                        write_output(all, first + r, step, step >= starts.step[r], h_row);
                        continue;
                    }
                    for_vectors<T>(0, u, [=](Int i, Int part) {
                        const Vec<T> y = act(load(z + i, part) + load(sum + i, part));
                        if (before != nullptr) store(before + i, load(h_row + i, part), part);
                        store(z + i, y, part);
                        store(h_row + i, y, part);
                        if (output != nullptr) store(output + i, y, part);
                    });
                }
            });
        }
        write_states<T>(h_now, first, rows, u, h);
        return nullptr;
    });
}

template <class T>
Status simple_rnn_backward(In<T> x, const RecurrentLayer<T>& layer, Int activation, In<T> states, In<T> previous,
                           In<T> doutputs, In<T> dh, Out<T> dstates, const RecurrentGradients<T>& gradients) {
    if (const Status error = check_recurrent(x, layer, 1, activation, activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0];
    if (const Status error = check_backward(x, layer, doutputs, dh, gradients)) return error;
    LAMELLA_REQUIRE(states.size == n * t * u && dstates.size == n * t * u && previous.size == n * t * u);
    LAMELLA_REQUIRE(dstates.size == 0 || dstates.data != previous.data);
    LAMELLA_REQUIRE(dstates.size == 0 || dstates.data != doutputs.data);
    LAMELLA_REQUIRE(gradients.dbias.size == 0 || gradients.dbias.size == u);
    const Steps s(n, t, layer, 2 * t * u * u);
    const Slope<T> slope = slope_of<T>(activation);
    const Outputs<const T> dys = output_gradients(doutputs, u, t);
    const InputGradients<T> inputs(layer, s, dstates.data, gradients.dx);
    if (!inputs.own) return kOutOfMemory;
    {  // the packed weights are not needed for the products over all steps
        const Recurrent<T> recurrent(layer, n, 1, 0, 1, true);
        if (!recurrent.own) return kOutOfMemory;
        const Status failed = for_chunks(s, [&](Int first, Int rows) -> Status {
            Matrix<T> dh_now, product, dz;
            const Workspace own(rows_of_chunk(dh_now, u), rows_of_chunk(product, u), rows_of_chunk(dz, u));
            if (!own) return kOutOfMemory;
            const Starts starts = find_starts(s, first, rows);
            read_states<T>(dh, first, rows, u, dh_now);
            for (Int step = t - 1; step >= 0; --step) {
                for (Int r = 0; r < rows; ++r) {
                    const Int at = s.row(first, rows, step) + r;
                    T *const d = dh_now.at(r), *const to = dz.at(r);
                    if (step > 0) {
                        prefetch_row(states.data + (at - rows) * u, u);
                        prefetch_output_gradient(dys, first + r, step - 1);
                    }
                    add_output_gradient(dys, first + r, step, step >= starts.step[r], d);
                    if (s.masked(first + r, step)) {
                        clear(to, u);
                    } else {
                        const T* const state = states.data + at * u;
                        for_vectors<T>(0, u, [=](Int i, Int part) {
                            store(to + i, load(d + i, part) * slope.at(load(state + i, part)), part);
                            store(d + i, Vec<T>{}, part);
                        });
                    }
                    copy(to, dstates.data + at * u, u);
                }
                step_backward<T>(recurrent, dz, first, rows, product, dh_now);
                inputs.compute(first, rows, step);
            }
            write_states<T>(dh_now, first, rows, u, gradients.dh0);
            return nullptr;
        });
        if (failed != nullptr) return failed;
    }
    const WeightGradients<T> weights{layer, gradients, x.shape[2], u, 1, s};
    T* const db = gradients.dbias.size == 0 ? nullptr : gradients.dbias.data;
    if (const Status error = weights.multiply(0, 1, x.data, previous.data, dstates.data, u, db)) return error;
    return inputs.finish();
}

}  // namespace
}  // namespace lamella
