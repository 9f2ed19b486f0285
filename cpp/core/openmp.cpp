// OpenMP's threads, which the process shares with whoever else uses the same runtime.
#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <cstdint>

#include "core/backends.h"
#include "core/denormals.h"

namespace lamella::openmp {
namespace {

// So many threads that are all there at once, as each starts the next one and waits for it; nullptr if all could start, else
// something else.
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
    // Where the system refuses a thread (limits of address space and of processes), libgomp ends the process: so threads are
    // tried before. It keeps a pool for each thread that calls it.
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
        // Neighbouring chunks go to one thread, the same ones in every call: a kernel finds in its cache what the one before
        // left there.
        const Int t = omp_get_thread_num(), team = omp_get_num_threads();
        region.run(t * chunks / team, (t + 1) * chunks / team);
    }
    return threads;
}

}  // namespace lamella::openmp
