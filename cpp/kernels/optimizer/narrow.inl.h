// Optimizers whose parameters, gradients or slots are stored with fewer bits: torch's rules of Adam and SGD, and Lion. Vectors
// are decoded, changed in type T and encoded in registers: each array passes once through memory.
#pragma once
#include "kernels/optimizer/narrow_passes.h"
#include "kernels/optimizer/torch_rules.inl.h"

namespace lamella {
namespace {

// Sizes and places of the arrays of one list; the other list is empty. Arrays of bfloat16 come as bytes.
template <class Wide, class Byte>
void fill_row(const Sizes& sizes, const ViewList<Wide>& wide, const ViewList<Byte>& narrow, Int* start) {
    start[0] = 0;
    for (Int k = 0; k < sizes.count; ++k) {
        sizes.items[k].size = wide.count > 0 ? wide.items[k].size : narrow.items[k].size / 2;
        start[k + 1] = start[k] + ceil_divide(sizes.items[k].size, kBlock) * kBlock;
    }
}

// LAMELLA_REQUIRE(aligned.data) fails with the text "requires aligned.data".
struct DataAre {
    bool data;
};

template <class L>
bool are_at_multiples(const L& list, Int bytes) {
    for (Int k = 0; k < list.count; ++k) {
        if (reinterpret_cast<std::size_t>(list.items[k].data) % static_cast<std::size_t>(bytes) != 0) return false;
    }
    return true;
}

// Whether a view of bytes is of numbers of this many: tensors have one more axis of that length (cpp/bindings/view_of.h), and
// other arrays of bytes one axis for all.
inline bool are_of(const View<std::uint8_t>& bytes, Int of_one) {
    return bytes.rank < 2 || bytes.shape[bytes.rank - 1] == of_one;
}

// Whether an array that is shaped as its parameter has its shape. Bytes in one axis say nothing of it.
template <class T>
bool is_shaped(const View<T>& param, const View<std::uint8_t>& bytes) {
    bool same = bytes.rank < 2 || bytes.rank == param.rank + 1;
    for (int i = 0; same && bytes.rank > 1 && i < param.rank; ++i) same = bytes.shape[i] == param.shape[i];
    return same;
}

// Whether the lists have arrays of equal shapes, where both have arrays.
template <class L>
bool have_same_shapes(const L& ps, const L& gs) {
    for (Int k = 0; k < smaller(ps.count, gs.count); ++k) {
        if (!same_shape(ps.items[k], gs.items[k])) return false;
    }
    return true;
}

// Whether either `wide` or `narrow` has an array for each of the sizes, and the other is empty.
template <class T>
bool has_sizes(const Sizes& sizes, const ViewList<T>& wide, const ViewList<std::uint8_t>& narrow) {
    if (wide.count + narrow.count != sizes.count || (wide.count > 0 && narrow.count > 0)) return false;
    for (Int k = 0; k < sizes.count; ++k) {
        const Int size = sizes.items[k].size;
        if (wide.count > 0 ? wide.items[k].size != size : narrow.items[k].size != 2 * size) return false;
        if (narrow.count > 0 && !are_of(narrow.items[k], 2)) return false;
    }
    return true;
}

template <class T>
bool has_slots(const Sizes& sizes, BytesList slots, Int bits) {
    if (slots.count != sizes.count) return false;
    for (Int k = 0; k < sizes.count; ++k) {
        if (slots.items[k].size != Slot{nullptr, sizes.items[k].size, bits}.bytes(sizeof(T))) return false;
        if (!are_of(slots.items[k], bits / 8)) return false;
    }
    return true;
}

// rule(d, x) as in for_gradients, with x[0] the parameter and then the slots: the first has a sign, a second one has not.
// `rounded` is the rule for slots that are rounded.
template <int kSlots, class T, class F, class R>
Status for_narrow(List<T> ps, List<T> gs, const ViewList<std::uint8_t>* const (&slots)[2], const Narrow<T>& narrow,
                  const F& rule, const R& rounded) {
    LAMELLA_REQUIRE(narrow.bits == 32 || narrow.bits == 16 || narrow.bits == 8);
    const Int count = ps.count > 0 ? ps.count : narrow.params.count, bits = narrow.bits;
    Sizes sizes{nullptr, count};
    Int* start;
    const Workspace own(part(sizes.items, count), part(start, count + 1));
    if (!own) return kOutOfMemory;
    fill_row(sizes, ps, narrow.params, start);
    LAMELLA_REQUIRE(has_sizes(sizes, ps, narrow.params));
    LAMELLA_REQUIRE(has_sizes(sizes, gs, narrow.grads));
    LAMELLA_REQUIRE(have_same_shapes(ps, gs) && have_same_shapes(narrow.params, narrow.grads));
    LAMELLA_REQUIRE(narrow.copies.count == 0 || (ps.count > 0 && has_sizes(sizes, ViewList<T>{nullptr, 0}, narrow.copies)));
    for (Int k = 0; k < narrow.copies.count; ++k) LAMELLA_REQUIRE(is_shaped(ps.items[k], narrow.copies.items[k]));
    for (int s = 0; s < kSlots; ++s) {
        const ViewList<std::uint8_t>& slot = *slots[s];
        LAMELLA_REQUIRE(has_slots<T>(sizes, slot, bits));
        const DataAre aligned{are_at_multiples(slot, bits == 16 ? 2 : bits == 8 ? 4 : Int{sizeof(T)})};
        LAMELLA_REQUIRE(aligned.data);
    }
    const DataAre aligned{are_at_multiples(narrow.params, 2) && are_at_multiples(narrow.grads, 2) &&
                          are_at_multiples(narrow.copies, 2)};
    LAMELLA_REQUIRE(aligned.data);

    const NarrowStep<T> step{ps, gs, slots, narrow, sizes, start};
    if constexpr (kSlots > 0) {
        if (bits == 16 && narrow.stochastic) narrow_pieces<kSlots, 16, true>(step, rounded);
        if (bits == 16 && !narrow.stochastic) narrow_pieces<kSlots, 16, false>(step, rounded);
        if (bits == 8 && narrow.stochastic) narrow_passes<kSlots, true>(step, rounded);
        if (bits == 8 && !narrow.stochastic) narrow_passes<kSlots, false>(step, rounded);
    }
    if (bits == 32 || kSlots == 0) narrow_pieces<kSlots, 32, false>(step, rule);
    return nullptr;
}

template <class T>
Status narrow_adam_update(List<T> ps, List<T> gs, BytesList ms, BytesList vs, Real rate, Real root, Real l2, Real kept,
                          const Moments<T>& moments, const Narrow<T>& narrow) {
    // With rounded slots the last bit of a quotient means nothing.
    return for_narrow<2>(ps, gs, {&ms, &vs}, narrow, AdamRule<T>(rate, root, l2, kept, moments),
                         AdamRule<T, Scaling<T>>(rate, root, l2, kept, moments));
}

template <class T>
Status narrow_sgd_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real momentum, Real take, Int nesterov, Real l2,
                         const Narrow<T>& narrow) {
    const auto rule = in_one<T>(sgd_rule<T>(lr, momentum, take, nesterov, l2));
    if (ms.count == 0) return for_narrow<0>(ps, gs, {nullptr, nullptr}, narrow, rule, rule);
    return for_narrow<1>(ps, gs, {&ms, nullptr}, narrow, rule, rule);
}

template <class T>
Status narrow_lion_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real kept, Real beta1, Real beta2,
                          const Narrow<T>& narrow) {
    const auto rule = in_one<T>(lion_rule<T>(lr, kept, beta1, beta2));
    return for_narrow<1>(ps, gs, {&ms, nullptr}, narrow, rule, rule);
}

