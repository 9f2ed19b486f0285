// Optimizers whose parameters, gradients or slots are stored with fewer bits: torch's rules of Adam and SGD, and Lion. Vectors
// are decoded, changed in type T and encoded in registers; only codes of 8 bits, whose scale depends on all numbers of a block,
// wait in L1 until the block is complete. Each array passes once through memory.
#pragma once
#include "kernels/optimizer/storage.h"
#include "kernels/optimizer/torch_rules.inl.h"
#include "kernels/random_streams.h"

namespace lamella {
namespace {

static_assert(kChunkElements % kBlock == 0 && kBlock % RandomStreams::kAtOnce == 0,
              "blocks fill chunks, random numbers blocks");

// The arrays of one call as one row, for for_pieces. Each begins at a multiple of kBlock, so chunks end with blocks.
struct Sizes {
    struct Item {
        Int size;
    };
    Item* items;
    Int count;
};

template <class T>
void fill_row(const Sizes& sizes, const ViewList<T>& wide, const ViewList<std::uint8_t>& narrow, Int* start) {
    start[0] = 0;
    for (Int k = 0; k < sizes.count; ++k) {
        sizes.items[k].size = wide.count > 0 ? wide.items[k].size : narrow.items[k].size / 2;
        start[k + 1] = start[k] + ceil_divide(sizes.items[k].size, kBlock) * kBlock;
    }
}

// Gives the error a text with the word data.
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

// Whether either `wide` or `narrow` has an array for each of the sizes, and the other is empty.
template <class T>
bool has_sizes(const Sizes& sizes, const ViewList<T>& wide, const ViewList<std::uint8_t>& narrow) {
    if (wide.count + narrow.count != sizes.count || (wide.count > 0 && narrow.count > 0)) return false;
    for (Int k = 0; k < sizes.count; ++k) {
        const Int size = sizes.items[k].size;
        if (wide.count > 0 ? wide.items[k].size != size : narrow.items[k].size != 2 * size) return false;
    }
    return true;
}

template <class T>
bool has_slots(const Sizes& sizes, BytesList slots, Int bits) {
    if (slots.count != sizes.count) return false;
    for (Int k = 0; k < sizes.count; ++k) {
        if (slots.items[k].size != Slot{nullptr, sizes.items[k].size, bits}.bytes(sizeof(T))) return false;
    }
    return true;
}

LAMELLA_INLINE std::uint16_t* halves_at(BytesList arrays, Int k, Int at) {
    return reinterpret_cast<std::uint16_t*>(arrays.items[k].data) + at;
}

// Parameters or gradients from some element on: of type T, or as bfloat16.
template <class T>
struct Numbers {
    T* wide;
    std::uint16_t* halves;

    LAMELLA_INLINE Numbers(const ViewList<T>& all, BytesList narrow, Int k, Int at)
        : wide(all.count > 0 ? all.items[k].data + at : nullptr), halves(all.count > 0 ? nullptr : halves_at(narrow, k, at)) {}
    LAMELLA_INLINE Vec<T> load(Int i, Int part) const {
        return wide != nullptr ? lamella::load(wide + i, part) : load_bfloat16<T>(halves + i, part);
    }
    LAMELLA_INLINE void store(Int i, Vec<T> v, const std::uint16_t* random, Int part) const {
        if (wide != nullptr) lamella::store(wide + i, v, part);
        else store_bfloat16<T>(halves + i, v, random == nullptr ? nullptr : random + i, part);
    }
};

// One block of a slot: its numbers for a rule, and their storage.
template <class T, int kBits, bool kSigned>
struct SlotBlock {
    std::uint8_t* data;
    float scale;
    float* room;  // the numbers that become codes of 8 bits

