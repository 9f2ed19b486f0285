// Memory for the arrays of a step. Released memory is used again; it is still mapped, and perhaps in the cache. malloc returns
// large blocks to the system, so each step would have their page faults again.
#pragma once
#include <cstddef>

#include "core/view.h"

namespace lamella::pool {

// Bytes. Smaller arrays come from malloc, which keeps freed memory. Only larger ones come from the pool and are counted.
constexpr std::size_t kLeastBytes = 32 << 10;

// Like malloc, calloc, realloc and free; they take only memory that one of them returned. Any thread may call them. A large
// array begins at a multiple of 64 bytes. The starts differ modulo the page size, because kernels that read several arrays in
// parallel are slower if the addresses are equal modulo 4 KiB.
LAMELLA_EXPORT void* allocate(std::size_t bytes);
LAMELLA_EXPORT void* allocate_zeros(std::size_t bytes);
LAMELLA_EXPORT void* reallocate(void* memory, std::size_t bytes);
LAMELLA_EXPORT void release(void* memory);

// The most free bytes that are kept; if there would be more, all are returned to the system.
// kNoLimit: twice the most bytes that were in use at one time since the last empty().
constexpr Int kNoLimit = -1;
LAMELLA_EXPORT void set_limit(Int bytes);
LAMELLA_EXPORT Int limit();

// Returns free memory to the system, and memory in use as soon as it is released. The result is the number of free bytes.
LAMELLA_EXPORT Int empty();

// Lets the system take the pages of free memory when it needs them. The next arrays use the pages that it has not taken without
// a page fault. Nothing else changes: the pages count as free, and as memory of the process.
LAMELLA_EXPORT void offer();

struct Counts {
    Int in_use;       // bytes of arrays
    Int free;         // bytes that are kept for the next arrays
    Int most_in_use;  // the largest in_use since the last empty()
    Int arrays;       // number of arrays since the process began
    Int fresh;        // number of those whose memory, or a part of it, came from the system
};
LAMELLA_EXPORT Counts counts();

}  // namespace lamella::pool
