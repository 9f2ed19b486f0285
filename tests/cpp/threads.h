// The two thread pools of parallel_for: each chunk runs once for any callers, and denormals are flushed in every chunk.
#pragma once
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "harness.h"

namespace checks {

// Counts how often each of n items was visited.
struct Visits {
    std::vector<std::atomic<int>> of;
    explicit Visits(Int n) : of(static_cast<std::size_t>(n)) {}

    void add(Int begin, Int end) {
        for (Int i = begin; i < end; ++i) ++of[static_cast<std::size_t>(i)];
    }
    bool once_each() const {
        for (const auto& count : of) {
            if (count != 1) return false;
        }
        return true;
    }
};

inline bool each_item_once(Int n, Int grain) {
    Visits visits(n);
    std::atomic<bool> cut_right{true};
    lamella::parallel_for(n, grain, [&](Int begin, Int end) {
        if (begin % grain != 0 || end != std::min(begin + grain, n)) cut_right = false;
        visits.add(begin, end);
    });
    return cut_right && visits.once_each();
}

inline bool nested(Int outer, Int inner) {
    Visits visits(outer * inner);
    lamella::parallel_for(outer, 1, [&](Int o, Int) {
        lamella::parallel_for(inner, 3, [&](Int begin, Int end) { visits.add(o * inner + begin, o * inner + end); });
    });
    return visits.once_each();
}

// Runs regions of many sizes from several threads of the program at the same time.
inline bool callers_at_once(int callers, int regions) {
    std::atomic<bool> right{true};
    std::vector<std::thread> threads;
    for (int t = 0; t < callers; ++t) {
        threads.emplace_back([&, t] {
            for (int r = 0; r < regions; ++r) {
                if (!each_item_once(1 + (r * 7 + t) % 40, 1 + r % 3)) right = false;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    return right;
}

// Whether a denormal product is flushed to 0.
inline bool flushes() {
    volatile double small = std::numeric_limits<double>::min();
    return small * 0.5 == 0.0;
}

inline bool denormals_are_flushed_inside_only() {
    std::atomic<int> flushed{0};
    lamella::parallel_for(64, 1, [&](Int, Int) { flushed += flushes(); });
    return flushed == 64 && !flushes();
}

inline void check_backends(Count& check) {
    const lamella::ThreadBackends backends = lamella::thread_backends();
    const std::string before = lamella::thread_backend();
    check(!lamella::select_thread_backend("neither"), "an unknown backend is refused");
    for (int b = 0; b < backends.count; ++b) {
        const std::string name = backends.names[b];
#if defined(__SANITIZE_THREAD__)
        if (name == "openmp") continue;  // libgomp waits by system calls that the sanitizer does not see
#endif
        check(lamella::select_thread_backend(backends.names[b]) && lamella::thread_backend() == name, name + " is selected");
        for (const int threads : {1, 2, 3, 8, 2, 5}) {
            lamella::set_num_threads(threads);
            for (const Int n : {0, 1, 2, 7, 64, 1000}) {
                for (const Int grain : {1, 3, 64})
                    check(each_item_once(n, grain), name + ": n, grain " + std::to_string(n) + " " + std::to_string(grain));
            }
            check(nested(5, 20), name + ": nested");
            check(callers_at_once(4, 50), name + ": callers at once");
            check(denormals_are_flushed_inside_only(), name + ": denormals");
        }
    }
    lamella::select_thread_backend(before.c_str());
    lamella::set_num_threads(1);
}

}  // namespace checks