    LAMELLA_INLINE SlotBlock(const Slot& slot, Int at, float* room)
        : data(slot.data == nullptr
                   ? nullptr
                   : (kBits == 8 ? slot.codes() : slot.data) + at * (kBits == 32 ? Int{sizeof(T)} : kBits / 8)),
          scale(kBits == 8 && slot.data != nullptr ? slot.scales()[at / kBlock] : 0),
          room(room) {}
    LAMELLA_INLINE Vec<T> load(Int i, Int part) const {
        if constexpr (kBits == 32) return lamella::load(reinterpret_cast<const T*>(data) + i, part);
        else if constexpr (kBits == 16) return load_bfloat16<T>(reinterpret_cast<const std::uint16_t*>(data) + i, part);
        else return from_floats<T>(Code<kSigned>::decode(data + i, scale, float_part<T>(part)));
    }
    LAMELLA_INLINE void store(Int i, Vec<T> v, const std::uint16_t* random, Int part, Words& largest) const {
        if constexpr (kBits == 32) {
            lamella::store(reinterpret_cast<T*>(data) + i, v, part);
        } else if constexpr (kBits == 16) {
            store_bfloat16<T>(reinterpret_cast<std::uint16_t*>(data) + i, v, random == nullptr ? nullptr : random + i, part);
        } else {
            const Floats x = to_floats<T>(v);
            lamella::store(room + i, x, float_part<T>(part));
            const Floats used = part == 0 ? x : first_lanes<float>(x, part, Floats{});
            largest = max_words(largest, bits_of(used) & 0x7fffffffu);
        }
    }
};

// What the loops over all elements need.
template <class T>
struct NarrowStep {
    List<T> ps, gs;
    const ViewList<std::uint8_t>* const (&slots)[2];
    const Narrow<T>& narrow;
    Sizes sizes;
    const Int* start;
};

// kRandom: whether the slots are rounded at random. The slots of an element share their random number: each is rounded with the
// right mean.
template <int kSlots, int kBits, bool kRandom, class T, class F>
void narrow_pieces(const NarrowStep<T>& step, const F& rule) {
    const Narrow<T>& narrow = step.narrow;
    const KeySchedule key(static_cast<std::uint64_t>(narrow.seed));
    const auto offset = 2 * static_cast<std::uint64_t>(narrow.offset);
    const bool random_params = narrow.stochastic && narrow.params.count > 0;
    for_pieces(step.sizes, step.start, [&](Int k, Int begin, Int end, Int) {
        const T scale = T(narrow.scale);
        const auto first = static_cast<std::uint64_t>(step.start[k] + begin) / 4;
        // A vector of float64 reads as many numbers as one of float32.
        alignas(64) std::uint16_t for_slots[kBlock + kWords], for_params[kBlock + kWords];
        alignas(64) float rooms[2][kBits == 8 ? kBlock : 1];
        RandomStreams of_slots = kRandom ? RandomStreams(key, offset, first) : RandomStreams();
        RandomStreams of_params = random_params ? RandomStreams(key, offset + 1, first) : RandomStreams();
        const std::uint16_t *const slot_bits = kRandom ? for_slots : nullptr, *const param_bits =
                                                                                  random_params ? for_params : nullptr;
        const auto slot = [&](int s) { return Slot{step.slots[s]->items[k].data, step.sizes.items[k].size, kBits}; };
        const Slot slots[2] = {kSlots > 0 ? slot(0) : Slot{}, kSlots > 1 ? slot(1) : Slot{}};
        const bool zero = narrow.zero;
        const F own = rule;  // in registers: that of the caller could be changed by a store
        for (Int at = begin; at < end; at += kBlock) {
            const Int n = smaller(kBlock, end - at);
            const Numbers<T> p(step.ps, narrow.params, k, at), g(step.gs, narrow.grads, k, at);
            const SlotBlock<T, kBits, true> m(slots[0], at, rooms[0]);
            const SlotBlock<T, kBits, false> v(slots[1], at, rooms[1]);
            std::uint16_t* const copies = narrow.copies.count > 0 ? halves_at(narrow.copies, k, at) : nullptr;
            if (kRandom) of_slots.fill(for_slots, n);
            if (random_params) of_params.fill(for_params, n);
            Words largest_m{}, largest_v{};
            for_vectors<T>(0, n, [=, &largest_m, &largest_v](Int i, Int part) __attribute__((always_inline)) {
                Vec<T> x[1 + kSlots];
                x[0] = p.load(i, part);
                if constexpr (kSlots > 0) x[1] = m.load(i, part);
                if constexpr (kSlots > 1) x[2] = v.load(i, part);
                own(uncontracted<T>(g.load(i, part) * scale), x);
                p.store(i, x[0], param_bits, part);
                if constexpr (kSlots > 0) m.store(i, x[1], slot_bits, part, largest_m);
                if constexpr (kSlots > 1) v.store(i, x[2], slot_bits, part, largest_v);
                if (copies != nullptr) store_bfloat16<T>(copies + i, x[0], nullptr, part);
                if (zero) g.store(i, Vec<T>{}, nullptr, part);
            });
            if constexpr (kSlots > 0 && kBits == 8) {
                slots[0].scales()[at / kBlock] = encode_codes<true>(rooms[0], m.data, n, largest_m, slot_bits);
            }
            if constexpr (kSlots > 1 && kBits == 8) {
                slots[1].scales()[at / kBlock] = encode_codes<false>(rooms[1], v.data, n, largest_v, slot_bits);
            }
        }
    });
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
    LAMELLA_REQUIRE(narrow.copies.count == 0 || (ps.count > 0 && has_sizes(sizes, ViewList<T>{nullptr, 0}, narrow.copies)));
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
        if (bits == 8 && narrow.stochastic) narrow_pieces<kSlots, 8, true>(step, rounded);
        if (bits == 8 && !narrow.stochastic) narrow_pieces<kSlots, 8, false>(step, rounded);
    }
    if (bits == 32 || kSlots == 0) narrow_pieces<kSlots, 32, false>(step, rule);
    return nullptr;
}

template <class T>
Status narrow_adam_update(List<T> ps, List<T> gs, BytesList ms, BytesList vs, Real rate, Real root, Real l2, Real kept,
                          const Moments<T>& moments, const Narrow<T>& narrow) {
    // With rounded slots the last bit of a quotient means nothing.
    return for_narrow<2>(ps, gs, {&ms, &vs}, narrow, adam_rule<T>(rate, root, l2, kept, moments),
                         adam_rule<T, Scaling<T>>(rate, root, l2, kept, moments));
}

template <class T>
Status narrow_sgd_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real momentum, Real take, Int nesterov, Real l2,
                         const Narrow<T>& narrow) {
    const auto rule = sgd_rule<T>(lr, momentum, take, nesterov, l2);
    if (ms.count == 0) return for_narrow<0>(ps, gs, {nullptr, nullptr}, narrow, rule, rule);
    return for_narrow<1>(ps, gs, {&ms, nullptr}, narrow, rule, rule);
}

