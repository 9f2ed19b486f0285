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
#include <string>

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

struct Quota {
    long long microseconds = 0, period = 0;

    // CPUs' worth of time, rounded up; 0 if there is no limit.
    int cpus() const {
        return microseconds > 0 && period > 0 ? static_cast<int>((microseconds + period - 1) / period) : 0;
    }
};

long long read_number(const std::string& path) {
    long long number = 0;
    if (FILE* f = std::fopen(path.c_str(), "r")) {
        if (std::fscanf(f, "%lld", &number) != 1) number = 0;
        std::fclose(f);
    }
    return number;
}

// Version 2 has one file, "max 100000" or "150000 100000"; version 1 has two, and -1 for no limit.
Quota read_quota(const std::string& directory, bool version_2) {
    Quota quota;
    if (!version_2) return {read_number(directory + "/cpu.cfs_quota_us"), read_number(directory + "/cpu.cfs_period_us")};
    if (FILE* f = std::fopen((directory + "/cpu.max").c_str(), "r")) {
        if (std::fscanf(f, "%lld %lld", &quota.microseconds, &quota.period) != 2) quota = {};
        std::fclose(f);
    }
    return quota;
}

// The least quota of the group at `path` and of all above it. A container may see its own group as the root and be told a
// path that is the host's: what is not there does not limit.
int least_quota(const std::string& mount, std::string path, bool version_2) {
    int least = 0;
    for (;;) {
        const int cpus = read_quota(mount + path, version_2).cpus();
        if (cpus > 0) least = least > 0 ? std::min(least, cpus) : cpus;
        const auto slash = path.rfind('/');
        if (slash == std::string::npos) return least;
        path.resize(slash);
    }
}

// What the process's control group grants; 0 if there is no limit. Lines of /proc/self/cgroup: "0::/path" for version 2,
// "4:cpu,cpuacct:/path" for version 1.
int cgroup_quota() {
    int least = 0;
    FILE* f = std::fopen("/proc/self/cgroup", "r");
    if (f == nullptr) return 0;
    char line[4096];
    while (std::fgets(line, sizeof line, f) != nullptr) {
        char* const controllers = std::strchr(line, ':');
        char* const path = controllers != nullptr ? std::strchr(controllers + 1, ':') : nullptr;
        if (path == nullptr) continue;
        *path = '\0';
        path[1 + std::strcspn(path + 1, "\n")] = '\0';
        const std::string names = std::string(controllers) + ',';
        const bool version_2 = names == ":,", has_cpu = names.find(":cpu,") == 0 || names.find(",cpu,") != std::string::npos;
        if (!version_2 && !has_cpu) continue;
        const int cpus = least_quota(version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path + 1, version_2);
        if (cpus > 0) least = least > 0 ? std::min(least, cpus) : cpus;
    }
    std::fclose(f);
    return least;
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
