// Kernels use threads only through this header. Work is cut into chunks of `grain` items for any number of threads, so a kernel
// whose chunks are independent gives the same bits for 1..N threads.
#pragma once
#include "core/view.h"

namespace lamella {

// Calls body(context, begin, end) once for each chunk [c*grain, min((c+1)*grain, n)). Neighbouring chunks run on the same
// thread if it is free. Denormals are flushed to zero inside; the caller's setting is restored. Runs serially if there is one
// chunk, inside a parallel region, in every forked child, and if the system gives no threads.
void run_parallel(Int n, Int grain, void (*body)(const void* context, Int begin, Int end), const void* context);

template <class F>
static inline void parallel_for(Int n, Int grain, const F& f) {
    run_parallel(n, grain, [](const void* context, Int begin, Int end) { (*static_cast<const F*>(context))(begin, end); }, &f);
}

// A chunk should be about 20 us of work, about ten times the cost of starting a parallel region.
constexpr Int kChunkElements = 1 << 14;  // streaming kernels: 64 KiB of float
constexpr Int kChunkFlops = 1 << 21;     // matrix products, at 100 GFLOP/s

// The number of threads that a call would use now.
LAMELLA_EXPORT int num_threads();
// n: 1 or more. It is valid until the next call; an OpenMP limit set later (threadpoolctl) lowers it. If the system has refused
// a thread, the next region after this call asks again.
LAMELLA_EXPORT void set_num_threads(int n);

// The thread pools: "team" has lamella's own threads, "openmp" the threads shared with other users of OpenMP. LAMELLA_THREADS
// selects one at the start. select_thread_backend() changes it, and returns false if there is no such name. thread_backend()
// returns nullptr if LAMELLA_THREADS is not one of the names; then everything runs serially.
struct ThreadBackends {
    const char* names[2];
    int count;
};
LAMELLA_EXPORT ThreadBackends thread_backends();
LAMELLA_EXPORT const char* thread_backend();
LAMELLA_EXPORT bool select_thread_backend(const char* name);

// Threads of the program that lamella is a part of. It calls run(work, first, last) for ranges of chunks that together are
// [0, chunks), on threads of its choice, and returns after the last of these calls. set_host_threads(nullptr, nullptr):
// lamella's own threads again. To be set while no kernel runs.
using HostThreads = void (*)(void* context, Int chunks, void (*run)(void* work, Int first, Int last), void* work);
void set_host_threads(HostThreads threads, void* context);

}  // namespace lamella
