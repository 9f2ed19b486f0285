// Dropout.
#pragma once
#include "kernels/philox_block.h"

namespace lamella {
namespace {

template <class T>
Status dropout(In<T> x, Real rate, Int seed, Int offset, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(rate >= 0 && rate < 1);
    using Word = typename VecTypes<T>::Word;
    static_assert(kChunkElements % kBlockWords == 0 && kBlockWords % kLanes<T> == 0, "blocks fill chunks");
    // Words are compared as signed integers with T's width: for float32 the sign bit is inverted, float64 has enough bits.
    const auto word_at_rate = static_cast<std::uint32_t>(rate * 4294967296.0);
    const Word threshold = sizeof(T) == 4 ? static_cast<Word>(word_at_rate ^ 1u << 31) : static_cast<Word>(word_at_rate);
    const KeySchedule key(static_cast<std::uint64_t>(seed));
    parallel_for(x.size, kChunkElements, [&](Int begin, Int end) {
        const T scale = T(1 / (1 - rate));
        const Word least = threshold;
        for (Int at = begin; at < end; at += kBlockWords) {
            alignas(LAMELLA_VECTOR_BYTES) std::uint32_t words[kBlockWords];
            philox_block(key, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(at) / 4, words);
            const T* from = x.data + at;
            T* to = y.data + at;
            const auto keep = [=, &words](Int i, Int part) {
                const Bits<T> word = load_words<T>(words + i);
                store(to + i, word >= least ? load(from + i, part) * scale : Vec<T>{}, part);
            };
            if (end - at >= kBlockWords) {
#pragma GCC unroll 16
                for (Int i = 0; i < kBlockWords; i += kLanes<T>) keep(i, 0);
            } else {
                for_vectors<T>(0, end - at, keep);
            }
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