template <class T>
Status narrow_lion_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real kept, Real beta1, Real beta2,
                          const Narrow<T>& narrow) {
    const auto rule = lion_rule<T>(lr, kept, beta1, beta2);
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
    start[0] = 0;
    for (Int k = 0; k < count; ++k) {
        sizes.items[k].size = gs.count > 0 ? gs.items[k].size : bfloat16_gs.items[k].size / 2;
        start[k + 1] = start[k] + ceil_divide(sizes.items[k].size, kBlock) * kBlock;
    }
    for (Int i = 0; i < pieces; ++i) sums[i] = 0;
    for_pieces(sizes, start, [&](Int k, Int begin, Int end, Int piece) {
        double sum = 0;
        for (Int at = begin; at < end; at += kBlock) {
            alignas(64) T room[kBlock];
            const Int n = smaller(kBlock, end - at);
            const T* g = room;
            if (gs.count > 0) g = gs.items[k].data + at;
            else {
                const auto* const halves = reinterpret_cast<const std::uint16_t*>(bfloat16_gs.items[k].data) + at;
                for_vectors<T>(0, n, [&](Int i, Int part) { store(room + i, load_bfloat16<T>(halves + i, part), part); });
            }
            Vec<T> squares{};
            for_vectors<T>(0, n, [&](Int i, Int part) {
                const Vec<T> d = load(g + i, part);
                squares += d * d;
            });
            sum += static_cast<double>(reduce_add<T>(squares));
        }
        sums[piece] = sum;
    });
    double total = 0;
    for (Int i = 0; i < pieces; ++i) total += sums[i];
    norm.data[0] = T(__builtin_sqrt(total));
    return nullptr;
}

}  // namespace
}  // namespace lamella
