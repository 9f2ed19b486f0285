// lamella's own threads: one team for the process; the caller is member 0. A member that the system does not schedule delays
// nobody: the others take its chunks, and the caller waits only for chunks that a member has begun.
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <atomic>

#include "core/backends.h"
#include "core/cpu_limit.h"
#include "core/denormals.h"
#include "core/sleep.h"

namespace lamella::team {
namespace {

// More than the CPUs of any known machine.
constexpr int kMostMembers = 1024;
// Chunks are counted in 32 bits. More chunks, at 20 us each, would take half a day.
constexpr Int kMostChunks = Int{1} << 31;
// An idle thread spins for this time before it sleeps: longer than the gaps between the kernels of a training step. In longer
// gaps other programs can use the CPU.
constexpr std::int64_t kSpin = 30'000;  // ns
// A thread that slept and was called within this time after its last work then spins for this time, because a wake-up costs
// about 5 us. When no call comes within this time, it spins for kSpin again.
constexpr std::int64_t kLongSpin = 150'000;  // ns

// The values of a member's `call`.
enum : std::uint32_t { kIdle, kAsleep, kCalled };
// A bit of `open`: the caller sleeps. The lower bits count the chunks that are not done.
constexpr std::uint32_t kCallerSleeps = std::uint32_t{1} << 31;

// Aligned to two cache lines, because CPUs fetch them in pairs.
struct alignas(128) Member {
    // The chunks of this member that nobody has claimed: the first one in the lower half, the end in the upper half. The member
    // claims from the front, the others from the back. So on an idle machine it gets the same chunks in every call and finds
    // its data in its cache.
    std::atomic<std::uint64_t> unclaimed;
    Word call;
};

// Never destroyed: threads may work while the process exits.
Member members[kMostMembers];
alignas(128) std::atomic<bool> taken;  // a caller uses the team
std::atomic<int> size;                 // number of members without the caller
Region region;                         // written only while no chunk is open
alignas(128) Word open;

std::int64_t now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    asm volatile("yield");
#endif
}

// Spins until ready() is true; false if it was not true within `time`.
template <class F>
bool spin_until(const F& ready, std::int64_t time) {
    if (ready()) return true;
    // With more threads than CPUs a spinning thread would take CPU time from the others.
    if (size.load(std::memory_order_relaxed) >= cpu_limit()) return false;
    const std::int64_t end = now() + time;
    do {
        for (int i = 0; i < 16; ++i) {
            pause();
            if (ready()) return true;
        }
    } while (now() < end);
    return false;
}

// Claims one chunk of the member; -1 if all are claimed. A thread that claims a chunk sees the region of this chunk, even if it
// was called for an earlier region: the region cannot end before the chunk is done.
template <class Take>
Int claim(Member& of, const Take& take) {
    std::uint64_t before = of.unclaimed.load(std::memory_order_relaxed);
    for (;;) {
        const std::uint64_t first = before & 0xffff'ffff, end = before >> 32;
        if (first >= end) return -1;
        const auto [chunk, after] = take(first, end);
        if (of.unclaimed.compare_exchange_weak(before, after, std::memory_order_acquire, std::memory_order_relaxed)) {
            return static_cast<Int>(chunk);
        }
    }
}

struct Claim {
    std::uint64_t chunk, after;
};
Claim first_one(std::uint64_t first, std::uint64_t end) { return {first, end << 32 | (first + 1)}; }
Claim last_one(std::uint64_t first, std::uint64_t end) { return {end - 1, (end - 1) << 32 | first}; }

void do_chunk(Int chunk) {
    region.run(chunk, chunk + 1);
    if (open.fetch_sub(1, std::memory_order_acq_rel) == kCallerSleeps + 1) wake(open);
}

// Runs the member's own chunks, then chunks that the others have not begun.
void work(int self) {
    for (Int c; (c = claim(members[self], first_one)) >= 0;) do_chunk(c);
    const int all = size.load(std::memory_order_relaxed) + 1;
    for (int i = 1; i < all; ++i) {
        Member& other = members[(self + i) % all];
        for (Int c; (c = claim(other, last_one)) >= 0;) do_chunk(c);
    }
}

void name_this_thread() {
#if defined(__APPLE__)
    pthread_setname_np("lamella");
#else
    pthread_setname_np(pthread_self(), "lamella");
#endif
}

void* live(void* number) {
    name_this_thread();
    const DenormalGuard guard;
    const int self = static_cast<int>(reinterpret_cast<std::intptr_t>(number));
    Word& call = members[self].call;
    const auto called = [&] { return call.load(std::memory_order_relaxed) == kCalled; };
    std::int64_t spin = kSpin;
    for (;;) {
        if (!spin_until(called, spin)) {
            const std::int64_t asleep = now();
            std::uint32_t idle = kIdle;
            if (call.compare_exchange_strong(idle, kAsleep, std::memory_order_relaxed)) {
                while (!called()) sleep_while(call, kAsleep);
            }
            spin = spin == kSpin && now() - asleep < kLongSpin - kSpin ? kLongSpin : kSpin;
        }
        // Reset before the work: a call during the work is a new one.
        call.exchange(kIdle, std::memory_order_acquire);
        work(self);
    }
    return nullptr;
}

// Starts threads until there are `wanted`, or the system gives no more; returns their number. The caller must have taken the
// team.
int grow(int wanted) {
    int there = size.load(std::memory_order_relaxed);
    if (there >= wanted) return there;
    // The program's threads handle signals, except those for faults, which the thread with the fault must get.
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    for (; there < wanted; ++there) {
        pthread_t thread;
        if (pthread_create(&thread, nullptr, live, reinterpret_cast<void*>(std::intptr_t{there} + 1)) != 0) break;
        pthread_detach(thread);
        size.store(there + 1, std::memory_order_relaxed);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return there;
}

void wait_for_all() {
    const auto done = [] { return (open.load(std::memory_order_acquire) & ~kCallerSleeps) == 0; };
    if (spin_until(done, kSpin)) return;
    std::uint32_t value = open.fetch_or(kCallerSleeps, std::memory_order_acq_rel) | kCallerSleeps;
    while (value != kCallerSleeps) {
        sleep_while(open, value);
        value = open.load(std::memory_order_acquire);
    }
}

}  // namespace

int run(const Region& wanted, int threads) {
    const Int chunks = wanted.chunks();
    // Another thread of the program uses the team, or this thread uses it and is inside a chunk.
    if (chunks >= kMostChunks || taken.exchange(true, std::memory_order_acquire)) {
        wanted.run(0, chunks);
        return threads;
    }
    const int there = 1 + grow(std::min(threads, kMostMembers) - 1);
    const int used = std::min(threads, there);
    region = wanted;
    open.store(static_cast<std::uint32_t>(chunks), std::memory_order_relaxed);
    for (Int i = 0; i < used; ++i) {
        const auto first = static_cast<std::uint64_t>(i * chunks / used),
                   end = static_cast<std::uint64_t>((i + 1) * chunks / used);
        members[i].unclaimed.store(end << 32 | first, std::memory_order_release);
    }
    for (int i = 1; i < used; ++i) {
        if (members[i].call.exchange(kCalled, std::memory_order_acq_rel) == kAsleep) wake(members[i].call);
    }
    work(0);
    wait_for_all();
    taken.store(false, std::memory_order_release);
    return there;
}

}  // namespace lamella::team
