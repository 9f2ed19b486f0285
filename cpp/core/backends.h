// The two ways in which run_parallel gets its threads. Both call the same chunks, so both give the same bits.
#pragma once
#include "core/view.h"

namespace lamella {

// Work cut into chunks of `grain` items.
struct Region {
    Int n, grain;
    void (*body)(const void* context, Int begin, Int end);
    const void* context;

    Int chunks() const { return n / grain + (n % grain != 0); }

    void run(Int first, Int last) const {
        for (Int c = first; c < last; ++c) body(context, c * grain, n - c * grain > grain ? (c + 1) * grain : n);
    }
};

// run: all chunks of the region, by at most so many threads, 2 or more, the caller among them. Returns the number of threads
// that could be had: less than was asked for where the system gives no more. No exceptions.
namespace openmp {
int run(const Region& region, int threads);
// OpenMP's own limit now (OMP_NUM_THREADS, threadpoolctl); 1 inside somebody's parallel region.
int max_threads();
}  // namespace openmp

namespace team {
int run(const Region& region, int threads);
}  // namespace team

}  // namespace lamella