template <class T>
Status gradient_norm(InList<T> gs, InBytesList bfloat16_gs, Out<T> norm) {
    LAMELLA_REQUIRE(norm.size == 1);
    LAMELLA_REQUIRE(gs.count == 0 || bfloat16_gs.count == 0);
    const DataAre aligned{are_at_multiples(bfloat16_gs, 2)};
    LAMELLA_REQUIRE(aligned.data);
    const Int count = gs.count + bfloat16_gs.count;
    Sizes sizes{nullptr, count};
    Int* start;
    Int length = count * kChunkElements;
    for (Int k = 0; k < count; ++k) length += gs.count > 0 ? gs.items[k].size : bfloat16_gs.items[k].size / 2;
    const Int pieces = length / kChunkElements + count + 1;
    double* sums;
    const Workspace own(part(sizes.items, count), part(start, count + 1), part(sums, pieces));
    if (!own) return kOutOfMemory;
    fill_row(sizes, gs, bfloat16_gs, start);
    for (Int i = 0; i < pieces; ++i) sums[i] = 0;
    for_pieces(sizes, start, [&](Int k, Int begin, Int end, Int piece) {
        const std::uint16_t* const halves =
            gs.count > 0 ? nullptr : reinterpret_cast<const std::uint16_t*>(bfloat16_gs.items[k].data) + begin;
        const T* const wide = gs.count > 0 ? gs.items[k].data + begin : nullptr;
        sums[piece] = static_cast<double>(sum_long<T>(end - begin, [=](Int i, Int part) {
            const Vec<T> d = wide != nullptr ? load(wide + i, part) : load_bfloat16<T>(halves + i, part);
            return d * d;
        }));
    });
    double total = 0;
    for (Int i = 0; i < pieces; ++i) total += sums[i];
    norm.data[0] = T(__builtin_sqrt(total));
    return nullptr;
}

}  // namespace
}  // namespace lamella
