// The memory pool: no two arrays share a byte, also if several threads allocate, and the counts are right.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "core/pool.h"
#include "harness.h"

namespace checks {

namespace pool = lamella::pool;

// An array of the pool that is filled with its own pattern.
struct Patterned {
    unsigned char* data = nullptr;
    std::size_t bytes = 0;
    unsigned char seed = 0;

    unsigned char at(std::size_t i) const { return static_cast<unsigned char>(seed + i * 7 + (i >> 8)); }
    void fill() {
        for (std::size_t i = 0; i < bytes; ++i) data[i] = at(i);
    }
    bool holds(std::size_t first_bytes) const {
        for (std::size_t i = 0; i < std::min(bytes, first_bytes); ++i) {
            if (data[i] != at(i)) return false;
        }
        return true;
    }
};

inline std::uint64_t next_random(std::uint64_t& state) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

// Allocates, grows, shrinks and releases at random. Arrays pass through `shared`, so that one thread releases the arrays of
// another.
inline bool keeps_patterns(std::uint64_t seed, int turns, std::vector<Patterned>& shared, std::mutex& mutex) {
    std::vector<Patterned> own;
    bool right = true;
    const auto release = [&](Patterned& array) {
        right = right && array.holds(array.bytes);
        pool::release(array.data);
    };
    for (int turn = 0; turn < turns; ++turn) {
        const std::size_t sizes[] = {1,      100,     30'000, pool::kLeastBytes - 1, pool::kLeastBytes, 40'000,
                                     65'536, 200'000, 1 << 20};
        const std::size_t bytes = sizes[next_random(seed) % 9] + next_random(seed) % 1000;
        const std::uint64_t choice = next_random(seed) % 8;
        if (choice < 4 || own.empty()) {
            const bool zeros = choice == 0;
            Patterned array{static_cast<unsigned char*>(zeros ? pool::allocate_zeros(bytes) : pool::allocate(bytes)), bytes,
                            static_cast<unsigned char>(next_random(seed))};
            right = right && array.data != nullptr && reinterpret_cast<std::uintptr_t>(array.data) % 16 == 0;
            if (bytes >= pool::kLeastBytes) right = right && reinterpret_cast<std::uintptr_t>(array.data) % 64 == 0;
            for (std::size_t i = 0; zeros && i < bytes; ++i) right = right && array.data[i] == 0;
            array.fill();
            own.push_back(array);
            continue;
        }
        Patterned& array = own[next_random(seed) % own.size()];
        if (choice == 4) {
            array.data = static_cast<unsigned char*>(pool::reallocate(array.data, bytes));
            right = right && array.data != nullptr && array.holds(bytes);
            array.bytes = bytes;
            array.fill();
        } else if (choice == 5) {
            const std::lock_guard<std::mutex> lock(mutex);
            shared.push_back(array);
            array = shared.front();
            shared.erase(shared.begin());
        } else {
            release(array);
            array = own.back();
            own.pop_back();
        }
        if (turn % 16 == 8) pool::offer();
        if (turn % 64 == 0) pool::empty();
    }
    for (Patterned& array : own) release(array);
    return right;
}

inline bool child_works() {
    const pid_t child = fork();
    if (child == 0) {
        std::vector<Patterned> shared;
        std::mutex mutex;
        const bool right = keeps_patterns(9, 500, shared, mutex) && shared.empty();
        _exit(right ? 0 : 1);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

inline void check_pool(Count& check) {
    pool::empty();
    check(pool::counts().in_use == 0 && pool::counts().free == 0, "empty to begin with");
    check(pool::allocate(std::size_t{1} << 60) == nullptr, "more than the address space");
    pool::release(nullptr);

    // The same sizes again get the same memory, and nothing from the system.
    const std::size_t sizes[] = {40'000, 1 << 20, 65'536, 40'000, 300'000};
    std::vector<void*> first, again;
    for (std::vector<void*>* arrays : {&first, &again}) {
        const pool::Counts before = pool::counts();
        for (const std::size_t bytes : sizes) {
            arrays->push_back(pool::allocate(bytes));
            std::memset(arrays->back(), 1, bytes);
        }
        const pool::Counts then = pool::counts();
        check(then.arrays - before.arrays == 5 && then.fresh - before.fresh == (arrays == &first ? 5 : 0), "fresh arrays");
        check(then.in_use >= 1'493'000 && then.in_use < 1'495'000, "bytes in use");
        for (void* array : *arrays) pool::release(array);
        check(pool::counts().in_use == 0 && pool::counts().free == then.in_use, "all that was released is free");
    }
    check(first == again, "the same blocks again");

    // Arrays of a power of two begin in different lines of a page.
    void* const one = pool::allocate(1 << 16);
    void* const two = pool::allocate(1 << 16);
    check((reinterpret_cast<std::uintptr_t>(one) - reinterpret_cast<std::uintptr_t>(two)) % 4096 != 0, "starts are spread");
    pool::release(one);

    // An emptied pool returns free memory at once, and memory in use when it is released.
    check(pool::empty() > 0 && pool::counts().free == 0, "emptied");
    pool::release(two);
    check(pool::counts().free == 0 && pool::counts().in_use == 0, "released after it was emptied");

    pool::set_limit(100'000);
    void* const small = pool::allocate(50'000);
    void* const large = pool::allocate(500'000);
    pool::release(small);
    check(pool::counts().free >= 50'000, "below the limit");
    pool::release(large);
    check(pool::counts().free == 0, "above the limit");
    pool::set_limit(pool::kNoLimit);
    check(pool::limit() == pool::kNoLimit, "the limit is read");

    std::vector<Patterned> shared;
    std::mutex mutex;
    std::atomic<bool> right{true};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            if (!keeps_patterns(t + 1, 2000, shared, mutex)) right = false;
        });
    }
#if !defined(__SANITIZE_THREAD__)  // the sanitizer does not support a forked child of a process with threads
    check(child_works(), "a child that is forked while threads allocate");
#endif
    for (std::thread& thread : threads) thread.join();
    for (Patterned& array : shared) {
        if (!array.holds(array.bytes)) right = false;
        pool::release(array.data);
    }
    check(right, "arrays of four threads keep what is written to them");
    pool::empty();
    check(pool::counts().in_use == 0 && pool::counts().free == 0, "empty in the end");
}

}  // namespace checks
