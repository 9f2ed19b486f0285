// The two thread pools of run_parallel. Both run the same chunks, so both give the same bits.
#pragma once
#include "core/view.h"

namespace lamella {

// Work that is cut into chunks of `grain` items.
struct Region {
    Int n, grain;
    void (*body)(const void* context, Int begin, Int end);
    const void* context;

    Int chunks() const { return n / grain + (n % grain != 0); }

    void run(Int first, Int last) const {
        for (Int c = first; c < last; ++c) body(context, c * grain, n - c * grain > grain ? (c + 1) * grain : n);
    }
};

// run: runs all chunks of the region on at most `threads` threads, 2 or more, including the caller. Returns the number of
// threads that it could use: less than `threads` if the system gives no more. Throws no exceptions.
namespace openmp {
// Only where lamella is compiled with OpenMP.
int run(const Region& region, int threads);
// OpenMP's present limit (OMP_NUM_THREADS, threadpoolctl); 1 inside any parallel region of OpenMP. Without OpenMP it is
// OMP_NUM_THREADS alone.
int max_threads();
}  // namespace openmp

namespace team {
int run(const Region& region, int threads);
}  // namespace team

}  // namespace lamella
