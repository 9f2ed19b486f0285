// A thread sleeps until another one changes a word of 32 bits.
#pragma once
#include <atomic>
#include <cstdint>

namespace lamella {

using Word = std::atomic<std::uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free);

// Sleeps while the word has this value. May return earlier: the caller tests the word again.
void sleep_while(Word& word, std::uint32_t value);
// Wakes the thread that sleeps at this word. The word must have its new value already.
void wake(Word& word);

}  // namespace lamella
