// LSTM over all time steps. Gates i, f, g, o: c' = f c + i g, h' = o act(c').
#pragma once
#include "kernels/recurrent/gradients.inl.h"

namespace lamella {
namespace {

// The step of one sequence. z: the gates' sums of the inputs, which are replaced by the gates; sum: the gates' sums of h.
template <class T>
LAMELLA_INLINE void lstm_step(T* z, const T* sum, T* h, T* c, Int u, Int activation, Int recurrent_activation) {
    const auto summed = [=](Int i, Int part) { return load(z + i, part) + load(sum + i, part); };
    activate<T>(recurrent_activation, 2 * u, z, summed);
    activate<T>(activation, u, z + 2 * u, [=](Int i, Int part) { return summed(2 * u + i, part); });
    activate<T>(recurrent_activation, u, z + 3 * u, [=](Int i, Int part) { return summed(3 * u + i, part); });
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> remembered = load(z + u + i, part) * load(c + i, part);
        store(c + i, remembered + load(z + i, part) * load(z + 2 * u + i, part), part);
    });
    activate<T>(activation, u, h, [=](Int i, Int part) { return load(c + i, part); });
    for_vectors<T>(0, u, [=](Int i, Int part) { store(h + i, load(h + i, part) * load(z + 3 * u + i, part), part); });
}

template <class T>
Status lstm_forward(In<T> x, const RecurrentLayer<T>& layer, Int activation, Int recurrent_activation, In<T> bias, In<T> h0,
                    In<T> c0, Out<T> gates, Out<T> previous, Out<T> cells, Out<T> outputs, Out<T> h, Out<T> c) {
    if (const Status error = check_recurrent(x, layer, 4, activation, recurrent_activation)) return error;
    const Int n = x.shape[0], t = x.shape[1], u = layer.recurrent_kernel.shape[0], columns = 4 * u;
    if (const Status error = check_outputs(x, layer, outputs.shape, outputs.rank)) return error;
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == columns);
    LAMELLA_REQUIRE(h0.size == n * u && c0.size == n * u && h.size == n * u && c.size == n * u);
    LAMELLA_REQUIRE(gates.size == n * t * columns);
    LAMELLA_REQUIRE(previous.size == 0 || previous.size == n * t * u);
    LAMELLA_REQUIRE(cells.size == 0 || cells.size == n * t * u);
    const Steps s(n, t, layer, 2 * t * u * columns);
    if (const Status error = project(x, layer, bias.size == 0 ? nullptr : bias.data, s, gates.data)) return error;

    const Recurrent<T> recurrent(layer, n, 4, 0, 4, false);
    if (!recurrent.own) return kOutOfMemory;
    const Outputs<T> all{outputs.data, outputs.shape[1], u, t};
    if (t == 0) clear(outputs.data, outputs.size);
    return for_chunks(s, [&](Int first, Int rows) -> Status {
        Matrix<T> h_now, c_now, dropped, sums;
        const Workspace own(rows_of_chunk(h_now, u), rows_of_chunk(c_now, u), rows_of_chunk(dropped, u),
                            rows_of_chunk(sums, columns));
        if (!own) return kOutOfMemory;
        const Starts starts = find_starts(s, first, rows);
        read_states<T>(h0, first, rows, u, h_now);
        read_states<T>(c0, first, rows, u, c_now);
        for (Int step = 0; step < t; ++step) {
            step_forward<T>(recurrent, h_now, first, rows, nullptr, dropped, sums);
            for (Int r = 0; r < rows; ++r) {
                const Int at = s.row(first, rows, step) + r;
                if (previous.size > 0) copy(h_now.at(r), previous.data + at * u, u);
                if (cells.size > 0) copy(c_now.at(r), cells.data + at * u, u);
                if (!s.masked(first + r, step)) {
                    lstm_step(gates.data + at * columns, sums.at(r), h_now.at(r), c_now.at(r), u, activation,
                              recurrent_activation);
                }
                write_output(all, first + r, step, step >= starts.step[r], h_now.at(r));
            }
        }
        write_states<T>(h_now, first, rows, u, h);
        write_states<T>(c_now, first, rows, u, c);
        return nullptr;
    });
}

// The backward step. z: the gates; c: the state before the step; dh, dc: the gradients of the states after the step. They are
// replaced: dc by the gradient of c, dh by the part of h's gradient that does not come from the gates, which is 0. dz: the
// gradient of the gates' sums; a: memory for u elements.
template <class T>
LAMELLA_INLINE void lstm_step_back(const T* z, const T* c, T* dh, T* dc, T* dz, T* a, Int u, Int activation,
                                   const Slope<T>& slope, const Slope<T>& gate_slope) {
    activate<T>(activation, u, a, [=](Int i, Int part) {
        return load(z + u + i, part) * load(c + i, part) + load(z + i, part) * load(z + 2 * u + i, part);
    });
    for_vectors<T>(0, u, [=](Int i, Int part) {
        const Vec<T> in = load(z + i, part), forget = load(z + u + i, part), g = load(z + 2 * u + i, part),
                     out = load(z + 3 * u + i, part), cell = load(a + i, part), d = load(dh + i, part);
        const Vec<T> d_cell = load(dc + i, part) + d * out * slope.at(cell);
        store(dz + i, d_cell * g * gate_slope.at(in), part);
        store(dz + u + i, d_cell * load(c + i, part) * gate_slope.at(forget), part);
        store(dz + 2 * u + i, d_cell * in * slope.at(g), part);
        store(dz + 3 * u + i, d * cell * gate_slope.at(out), part);
        store(dc + i, d_cell * forget, part);
        store(dh + i, Vec<T>{}, part);
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
    {  // the packed weights are not needed for the products over all steps
        const Recurrent<T> recurrent(layer, n, 4, 0, 4, true);
        if (!recurrent.own) return kOutOfMemory;
        const Status failed = for_chunks(s, [&](Int first, Int rows) -> Status {
            Matrix<T> dh_now, dc_now, product, activated, dz;
            const Workspace own(rows_of_chunk(dh_now, u), rows_of_chunk(dc_now, u), rows_of_chunk(product, u),
                                rows_of_chunk(activated, u), rows_of_chunk(dz, columns));
            if (!own) return kOutOfMemory;
            const Starts starts = find_starts(s, first, rows);
            read_states<T>(dh, first, rows, u, dh_now);
            read_states<T>(dc, first, rows, u, dc_now);
            for (Int step = t - 1; step >= 0; --step) {
                for (Int r = 0; r < rows; ++r) {
                    const Int at = s.row(first, rows, step) + r;
                    if (step > 0) {
                        const Int next = at - rows;
                        prefetch_row(gates.data + next * columns, columns);
                        prefetch_row(cells.data + next * u, u);
                        prefetch_output_gradient(dys, first + r, step - 1);
                    }
                    add_output_gradient(dys, first + r, step, step >= starts.step[r], dh_now.at(r));
                    if (s.masked(first + r, step)) {
                        clear(dz.at(r), columns);
                    } else {
                        lstm_step_back(gates.data + at * columns, cells.data + at * u, dh_now.at(r), dc_now.at(r), dz.at(r),
                                       activated.at(r), u, activation, slope, gate_slope);
                    }
                    copy(dz.at(r), dgates.data + at * columns, columns);
                }
                step_backward<T>(recurrent, dz, first, rows, product, dh_now);
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
    return gradients.dx.size > 0 ? project_backward(dgates.data, layer, s, gradients.dx.data) : nullptr;
}

}  // namespace
}  // namespace lamella
