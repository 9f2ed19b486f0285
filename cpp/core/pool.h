// Memory for the arrays of a step. What was released is handed out again, still mapped and perhaps in cache:
// malloc gives large ones back to the system, and each step would pay for their page faults anew.
#pragma once
#include <cstddef>

#include "core/view.h"

namespace lamella::pool {

// Smaller arrays come from malloc, which keeps what is freed. Larger ones, and only they, come from the pool and are counted.
constexpr std::size_t kLeastBytes = 32 << 10;

// As malloc, calloc, realloc and free; each takes only what one of these returned. Any thread may call them, with or without
// locks of its own. A large array begins at a multiple of 64 bytes; the starts are spread over a page, as kernels that walk
// several arrays side by side are slower where addresses are equal modulo 4 KiB.
LAMELLA_EXPORT void* allocate(std::size_t bytes);
LAMELLA_EXPORT void* allocate_zeros(std::size_t bytes);
LAMELLA_EXPORT void* reallocate(void* memory, std::size_t bytes);
LAMELLA_EXPORT void release(void* memory);

// Free bytes that are kept at most; where there would be more, all go back to the system.
// kNoLimit: twice the most that was in use at one time since the last empty().
constexpr Int kNoLimit = -1;
LAMELLA_EXPORT void set_limit(Int bytes);
LAMELLA_EXPORT Int limit();

// Gives what is free back to the system, and what is in use as soon as it is released. Returns the bytes of the former.
LAMELLA_EXPORT Int empty();

// Lets the system take the pages of what is free when it needs memory. Those that it has not taken by then serve the next
// arrays without a page fault. Nothing else changes: they count as free, and as memory of the process.
LAMELLA_EXPORT void offer();

struct Counts {
    Int in_use;       // bytes of arrays
    Int free;         // bytes that are kept for the next ones
    Int most_in_use;  // the largest in_use since the last empty()
    Int arrays;       // handed out since the process began
    Int fresh;        // of these, the ones whose memory came from the system, or a part of it
};
LAMELLA_EXPORT Counts counts();

}  // namespace lamella::pool
