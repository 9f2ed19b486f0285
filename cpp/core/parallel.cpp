#include "core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "core/backends.h"
#include "core/cpu_limit.h"
#include "core/denormals.h"

namespace lamella {

const char kOutOfMemory[] = "out of memory";

namespace {

struct Backend {
    const char* name;
    int (*run)(const Region& region, int threads);
};
// The first is the default; ARCHITECTURE.md says why.
#if LAMELLA_OPENMP
constexpr Backend kBackends[] = {{"team", team::run}, {"openmp", openmp::run}};
#else
constexpr Backend kBackends[] = {{"team", team::run}};
#endif

const Backend* find(const char* name) {
    for (const Backend& backend : kBackends) {
        if (std::strcmp(backend.name, name) == 0) return &backend;
    }
    return nullptr;
}

const Backend* first_choice() {
    const char* const wanted = std::getenv("LAMELLA_THREADS");
    return wanted != nullptr && *wanted != '\0' ? find(wanted) : kBackends;
}

std::atomic<const Backend*> backend{first_choice()};
std::atomic<int> chosen{0};           // by set_num_threads; 0: not chosen
std::atomic<int> openmp_then{0};      // OpenMP's limit at that time
std::atomic<int> available{INT_MAX};  // the most threads that the system gave
// No thread survives a fork, and no backend can start again in the child: libgomp, which another library may have used before,
// would wait for its old threads forever. So every child of a fork after this is loaded is marked. If the handler cannot be
// registered (no memory), a child would not be recognized: parent and child run serially.
std::atomic<bool> serial{pthread_atfork(nullptr, nullptr, [] { serial = true; }) != 0};

std::atomic<HostThreads> host_threads{nullptr};
std::atomic<void*> host_context{nullptr};
thread_local bool on_host_thread = false;

// A range of chunks on a thread of the host. A kernel that is called inside runs serially, as in the other regions.
void run_on_host(void* work, Int first, Int last) {
    const DenormalGuard guard;
    const bool before = on_host_thread;
    on_host_thread = true;
    static_cast<const Region*>(work)->run(first, last);
    on_host_thread = before;
}

}  // namespace

void set_host_threads(HostThreads threads, void* context) {
    host_context = context;
    host_threads = threads;
}

int num_threads() {
    if (serial || backend == nullptr) return 1;
    const int openmp = openmp::max_threads(), wanted = chosen;
    const int allowed = wanted == 0 ? std::min(cpu_limit(), openmp) : openmp == openmp_then ? wanted : std::min(wanted, openmp);
    return std::min<int>(allowed, available);
}

void set_num_threads(int n) {
    openmp_then = openmp::max_threads();
    chosen = n;
    available = INT_MAX;
}

ThreadBackends thread_backends() {
    ThreadBackends backends{{}, 0};
    for (const Backend& each : kBackends) backends.names[backends.count++] = each.name;
    return backends;
}

const char* thread_backend() {
    const Backend* const now = backend;
    return now != nullptr ? now->name : nullptr;
}

bool select_thread_backend(const char* name) {
    const Backend* const found = find(name);
    if (found != nullptr) backend = found;
    return found != nullptr;
}

void run_parallel(Int n, Int grain, void (*body)(const void*, Int, Int), const void* context) {
    const DenormalGuard guard;
    const Region region{n, grain, body, context};
    const Int chunks = region.chunks();
    const HostThreads host = host_threads.load(std::memory_order_acquire);
    if (host != nullptr && chunks > 1 && chosen != 1 && !on_host_thread && !serial) {
        host(host_context, chunks, run_on_host, const_cast<Region*>(&region));
        return;
    }
    const Int threads = chunks > 1 ? std::min<Int>(num_threads(), chunks) : 1;
    if (threads <= 1) {
        region.run(0, chunks);
        return;
    }
    const int had = backend.load()->run(region, static_cast<int>(threads));
    if (had < threads) available = had;
}

}  // namespace lamella
