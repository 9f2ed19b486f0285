// Linux has a system call for this, futex (LAMELLA_FUTEX); elsewhere this is a condition variable.
#include "core/sleep.h"

#if LAMELLA_FUTEX

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lamella {

void sleep_while(Word& word, std::uint32_t value) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }

void wake(Word& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

}  // namespace lamella

#else

#include <pthread.h>

#include <cstddef>

namespace lamella {
namespace {

// Words share the variables, so a wake-up may reach a thread of another word, which then sleeps again. With 64 variables, a
// wake-up reaches one thread on a machine with few cores. Never destroyed: threads may sleep while the process exits.
constexpr std::size_t kPlaces = 64;
struct alignas(128) Place {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
};
Place places[kPlaces];

// The words of the team's members are 128 bytes apart.
Place& place_of(const Word& word) { return places[reinterpret_cast<std::uintptr_t>(&word) / 128 % kPlaces]; }

}  // namespace

void sleep_while(Word& word, std::uint32_t value) {
    Place& place = place_of(word);
    pthread_mutex_lock(&place.mutex);
    while (word.load(std::memory_order_relaxed) == value) pthread_cond_wait(&place.changed, &place.mutex);
    pthread_mutex_unlock(&place.mutex);
}

// Holds the mutex, so that no thread can miss the wake-up between its test of the word and its sleep.
void wake(Word& word) {
    Place& place = place_of(word);
    pthread_mutex_lock(&place.mutex);
    pthread_cond_broadcast(&place.changed);
    pthread_mutex_unlock(&place.mutex);
}

}  // namespace lamella

#endif
