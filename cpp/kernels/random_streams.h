// xoshiro128++ (Blackman & Vigna, ACM TOMS 47, 2021) in 16 streams whose states come from Philox: for many random bits at once.
// A vector of them takes 8 to 10 instructions, one of Philox4x32-10 about 60. There are 16 streams for any width of a vector,
// so the numbers are the same on all targets.
#pragma once
#include "kernels/philox_block.h"
#include "simd/narrow.h"

namespace lamella {
namespace {

struct RandomStreams {
    static constexpr int kStreams = 16, kVectors = kStreams / kWords;
    // 16-bit numbers of one word of each stream.
    static constexpr Int kAtOnce = 2 * kStreams;

    Words state[4][kVectors];

    RandomStreams() = default;
    // The states are the 64 words of Philox from counter (offset, first) on: word i of stream s is word 16*i + s.
    LAMELLA_INLINE RandomStreams(const KeySchedule& key, std::uint64_t offset, std::uint64_t first) {
        alignas(64) std::uint32_t words[4 * kStreams];
        for (int i = 0; i < 4 * kStreams; i += kBlockWords) {
            philox_block(key, offset, first + static_cast<std::uint64_t>(i / 4), words + i);
        }
        std::memcpy(state, words, sizeof state);
    }

    // The next numbers of 16 bits: of each word of the streams, in turn, the low half and the high one. Writes `count` of them,
    // rounded up to a multiple of kAtOnce.
    LAMELLA_INLINE void fill(std::uint16_t* to, Int count) {
        Words s[4][kVectors];
        std::memcpy(s, state, sizeof s);
        for (Int i = 0; i < count; i += kAtOnce) {
#pragma GCC unroll 4  // a vector waits for the one before it: the others fill the time
            for (int v = 0; v < kVectors; ++v) {
                const Words sum = s[0][v] + s[3][v], next = rotated<7>(sum) + s[0][v], shifted = s[1][v] << 9;
                std::memcpy(to + i + v * 2 * kWords, &next, sizeof next);
                const Words last = s[3][v] ^ s[1][v];
                s[1][v] = xor_of(s[1][v], s[2][v], s[0][v]);
                s[2][v] = xor_of(shifted, s[2][v], s[0][v]);
                s[0][v] ^= last;
                s[3][v] = rotated<11>(last);
            }
        }
        std::memcpy(state, s, sizeof s);
    }

private:
    template <int kBy>
    LAMELLA_INLINE static Words rotated(Words w) {
        return w << kBy | w >> (32 - kBy);
    }
};

}  // namespace
}  // namespace lamella
