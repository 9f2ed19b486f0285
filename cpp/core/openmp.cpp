// OpenMP's threads, which lamella shares with the other users of the same runtime in the process.
#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <cstdint>

#include "core/backends.h"
#include "core/denormals.h"

namespace lamella::openmp {
namespace {

// Starts `threads` threads that exist at the same time: each starts the next one and waits for it. Returns nullptr if all could
// start, otherwise another pointer.
void* start_each(void* threads) {
    const auto rest = reinterpret_cast<std::intptr_t>(threads) - 1;
    if (rest < 0) return nullptr;
    pthread_t next;
    void* failed = nullptr;
    if (pthread_create(&next, nullptr, start_each, reinterpret_cast<void*>(rest)) != 0) return threads;
    pthread_join(next, &failed);
    return failed;
}

}  // namespace

int max_threads() { return omp_in_parallel() ? 1 : omp_get_max_threads(); }

int run(const Region& region, int threads) {
    // If the system refuses a thread (limits of address space and of processes), libgomp ends the process. So this first tries
    // whether threads can start, for each calling thread, because libgomp has a pool for each.
    thread_local int tried = 1;
    const Int chunks = region.chunks();
    if (threads > tried) {
        if (start_each(reinterpret_cast<void*>(std::intptr_t{threads} - 1)) != nullptr) {
            region.run(0, chunks);
            return 1;
        }
        tried = threads;
    }
#pragma omp parallel num_threads(threads)
    {
        const DenormalGuard guard;
        // A thread gets neighbouring chunks, the same in every call, so that a kernel finds data of the previous one in the
        // cache.
        const Int t = omp_get_thread_num(), team = omp_get_num_threads();
        region.run(t * chunks / team, (t + 1) * chunks / team);
    }
    return threads;
}

}  // namespace lamella::openmp
