// Threads of our own: one team for the process, the caller is its member 0. A member that the system does not let run delays
// nobody: the others take its chunks, and the caller waits only for chunks that somebody has begun.
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "core/backends.h"
#include "core/cpu_limit.h"
#include "core/denormals.h"

namespace lamella::team {
namespace {

// No machine that we know has more CPUs.
constexpr int kMostMembers = 1024;
// Chunks are counted in 32 bits. More than that many, at 20 us each, would take a day.
constexpr Int kMostChunks = Int{1} << 31;
// An idle thread spins for so long before it sleeps: it bridges the gaps between the kernels of a training step, and leaves
// the CPU to others in all longer ones.
constexpr std::int64_t kSpin = 30'000;  // ns
// A thread that slept and was called within this time of its last work spins so long from then on, as a wake-up costs some
// 5 us. The first time that no call comes within it, the spins are short again.
constexpr std::int64_t kLongSpin = 150'000;  // ns

// A futex is a word of 32 bits.
using Word = std::atomic<std::uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free);

// What a member's `call` says.
enum : std::uint32_t { kIdle, kAsleep, kCalled };
// In `open`: the caller sleeps. The lower bits count the chunks that are not done.
constexpr std::uint32_t kCallerSleeps = std::uint32_t{1} << 31;

// Two cache lines, as the CPU fetches them in pairs.
struct alignas(128) Member {
    // Chunks of its own that nobody has claimed: the first in the lower half, the end in the upper. The member claims from the
    // front, the others from the back, so that in a quiet run it gets the same chunks in every call and finds its data in
    // its cache.
    std::atomic<std::uint64_t> unclaimed;
    Word call;
};

// Never destroyed: threads may be at work while the process exits.
Member members[kMostMembers];
alignas(128) std::atomic<bool> taken;  // by a caller
std::atomic<int> size;                 // members there are, the caller not counted
Region region;                         // written while no chunk is open
alignas(128) Word open;

void sleep_while(Word& word, std::uint32_t value) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }

void wake_one(Word& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

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

// Whether `ready` held within `time`.
template <class F>
bool spin_until(const F& ready, std::int64_t time) {
    if (ready()) return true;
    // With more threads than CPUs, who spins keeps others from their work.
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

// One chunk of the member's, or -1 if all are claimed. Who gets one sees the region that it is of, even if it was called for
// an earlier one: the region cannot end before the chunk is done.
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
    if (open.fetch_sub(1, std::memory_order_acq_rel) == kCallerSleeps + 1) wake_one(open);
}

// Its own chunks, then what the others have not begun.
void work(int self) {
    for (Int c; (c = claim(members[self], first_one)) >= 0;) do_chunk(c);
    const int all = size.load(std::memory_order_relaxed) + 1;
    for (int i = 1; i < all; ++i) {
        Member& other = members[(self + i) % all];
        for (Int c; (c = claim(other, last_one)) >= 0;) do_chunk(c);
    }
}

void* live(void* number) {
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
        // Before the work: a call that comes during it is another one.
        call.exchange(kIdle, std::memory_order_acquire);
        work(self);
    }
    return nullptr;
}

// Starts threads until there are so many, or the system gives no more. The caller has taken the team.
int grow(int wanted) {
    int there = size.load(std::memory_order_relaxed);
    if (there >= wanted) return there;
    // Signals are for the program's threads; those that a fault in this one raises must come here.
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    for (; there < wanted; ++there) {
        pthread_t thread;
        if (pthread_create(&thread, nullptr, live, reinterpret_cast<void*>(std::intptr_t{there} + 1)) != 0) break;
        pthread_setname_np(thread, "lamella");
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
    // Another thread of the program has the team, or this one has it and is in one of its chunks.
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
        if (members[i].call.exchange(kCalled, std::memory_order_acq_rel) == kAsleep) wake_one(members[i].call);
    }
    work(0);
    wait_for_all();
    taken.store(false, std::memory_order_release);
    return there;
}

}  // namespace lamella::team
