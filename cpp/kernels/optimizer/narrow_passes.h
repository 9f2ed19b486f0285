// The loop over slots of 8 bits: two passes over each block in L1. The first computes the new slots and half of the step, the
// second the other half, while the slots become codes: their scale depends on all numbers of the block. In one pass a vector of
// AVX2 takes 85 instructions, of which the last waits for the first, and a CPU looks only 256 to 320 instructions ahead.
#pragma once
#include "kernels/optimizer/narrow_pieces.h"

namespace lamella {
namespace {

// One block of a slot of 8 bits: its numbers for a rule, and the new ones, which wait in `uncoded` until the block is complete.
template <class T, bool kSigned>
struct CodedBlock {
    std::uint8_t* data;
    float scale;
    float* uncoded;

    LAMELLA_INLINE CodedBlock(const Slot& slot, Int at, float* uncoded)
        : data(slot.data == nullptr ? nullptr : slot.codes() + at),
          scale(slot.data == nullptr ? 0 : slot.scales()[at / kBlock]),
          uncoded(uncoded) {}
    LAMELLA_INLINE Vec<T> load(Int i, Int part) const {
        return from_floats<T>(Code<kSigned>::decode(data + i, scale, float_part<T>(part)));
    }
    LAMELLA_INLINE void store(Int i, Vec<T> v, Int part, Words& largest) const {
        const Floats x = to_floats<T>(v);
        lamella::store(uncoded + i, x, float_part<T>(part));
        const Floats used = part == 0 ? x : first_lanes<float>(x, part, Floats{});
        // Numbers without a sign are not below 0, and a NaN of any sign is the largest.
        largest = max_words(largest, kSigned ? bits_of(used) & 0x7fffffffu : bits_of(used));
    }
};

// The codes of the first kSlots slots of a block.
template <int kSlots, bool kRandom>
struct Encoder {
    const std::uint16_t* random;
    Codes<true> m;
    Codes<false> v;

    LAMELLA_INLINE void encode(Int i, Int part) const {
        const Words added = kRandom ? load_halves(random + i, 0) << 4 : Words{};
        Words of_m{}, of_v{};  // before the stores: for the compiler these may change what `at` reads
        if constexpr (kSlots > 0) of_m = m.template at<kRandom>(i, part, added);
        if constexpr (kSlots > 1) of_v = v.template at<kRandom>(i, part, added);
        if constexpr (kSlots > 0) store_bytes<float>(m.to + i, reinterpret_cast<Bits<float>>(of_m), part);
        if constexpr (kSlots > 1) store_bytes<float>(v.to + i, reinterpret_cast<Bits<float>>(of_v), part);
    }
    // kPacked full vectors.
    LAMELLA_INLINE void encode_octets(Int i) const {
        Words added[kPacked];
        for (int j = 0; j < kPacked; ++j) added[j] = kRandom ? load_halves(random + i + j * kWords, 0) << 4 : Words{};
        Octets of_m{}, of_v{};
        if constexpr (kSlots > 0) of_m = m.template octets_at<kRandom>(i, added);
        if constexpr (kSlots > 1) of_v = v.template octets_at<kRandom>(i, added);
        if constexpr (kSlots > 0) store_octets(m.to + i, of_m);
        if constexpr (kSlots > 1) store_octets(v.to + i, of_v);
    }
};

template <int kSlots, bool kRandom, class T, class F>
void narrow_passes(const NarrowStep<T>& step, const F& rule) {
    const Narrow<T>& narrow = step.narrow;
    const KeySchedule key = step.key();
    const std::uint64_t offset = step.offset();
    const bool random_params = step.random_params(), finishes = step.finishes();
    for_pieces(step.sizes, step.start, [&](Int k, Int begin, Int end, Int) {
        const T scale = T(narrow.scale);
        const auto counter = static_cast<std::uint64_t>(step.start[k] + begin) / 4;
        // A vector of float64 reads and writes as many of these numbers as one of float32.
        alignas(64) std::uint16_t random[kBlock + kWords], for_params[kBlock + kWords];
        alignas(64) float uncoded[2][kBlock + kWords];
        // What the second pass needs: a number of AdamRule::first, and m, which for float32 is in `uncoded`.
        constexpr bool kOwn = sizeof(T) != sizeof(float);
        alignas(64) T between[kBlock], own_m[kOwn ? kBlock : 1], converted[2][kBlock];
        T *const held = between, *const new_m = kOwn ? own_m : reinterpret_cast<T*>(uncoded[0]);
        RandomStreams of_slots = kRandom ? RandomStreams(key, offset, counter) : RandomStreams();
        RandomStreams of_params = random_params ? RandomStreams(key, offset + 1, counter) : RandomStreams();
        const auto slot = [&](int s) { return Slot{step.slots[s]->items[k].data, step.sizes.items[k].size, 8}; };
        const Slot slots[2] = {slot(0), kSlots > 1 ? slot(1) : Slot{}};
        const F own = rule;  // in registers: that of the caller could be changed by a store
        for (Int at = begin; at < end; at += kBlock) {
            const Int n = smaller(kBlock, end - at);
            const NumbersBlock<T> ps(step.ps, narrow.params, k, at, converted[0], n),
                gs(step.gs, narrow.grads, k, at, converted[1], n);
            T* const p = ps.numbers;
            const T* const g = gs.numbers;
            const CodedBlock<T, true> m(slots[0], at, uncoded[0]);
            const CodedBlock<T, false> v(slots[1], at, uncoded[1]);
            Words largest_m{}, largest_v{};
            for_vectors<T>(0, n, [=, &largest_m, &largest_v](Int i, Int part) __attribute__((always_inline)) {
                Vec<T> x[1 + kSlots];
                x[0] = load(p + i, part);
                x[1] = m.load(i, part);
                if constexpr (kSlots > 1) x[2] = v.load(i, part);
                const Vec<T> h = own.first(uncontracted<T>(load(g + i, part) * scale), x);
                if constexpr (F::kInHalves) {
                    store(held + i, h);
                    if constexpr (kOwn) store(new_m + i, x[1]);
                } else {
                    store(p + i, x[0], part);
                }
                m.store(i, x[1], part, largest_m);
                if constexpr (kSlots > 1) v.store(i, x[2], part, largest_v);
            });
            Encoder<kSlots, kRandom> codes{random, {}, {}};
            slots[0].scales()[at / kBlock] = codes.m.begin(uncoded[0], m.data, largest_m);
            if constexpr (kSlots > 1) slots[1].scales()[at / kBlock] = codes.v.begin(uncoded[1], v.data, largest_v);
            if (kRandom) of_slots.fill(random, n);
            const auto second = [=](Int i, Int part) __attribute__((always_inline)) {
                if constexpr (F::kInHalves) {
                    Vec<T> x[2] = {load(p + i, part), load(new_m + i)};
                    own.second(load(held + i), x);
                    store(p + i, x[0], part);
                }
            };
            if (n == kBlock) {
                const auto now = codes;
                for (Int i = 0; i < kBlock; i += kPacked * kWords) {
#pragma GCC unroll 8
                    for (Int j = i; j < i + kPacked * kWords; j += kLanes<T>) second(j, 0);
                    now.encode_octets(i);
                }
            } else {
                for_vectors<T>(0, n, second);
                for_vectors<float>(0, n, [&](Int i, Int part) { codes.encode(i, part); });
            }
            if (random_params) of_params.fill(for_params, n);
            if (finishes) finish_block<T>(narrow, ps, gs, random_params ? for_params : nullptr, k, at, n);
        }
    });
}

}  // namespace
}  // namespace lamella
