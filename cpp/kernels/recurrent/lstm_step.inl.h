// One step of an LSTM from the sums of its gates: what ConvLSTM2D computes after its convolutions.
#pragma once
#include "kernels/recurrent/recurrent.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// About 100 cycles for a vector of units: a fourth of the elements of a streaming kernel take as long as a chunk should.
LAMELLA_INLINE Int step_grain(Int units) { return larger(1, kChunkElements / 4 / units); }

// sums [..., 4U]: the shape of c [..., U] with four gates.
template <class A, class B>
[[gnu::noinline]] bool are_gates_of(const View<A>& sums, const View<B>& c) {
    const Rows n = rows_of(sums), units = rows_of(c);
    return n.rows == units.rows && n.columns == 4 * units.columns;
}

// One copy of all functions: inlined five times they were 60 KB of code.
template <class T>
[[gnu::noinline]] Vec<T> apply_any(Int function, Vec<T> v) {
    return apply<T>(function, v);
}

// with_functions, except that only Keras's default functions are inlined.
template <class T, class F>
LAMELLA_INLINE void with_step_functions(Int activation, Int recurrent_activation, const F& f) {
    const auto tanh_of = [](Vec<T> v) { return tanh<T>(v); };
    if (activation == kTanh && recurrent_activation == kHardSigmoid) {
        f(tanh_of, [](Vec<T> v) { return hard_sigmoid<T>(v); });
    } else {
        f([=](Vec<T> v) { return apply_any<T>(activation, v); },
          [=](Vec<T> v) { return apply_any<T>(recurrent_activation, v); });
    }
}

template <class T>
Status lstm_step_forward(In<T> of_x, In<T> of_h, In<T> c, Int activation, Int recurrent_activation, Out<T> gates, Out<T> new_h,
                         Out<T> new_c) {
    LAMELLA_REQUIRE(is_function(activation) && is_function(recurrent_activation));
    LAMELLA_REQUIRE(are_gates_of(of_x, c) && same_shape(of_x, of_h));
    LAMELLA_REQUIRE(gates.size == 0 || same_shape(gates, of_x));
    LAMELLA_REQUIRE(same_shape(new_h, c) && same_shape(new_c, c));
    if (c.size == 0) return nullptr;
    const Int u = rows_of(c).columns;
    const bool kept = gates.size > 0;
    parallel_for(c.size / u, step_grain(u), [&](Int begin, Int end) {
        with_step_functions<T>(activation, recurrent_activation, [&](const auto& act, const auto& rec) {
            for (Int r = begin; r < end; ++r) {
                const T *const x = of_x.data + r * 4 * u, *const h = of_h.data + r * 4 * u, *const before = c.data + r * u;
                T *const z = gates.data + (kept ? r * 4 * u : 0), *const h_to = new_h.data + r * u,
                         *const c_to = new_c.data + r * u;
                for_vectors<T>(0, u, [=](Int i, Int part) {
                    const auto summed = [=](Int gate) { return load(x + gate * u + i, part) + load(h + gate * u + i, part); };
                    const Vec<T> in = rec(summed(0)), forget = rec(summed(1)), g = act(summed(2)), out = rec(summed(3));
                    const Vec<T> cell = forget * load(before + i, part) + in * g;
                    if (kept) {
                        store(z + i, in, part);
                        store(z + u + i, forget, part);
                        store(z + 2 * u + i, g, part);
                        store(z + 3 * u + i, out, part);
                    }
                    store(c_to + i, cell, part);
                    store(h_to + i, out * act(cell), part);
                });
            }
        });
    });
    return nullptr;
}

// act(c') is computed again: it is as fast as reading it.
template <class T>
Status lstm_step_backward(In<T> gates, In<T> c, In<T> new_c, Int activation, Int recurrent_activation, In<T> dh, In<T> dnew_c,
                          Out<T> dsums, Out<T> dc) {
    LAMELLA_REQUIRE(is_function(activation) && is_function(recurrent_activation));
    LAMELLA_REQUIRE(are_gates_of(gates, c) && same_shape(gates, dsums));
    LAMELLA_REQUIRE(same_shape(new_c, c) && same_shape(dc, c));
    LAMELLA_REQUIRE(dh.size == 0 || same_shape(dh, c));
    LAMELLA_REQUIRE(dnew_c.size == 0 || same_shape(dnew_c, c));
    if (c.size == 0) return nullptr;
    const Int u = rows_of(c).columns;
    const Slope<T> slope = slope_of<T>(activation), gate_slope = slope_of<T>(recurrent_activation);
    parallel_for(c.size / u, step_grain(u), [&](Int begin, Int end) {
        with_step_functions<T>(activation, kHardSigmoid, [&](const auto& act, const auto&) {
            for (Int r = begin; r < end; ++r) {
                const T *const z = gates.data + r * 4 * u, *const before = c.data + r * u, *const after = new_c.data + r * u,
                               *const to_h = dh.size > 0 ? dh.data + r * u : nullptr,
                               *const to_c = dnew_c.size > 0 ? dnew_c.data + r * u : nullptr;
                T *const dz = dsums.data + r * 4 * u, *const dbefore = dc.data + r * u;
                for_vectors<T>(0, u, [=](Int i, Int part) {
                    const Vec<T> in = load(z + i, part), forget = load(z + u + i, part), g = load(z + 2 * u + i, part),
                                 out = load(z + 3 * u + i, part), cell = act(load(after + i, part));
                    const Vec<T> d = to_h != nullptr ? load(to_h + i, part) : Vec<T>{};
                    Vec<T> d_cell = d * out * slope.at(cell);
                    if (to_c != nullptr) d_cell += load(to_c + i, part);
                    store(dz + i, d_cell * g * gate_slope.at(in), part);
                    store(dz + u + i, d_cell * load(before + i, part) * gate_slope.at(forget), part);
                    store(dz + 2 * u + i, d_cell * in * slope.at(g), part);
                    store(dz + 3 * u + i, d * cell * gate_slope.at(out), part);
                    store(dbefore + i, d_cell * forget, part);
                });
            }
        });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
