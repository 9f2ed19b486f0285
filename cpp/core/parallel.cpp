#include "core/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lamella {

const char kOutOfMemory[] = "out of memory";

namespace {

// Sets flush-to-zero for the running thread and restores what was there.
class DenormalGuard {
public:
#if defined(__x86_64__)
    DenormalGuard() : saved_(_mm_getcsr()) {
        constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
        _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero);
    }
    ~DenormalGuard() { _mm_setcsr(saved_); }

private:
    unsigned saved_;
#elif defined(__aarch64__)
    DenormalGuard() {
        constexpr std::uint64_t kFlushToZero = 1u << 24;
        asm volatile("mrs %0, fpcr" : "=r"(saved_));
        asm volatile("msr fpcr, %0" : : "r"(saved_ | kFlushToZero));
    }
    ~DenormalGuard() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

private:
    std::uint64_t saved_;
#endif
};

// CPUs' worth of time that the control group grants, rounded up; 0 if there is no limit.
int cgroup_quota() {
    long long quota = -1, period = 0;
    if (FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {  // v2: "max 100000" or "150000 100000"
        if (std::fscanf(f, "%lld %lld", &quota, &period) != 2) quota = -1;
        std::fclose(f);
    } else {
        if (FILE* g = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
            if (std::fscanf(g, "%lld", &quota) != 1) quota = -1;
            std::fclose(g);
        }
        if (FILE* g = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
            if (std::fscanf(g, "%lld", &period) != 1) period = 0;
            std::fclose(g);
        }
    }
    return quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period) : 0;
}

int machine_limit() {
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                           : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
    const int quota = cgroup_quota();
    if (quota > 0) cpus = std::min(cpus, quota);
    return std::max(cpus, 1);
}

std::atomic<int> chosen{0};        // by set_num_threads; 0: not chosen
std::atomic<int> openmp_then{0};   // OpenMP's own limit at that time
std::atomic<bool> started{false};  // threads exist
// libgomp's pool does not survive fork(): a region in such a child would wait for ever.
std::atomic<bool> orphaned{false};

void mark_child() {
    if (started) orphaned = true;
}

class Scratch {
public:
    ~Scratch() { std::free(data_); }

    void* at_least(Int bytes) {
        if (bytes > bytes_ || data_ == nullptr) {
            const Int rounded = bytes / 4096 * 4096 + 4096;
            std::free(data_);
            data_ = std::aligned_alloc(64, static_cast<std::size_t>(rounded));
            bytes_ = data_ != nullptr ? rounded : 0;
        }
        return data_;
    }

private:
    void* data_ = nullptr;
    Int bytes_ = 0;
};
thread_local Scratch of_call, of_thread;

}  // namespace

int num_threads() {
    if (orphaned || omp_in_parallel()) return 1;
    static const int limit = machine_limit();
    const int openmp = omp_get_max_threads(), wanted = chosen;
    if (wanted == 0) return std::min(limit, openmp);
    return openmp == openmp_then ? wanted : std::min(wanted, openmp);
}

void set_num_threads(int n) {
    openmp_then = omp_get_max_threads();
    chosen = n;
}

void run_parallel(Int n, Int grain, void (*body)(const void*, Int, Int), const void* context) {
    const Int chunks = (n + grain - 1) / grain;
    const Int threads = chunks > 1 ? std::min<Int>(num_threads(), chunks) : 1;
    if (threads <= 1) {
        const DenormalGuard guard;
        for (Int c = 0; c < chunks; ++c) body(context, c * grain, std::min((c + 1) * grain, n));
        return;
    }
    if (!started.exchange(true)) pthread_atfork(nullptr, nullptr, mark_child);
#pragma omp parallel num_threads(static_cast<int>(threads))
    {
        const DenormalGuard guard;
        const Int t = omp_get_thread_num(), team = omp_get_num_threads();
        for (Int c = t * chunks / team; c < (t + 1) * chunks / team; ++c) {
            body(context, c * grain, std::min((c + 1) * grain, n));
        }
    }
}

void* call_scratch(Int bytes) { return of_call.at_least(bytes); }

void* thread_scratch(Int bytes) { return of_thread.at_least(bytes); }

}  // namespace lamella
