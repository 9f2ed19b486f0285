// The loop of optimizers with slots of fewer bits, over blocks of each array. That of slots of 8 bits is in narrow_passes.h.
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
    const auto copied = [=](Int i, Int part) { store_bfloat16<T>(copies + i, load(p + i, part), nullptr, part); };
    // In a register: gcc makes memset of a loop of zeros, and its call for 1 KiB takes about 4 cycles a vector.
    const auto zeroed = [=](Int i, Int part) { store(zeros + i, in_register<T>(Vec<T>{}), part); };
    if (copies != nullptr && zeros != nullptr) {
        for_vectors<T>(0, n, [=](Int i, Int part) { copied(i, part), zeroed(i, part); });
    } else if (copies != nullptr) {
        for_vectors<T>(0, n, copied);
    } else if (zeros != nullptr) {
        for_vectors<T>(0, n, zeroed);
    }
    if (narrow.zero && gs.halves != nullptr) std::memset(gs.halves, 0, static_cast<std::size_t>(n) * sizeof *gs.halves);
}

// One block of a slot of type T or bfloat16: its numbers for a rule, and their storage.
template <class T, int kBits, bool kSigned>
struct SlotBlock {
    std::uint8_t* data;

    LAMELLA_INLINE SlotBlock(const Slot& slot, Int at)
        : data(slot.data == nullptr ? nullptr : slot.data + at * (kBits == 32 ? Int{sizeof(T)} : kBits / 8)) {}
    LAMELLA_INLINE Vec<T> load(Int i, Int part) const {
        if constexpr (kBits == 32) return lamella::load(reinterpret_cast<const T*>(data) + i, part);
        else return load_bfloat16<T>(reinterpret_cast<const std::uint16_t*>(data) + i, part);
    }
    LAMELLA_INLINE void store(Int i, Vec<T> v, const std::uint16_t* random, Int part) const {
        if constexpr (kBits == 32) {
            lamella::store(reinterpret_cast<T*>(data) + i, v, part);
        } else {
            store_bfloat16<T, kSigned>(reinterpret_cast<std::uint16_t*>(data) + i, v, random == nullptr ? nullptr : random + i,
                                       part);
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
        // A vector of float64 reads as many of these numbers as one of float32.
        alignas(64) std::uint16_t random[kBlock + kWords], for_params[kBlock + kWords];
        alignas(64) T converted[2][kBlock];
        RandomStreams of_slots = kRandom ? RandomStreams(key, offset, counter) : RandomStreams();
        RandomStreams of_params = random_params ? RandomStreams(key, offset + 1, counter) : RandomStreams();
        const auto slot = [&](int s) { return Slot{step.slots[s]->items[k].data, step.sizes.items[k].size, kBits}; };
        const Slot slots[2] = {kSlots > 0 ? slot(0) : Slot{}, kSlots > 1 ? slot(1) : Slot{}};
        const F own = rule;  // in registers: that of the caller could be changed by a store
        for (Int at = begin; at < end; at += kBlock) {
            const Int n = smaller(kBlock, end - at);
            const std::uint16_t* const slot_bits = kRandom ? random : nullptr;
            const NumbersBlock<T> ps(step.ps, narrow.params, k, at, converted[0], n),
                gs(step.gs, narrow.grads, k, at, converted[1], n);
            T* const p = ps.numbers;
            const T* const g = gs.numbers;
            const SlotBlock<T, kBits, true> m(slots[0], at);
            const SlotBlock<T, kBits, false> v(slots[1], at);
            if (kRandom) of_slots.fill(random, n);
            if (random_params) of_params.fill(for_params, n);
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
            const auto second = [=](Halfway h, Int i, Int part) __attribute__((always_inline)) {
                own.second(h.held, h.x);
                store(p + i, h.x[0], part);
                if constexpr (kSlots > 0) m.store(i, h.x[1], slot_bits, part);
                if constexpr (kSlots > 1) v.store(i, h.x[2], slot_bits, part);
            };
            constexpr bool kAhead = kAheadOf<T, kBits>;
            Int i = 0;
            if (kAhead && n == kBlock) {
                Halfway now = first(0, 0);
                for (; i + kLanes<T> < kBlock; i += kLanes<T>) {
                    const Halfway next = first(i + kLanes<T>, 0);
                    second(now, i, 0);
                    now = next;
                }
                second(now, i, 0);
            } else {
                for_vectors<T>(0, n, [&](Int j, Int part) { second(first(j, part), j, part); });
            }
            if (finishes) finish_block<T>(narrow, ps, gs, random_params ? for_params : nullptr, k, at, n);
        }
    });
}

}  // namespace
}  // namespace lamella
