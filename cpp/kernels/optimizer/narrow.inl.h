// Optimizers whose parameters, gradients or slots are stored with fewer bits: torch's rules of Adam and SGD, and Lion. A block
// of each array is decoded into L1, changed in type T and encoded: each array passes once through memory.
#pragma once
#include "kernels/optimizer/storage.h"
#include "kernels/optimizer/torch_rules.inl.h"
#include "kernels/philox_block.h"

namespace lamella {
namespace {

static_assert(kChunkElements % kBlock == 0 && kBlock % kBlockWords == 0, "blocks fill chunks, random numbers fill blocks");

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

// `count` random numbers for the elements from position `at` of the row on.
LAMELLA_INLINE void draw(const KeySchedule& key, std::uint64_t offset, Int at, Int count, std::uint32_t* words) {
    for (Int i = 0; i < count; i += kBlockWords) philox_block(key, offset, static_cast<std::uint64_t>(at + i) / 4, words + i);
}

// rule(d, x) as in for_gradients, with x[0] the parameter and then the slots: the first has a sign, a second one has not.
template <int kSlots, class T, class F>
Status for_narrow(List<T> ps, List<T> gs, const ViewList<std::uint8_t>* const (&slots)[2], const Narrow<T>& narrow,
                  const F& rule) {
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

    const KeySchedule key(static_cast<std::uint64_t>(narrow.seed));
    const auto offset = 2 * static_cast<std::uint64_t>(narrow.offset);
    const bool random_slots = narrow.stochastic && kSlots > 0 && bits < 32;
    const bool random_params = narrow.stochastic && narrow.params.count > 0;
    for_pieces(sizes, start, [&](Int k, Int begin, Int end, Int) {
        const T scale = T(narrow.scale);
        for (Int at = begin; at < end; at += kBlock) {
            const Int n = smaller(kBlock, end - at);
            alignas(64) T room[2 + kSlots][kBlock];
            alignas(64) std::uint32_t words[kBlock];
            T* x[1 + kSlots];
            const T* g = room[1 + kSlots];
            x[0] = ps.count > 0 ? ps.items[k].data + at : room[0];
            if (ps.count == 0) decode_bfloat16(halves_at(narrow.params, k, at), room[0], n);
            if (gs.count > 0) g = gs.items[k].data + at;
            else decode_bfloat16(halves_at(narrow.grads, k, at), room[1 + kSlots], n);
            const auto slot = [&](int s) { return Slot{slots[s]->items[k].data, sizes.items[k].size, bits}; };
            if constexpr (kSlots > 0) x[1] = opened<true>(slot(0), at, n, room[1]);
            if constexpr (kSlots > 1) x[2] = opened<false>(slot(1), at, n, room[2]);

            for_vectors<T>(0, n, [=](Int i, Int part) {
                Vec<T> v[1 + kSlots];
                for (int s = 0; s <= kSlots; ++s) v[s] = load(x[s] + i, part);
                rule(uncontracted<T>(load(g + i, part) * scale), v);
                for (int s = 0; s <= kSlots; ++s) store(x[s] + i, v[s], part);
            });

            if (random_slots) draw(key, offset, start[k] + at, n, words);
            const std::uint32_t* const for_slots = random_slots ? words : nullptr;
            if constexpr (kSlots > 0) close<true>(slot(0), at, n, x[1], for_slots, 0);
            if constexpr (kSlots > 1) close<false>(slot(1), at, n, x[2], for_slots, 16);
            if (random_params) draw(key, offset + 1, start[k] + at, n, words);
            if (ps.count == 0) encode_bfloat16(x[0], halves_at(narrow.params, k, at), n, random_params ? words : nullptr, 0);
            if (narrow.copies.count > 0) encode_bfloat16(x[0], halves_at(narrow.copies, k, at), n, nullptr, 0);
            if (narrow.zero) {
                if (gs.count > 0) std::memset(gs.items[k].data + at, 0, static_cast<std::size_t>(n) * sizeof(T));
                else std::memset(halves_at(narrow.grads, k, at), 0, static_cast<std::size_t>(n) * 2);
            }
        }
    });
    return nullptr;
}

template <class T>
Status narrow_adam_update(List<T> ps, List<T> gs, BytesList ms, BytesList vs, Real rate, Real root, Real l2, Real kept,
                          const Moments<T>& moments, const Narrow<T>& narrow) {
    return for_narrow<2>(ps, gs, {&ms, &vs}, narrow, adam_rule<T>(rate, root, l2, kept, moments));
}

template <class T>
Status narrow_sgd_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real momentum, Real take, Int nesterov, Real l2,
                         const Narrow<T>& narrow) {
    const auto rule = sgd_rule<T>(lr, momentum, take, nesterov, l2);
    if (ms.count == 0) return for_narrow<0>(ps, gs, {nullptr, nullptr}, narrow, rule);
    return for_narrow<1>(ps, gs, {&ms, nullptr}, narrow, rule);
}

template <class T>
Status narrow_lion_update(List<T> ps, List<T> gs, BytesList ms, Real lr, Real kept, Real beta1, Real beta2,
                          const Narrow<T>& narrow) {
    return for_narrow<1>(ps, gs, {&ms, nullptr}, narrow, lion_rule<T>(lr, kept, beta1, beta2));
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
            else decode_bfloat16(reinterpret_cast<const std::uint16_t*>(bfloat16_gs.items[k].data) + at, room, n);
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
