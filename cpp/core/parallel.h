// The only door to threads. Work is cut into chunks of `grain` items, whatever the number of threads, so a kernel
// whose chunks are independent gives the same bits for 1..N threads.
#pragma once
#include "core/view.h"

namespace lamella {

// Calls body(context, begin, end) once for each chunk [c*grain, min((c+1)*grain, n)). Neighbouring chunks go to one
// thread where it is free. Denormals are flushed to zero inside and the caller's setting is restored. Serial if there is one
// chunk, inside a parallel region, in every forked child, and where the system gives no threads.
void run_parallel(Int n, Int grain, void (*body)(const void* context, Int begin, Int end), const void* context);

template <class F>
static inline void parallel_for(Int n, Int grain, const F& f) {
    run_parallel(n, grain, [](const void* context, Int begin, Int end) { (*static_cast<const F*>(context))(begin, end); }, &f);
}

// A chunk should be about 20 us of work, some ten times what starting a parallel region costs.
constexpr Int kChunkElements = 1 << 14;  // streaming kernels: 64 KiB of float
constexpr Int kChunkFlops = 1 << 21;     // multiply kernels, at 100 GFLOP/s

// The number of threads that a call would use now.
LAMELLA_EXPORT int num_threads();
// 1 or more. Holds until the next call; an OpenMP limit set after it (threadpoolctl) still lowers it. Where the system has
// refused a thread, this lets the next region ask again.
LAMELLA_EXPORT void set_num_threads(int n);

// Where threads come from: "team", our own, or "openmp", shared with others who use it. LAMELLA_THREADS names the one in use
// from the start; select_thread_backend() changes it, false if there is none of this name.
// thread_backend: nullptr if LAMELLA_THREADS names none; then all runs serially.
struct ThreadBackends {
    const char* names[2];
    int count;
};
LAMELLA_EXPORT ThreadBackends thread_backends();
LAMELLA_EXPORT const char* thread_backend();
LAMELLA_EXPORT bool select_thread_backend(const char* name);

}  // namespace lamella
