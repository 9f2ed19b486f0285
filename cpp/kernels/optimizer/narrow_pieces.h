// The loop of optimizers with slots of fewer bits, over blocks of each array. Codes of 8 bits, whose scale depends on all
// numbers of a block, wait in L1 until the block is complete.
#pragma once
#include "kernels/optimizer/lists.h"
#include "kernels/optimizer/storage.h"
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

LAMELLA_INLINE std::uint16_t* halves_at(BytesList arrays, Int k, Int at) {
    return reinterpret_cast<std::uint16_t*>(arrays.items[k].data) + at;
}

// One block of the parameters or gradients as numbers of type T. Those of bfloat16 are converted in `own`, memory for a block:
// the loop of a rule then has no branches for them.
template <class T>
struct NumbersBlock {
    T* numbers;
    std::uint16_t* halves;  // nullptr if they are of type T

    LAMELLA_INLINE NumbersBlock(const ViewList<T>& all, BytesList narrow, Int k, Int at, T* own, Int n)
        : numbers(all.count > 0 ? all.items[k].data + at : own), halves(all.count > 0 ? nullptr : halves_at(narrow, k, at)) {
        if (halves == nullptr) return;
        for_vectors<T>(0, n, [&](Int i, Int part) { store(own + i, load_bfloat16<T>(halves + i, part), part); });
    }
};

// After the loop of a block, in L1: parameters of bfloat16, rounded by `random` or to nearest, copies, and gradients of 0.
// One function for all loops: inlined in each, it would be a third of their code.
template <class T>
[[gnu::noinline]] void finish_block(const Narrow<T>& narrow, const NumbersBlock<T>& ps, const NumbersBlock<T>& gs,
                                    const std::uint16_t* random, Int k, Int at, Int n) {
    const T* const p = ps.numbers;
    if (ps.halves != nullptr) {
        for_vectors<T>(0, n, [=](Int i, Int part) {
            store_bfloat16<T>(ps.halves + i, load(p + i, part), random == nullptr ? nullptr : random + i, part);
        });
    }
    std::uint16_t* const copies = narrow.copies.count > 0 ? halves_at(narrow.copies, k, at) : nullptr;
    T* const zeros = narrow.zero && gs.halves == nullptr ? gs.numbers : nullptr;
    if (copies != nullptr || zeros != nullptr) {
        // In one loop: gcc makes memset of a loop of zeros, and its call for 1 KiB takes about 4 cycles a vector.
        for_vectors<T>(0, n, [=](Int i, Int part) {
            if (copies != nullptr) store_bfloat16<T>(copies + i, load(p + i, part), nullptr, part);
            if (zeros != nullptr) store(zeros + i, Vec<T>{}, part);
        });
    }
    if (narrow.zero && gs.halves != nullptr) std::memset(gs.halves, 0, static_cast<std::size_t>(n) * sizeof *gs.halves);
}

// One block of a slot: its numbers for a rule, and their storage.
template <class T, int kBits, bool kSigned>
struct SlotBlock {
    std::uint8_t* data;
    float scale;
    float* uncoded;  // the numbers that become codes of 8 bits

    LAMELLA_INLINE SlotBlock(const Slot& slot, Int at, float* uncoded)
        : data(slot.data == nullptr
                   ? nullptr
                   : (kBits == 8 ? slot.codes() : slot.data) + at * (kBits == 32 ? Int{sizeof(T)} : kBits / 8)),
          scale(kBits == 8 && slot.data != nullptr ? slot.scales()[at / kBlock] : 0),
          uncoded(uncoded) {}
    LAMELLA_INLINE Vec<T> load(Int i, Int part) const {
        if constexpr (kBits == 32) return lamella::load(reinterpret_cast<const T*>(data) + i, part);
        else if constexpr (kBits == 16) return load_bfloat16<T>(reinterpret_cast<const std::uint16_t*>(data) + i, part);
        else return from_floats<T>(Code<kSigned>::decode(data + i, scale, float_part<T>(part)));
    }
    LAMELLA_INLINE void store(Int i, Vec<T> v, const std::uint16_t* random, Int part, Words& largest) const {
        if constexpr (kBits == 32) {
            lamella::store(reinterpret_cast<T*>(data) + i, v, part);
        } else if constexpr (kBits == 16) {
            store_bfloat16<T, kSigned>(reinterpret_cast<std::uint16_t*>(data) + i, v, random == nullptr ? nullptr : random + i,
                                       part);
        } else {
            const Floats x = to_floats<T>(v);
            lamella::store(uncoded + i, x, float_part<T>(part));
            const Floats used = part == 0 ? x : first_lanes<float>(x, part, Floats{});
            // Numbers without a sign are not below 0, and a NaN of any sign is the largest.
            largest = max_words(largest, kSigned ? bits_of(used) & 0x7fffffffu : bits_of(used));
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

    KeySchedule key() const { return KeySchedule(static_cast<std::uint64_t>(narrow.seed)); }
    std::uint64_t offset() const { return 2 * static_cast<std::uint64_t>(narrow.offset); }  // the next is for the parameters
    bool random_params() const { return narrow.stochastic && narrow.params.count > 0; }
    bool finishes() const { return narrow.params.count > 0 || narrow.copies.count > 0 || narrow.zero; }  // see finish_block
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

// A rule that is not cut into two halves, as AdamRule is: the first half computes all.
template <class T, class F>
struct InOne {
    static constexpr bool kInHalves = false;
    F rule;
    template <int kCount>
    LAMELLA_INLINE Vec<T> first(Vec<T> g, Vec<T> (&x)[kCount]) const {
        rule(g, x);
        return x[0];
    }
    template <int kCount>
    LAMELLA_INLINE void second(Vec<T>, Vec<T> (&)[kCount]) const {}
};

template <class T, class F>
InOne<T, F> in_one(const F& rule) {
    return {rule};
}

// Whether the first half of a vector's step is computed before the second half of the vector before it. With wide slots and
// 16 registers this is slower: too many vectors wait in memory.
template <class T, int kBits>
constexpr bool kAheadOf = sizeof(T) == sizeof(float) && (kBits < 32 || kRegisters > 16);

// kRandom: whether the slots are rounded at random. The slots of an element share their random number: each is rounded with
// the right mean.
template <int kSlots, int kBits, bool kRandom, class T, class F>
void narrow_pieces(const NarrowStep<T>& step, const F& rule) {
    const Narrow<T>& narrow = step.narrow;
    const KeySchedule key = step.key();
    const std::uint64_t offset = step.offset();
    const bool random_params = step.random_params(), finishes = step.finishes();
    for_pieces(step.sizes, step.start, [&](Int k, Int begin, Int end, Int) {
        const T scale = T(narrow.scale);
        const auto counter = static_cast<std::uint64_t>(step.start[k] + begin) / 4;
        // Two of each, for two blocks: while one is computed, the one before it becomes codes. The divider is busy for more
        // than half of the time, and codes do not need it. A vector of float64 reads as many numbers as one of float32.
        alignas(64) std::uint16_t random[2][kBlock + kWords], for_params[kBlock + kWords];
        alignas(64) float uncoded[2][2][kBits == 8 ? kBlock : 1];
        alignas(64) T converted[2][kBlock];
        RandomStreams of_slots = kRandom ? RandomStreams(key, offset, counter) : RandomStreams();
        RandomStreams of_params = random_params ? RandomStreams(key, offset + 1, counter) : RandomStreams();
        const auto slot = [&](int s) { return Slot{step.slots[s]->items[k].data, step.sizes.items[k].size, kBits}; };
        const Slot slots[2] = {kSlots > 0 ? slot(0) : Slot{}, kSlots > 1 ? slot(1) : Slot{}};
        const F own = rule;  // in registers: that of the caller could be changed by a store
        Encoder<kBits == 8 ? kSlots : 0, kRandom> codes{};
        for (Int at = begin; at < end; at += kBlock) {
            const Int n = smaller(kBlock, end - at);
            const int turn = static_cast<int>(at / kBlock % 2);
            const std::uint16_t* const slot_bits = kRandom ? random[turn] : nullptr;
            const NumbersBlock<T> ps(step.ps, narrow.params, k, at, converted[0], n),
                gs(step.gs, narrow.grads, k, at, converted[1], n);
            T* const p = ps.numbers;
            const T* const g = gs.numbers;
            const SlotBlock<T, kBits, true> m(slots[0], at, uncoded[turn][0]);
            const SlotBlock<T, kBits, false> v(slots[1], at, uncoded[turn][1]);
            if (kRandom) of_slots.fill(random[turn], n);
            if (random_params) of_params.fill(for_params, n);
            Words largest_m{}, largest_v{};
            // One vector between the two halves of its step.
            struct Halfway {
                Vec<T> x[1 + kSlots], held;
            };
            const auto first = [=](Int i, Int part) __attribute__((always_inline)) {
                Halfway h;
                h.x[0] = load(p + i, part);
                if constexpr (kSlots > 0) h.x[1] = m.load(i, part);
                if constexpr (kSlots > 1) h.x[2] = v.load(i, part);
                h.held = own.first(uncontracted<T>(load(g + i, part) * scale), h.x);
                return h;
            };
            const auto second = [=, &largest_m, &largest_v](Halfway h, Int i, Int part) __attribute__((always_inline)) {
                static_cast<void>(largest_m), static_cast<void>(largest_v);  // clang: a rule may have fewer slots
                own.second(h.held, h.x);
                store(p + i, h.x[0], part);
                if constexpr (kSlots > 0) m.store(i, h.x[1], slot_bits, part, largest_m);
                if constexpr (kSlots > 1) v.store(i, h.x[2], slot_bits, part, largest_v);
            };
            const bool encodes = kBits == 8 && kSlots > 0 && at > begin;
            const auto before = codes;
            constexpr bool kAhead = kAheadOf<T, kBits>;
            Int i = 0;
            if (kAhead && n == kBlock) {
                Halfway now = first(0, 0);
                for (; i + kLanes<T> < kBlock; i += kLanes<T>) {
                    const Halfway next = first(i + kLanes<T>, 0);
                    if (encodes) before.encode(i, 0);
                    second(now, i, 0);
                    now = next;
                }
                if (encodes) before.encode(i, 0);
                second(now, i, 0);
            } else {
                if (encodes) {
                    for (; i < kBlock; i += kWords) before.encode(i, 0);
                }
                for_vectors<T>(0, n, [&](Int j, Int part) { second(first(j, part), j, part); });
            }
            if (finishes) finish_block<T>(narrow, ps, gs, random_params ? for_params : nullptr, k, at, n);
            if constexpr (kBits == 8) {
                if (kRandom) codes.random = random[turn];
                if constexpr (kSlots > 0) slots[0].scales()[at / kBlock] = codes.m.begin(uncoded[turn][0], m.data, largest_m);
                if constexpr (kSlots > 1) slots[1].scales()[at / kBlock] = codes.v.begin(uncoded[turn][1], v.data, largest_v);
                if (at + kBlock >= end) for_vectors<float>(0, n, [&](Int i, Int part) { codes.encode(i, part); });
            }
        }
    });
}

}  // namespace
}  // namespace lamella
