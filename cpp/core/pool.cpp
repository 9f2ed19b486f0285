#include "core/pool.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace lamella::pool {
namespace {

constexpr std::size_t kLine = 64;
const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));  // 4 KiB, on some Arm systems 16 or 64
// Minimum size of a region; it is also at least as large as all regions before it. A region only reserves addresses; the system
// gives pages when they are touched.
constexpr std::size_t kLeastRegion = std::size_t{256} << 20;
// The beginning of the first region that has small pages, so that a small model needs no more memory than it touches.
constexpr std::size_t kSmallPaged = std::size_t{4} << 20;
constexpr std::size_t kMostBytes = std::size_t{1} << 47;  // the address space of a process

// Free blocks are in lists by size, eight lists for each power of two.
constexpr int kStepBits = 3, kSteps = 1 << kStepBits;
constexpr int kLists = 48 * kSteps, kWords = kLists / 64;

struct Block;

// The bytes before each array.
struct alignas(16) Tag {  // keeps malloc's alignment
    Block* block;         // null: the array came from malloc
    std::size_t bytes;
};

// The beginning of a block, before its array. A region is cut into blocks; no two neighbours are free. Because of these bytes
// arrays of 2^n bytes, too, begin one cache line later in their page than the arrays before.
struct alignas(kLine) Block {
    Block *previous, *next;  // in its list, while it is free
    std::size_t bytes;       // including this struct
    Block* before;           // the neighbour; null: the region begins here
    char* region_end;
    union {
        std::size_t touched;     // of a free block: the number of its first bytes that may have been touched
        std::size_t generation;  // of a block in use
    };
    Tag tag;  // tag.block is null while the block is free

    char* begin() { return reinterpret_cast<char*>(this); }
    Block* after() { return begin() + bytes == region_end ? nullptr : reinterpret_cast<Block*>(begin() + bytes); }
    bool is_free() const { return tag.block == nullptr; }
};
static_assert(sizeof(Block) == kLine && offsetof(Block, tag) + sizeof(Tag) == kLine);

// Nothing here is ever destroyed: arrays may be released while the process exits.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
Block* lists[kLists];
std::uint64_t is_listed[kWords];  // a bit for each list: whether it holds a block
std::size_t generation, mapped;
Counts now;
// A fork waits until no other thread uses the pool, so that the pool of the child is consistent. If that cannot be registered
// (no memory), the pool keeps nothing.
Int most_free = pthread_atfork([] { pthread_mutex_lock(&mutex); }, [] { pthread_mutex_unlock(&mutex); },
                               [] { pthread_mutex_unlock(&mutex); }) == 0
                    ? kNoLimit
                    : 0;

class Lock {
public:
    Lock() { pthread_mutex_lock(&mutex); }
    Lock(const Lock&) = delete;
    ~Lock() { pthread_mutex_unlock(&mutex); }
};

Tag& tag_of(void* array) { return static_cast<Tag*>(array)[-1]; }

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

// The list for blocks of this size, from the leading bit and the three bits after it.
int list_of(std::size_t bytes) {
    const int shift = 63 - __builtin_clzll(bytes) - kStepBits;
    return shift * kSteps + static_cast<int>(bytes >> shift) - kSteps;
}

// block->touched must be set.
void enlist(Block* block) {
    const int list = list_of(block->bytes);
    block->tag.block = nullptr;
    block->previous = nullptr;
    block->next = lists[list];
    if (block->next != nullptr) block->next->previous = block;
    lists[list] = block;
    is_listed[list / 64] |= std::uint64_t{1} << list % 64;
    now.free += static_cast<Int>(block->touched);
}

void delist(Block* block) {
    const int list = list_of(block->bytes);
    (block->previous != nullptr ? block->previous->next : lists[list]) = block->next;
    if (block->next != nullptr) block->next->previous = block->previous;
    if (lists[list] == nullptr) is_listed[list / 64] &= ~(std::uint64_t{1} << list % 64);
    now.free -= static_cast<Int>(block->touched);
}

// The smallest block of the list with at least `bytes` bytes; of equal blocks the first in memory.
Block* best_of(int list, std::size_t bytes) {
    Block* best = nullptr;
    for (Block* block = lists[list]; block != nullptr; block = block->next) {
        if (block->bytes < bytes) continue;
        if (best == nullptr || block->bytes < best->bytes || (block->bytes == best->bytes && block < best)) best = block;
    }
    return best;
}

Block* find_free(std::size_t bytes) {
    const int own = list_of(bytes);
    if (Block* const block = best_of(own, bytes)) return block;
    for (int list = own + 1; list < kLists; list = (list / 64 + 1) * 64) {
        const std::uint64_t bits = is_listed[list / 64] >> list % 64;
        if (bits != 0) return best_of(list + __builtin_ctzll(bits), bytes);
    }
    return nullptr;
}

// Calls madvise for the touched pages of a free block.
void advise(Block* block, int advice) {
    const auto first = round_up(reinterpret_cast<std::uintptr_t>(block + 1), page);
    const auto end = reinterpret_cast<std::uintptr_t>(block->begin() + block->touched) / page * page;
    if (first < end) madvise(reinterpret_cast<void*>(first), end - first, advice);
}

// Returns the pages of a free block to the system, or the whole region if it is one free block.
void clean(Block* block) {
    if (block->before == nullptr && block->after() == nullptr) {
        delist(block);
        mapped -= block->bytes;
        munmap(block, block->bytes);
        return;
    }
    advise(block, MADV_DONTNEED);
    now.free -= static_cast<Int>(block->touched);
    block->touched = 0;
}

Int clean_all() {
    const Int before = now.free;
    for (Block*& list : lists) {
        for (Block *block = list, *next; block != nullptr; block = next) {
            next = block->next;
            clean(block);
        }
    }
    return before - now.free;
}

Int bound() { return most_free == kNoLimit ? 2 * now.most_in_use : most_free; }

// Requests pages of 2 MiB, as NumPy does for arrays of 4 MiB: a training step reads more pages of 4 KiB than the CPU has
// translations for. The system may ignore it.
void request_huge_pages(char* memory, std::size_t size) {
#ifdef MADV_HUGEPAGE
    const std::size_t small = mapped == 0 ? kSmallPaged : 0;
    if (size > small) madvise(memory + small, size - small, MADV_HUGEPAGE);
#else
    static_cast<void>(memory), static_cast<void>(size);
#endif
}

bool add_region(std::size_t bytes) {
    const auto map = [](std::size_t size) {
        return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    };
    std::size_t size = round_up(std::max({bytes, kLeastRegion, mapped}), page);
    void* memory = map(size);
    if (memory == MAP_FAILED) {  // perhaps a limit of the address space, which allows a smaller region
        size = round_up(bytes, page);
        memory = map(size);
    }
    if (memory == MAP_FAILED && clean_all() > 0) memory = map(size);
    if (memory == MAP_FAILED) return false;
    Block* const block = static_cast<Block*>(memory);
    request_huge_pages(block->begin(), size);
    block->bytes = size;
    block->before = nullptr;
    block->region_end = block->begin() + size;
    block->touched = 0;
    enlist(block);
    mapped += size;
    return true;
}

// Shortens the block to `bytes`; the rest becomes a free block if it is large enough for an array.
void cut(Block* block, std::size_t bytes) {
    const std::size_t rest = block->bytes - bytes;
    if (rest < kLine + kLeastBytes) return;
    Block* const next = block->after();
    block->bytes = bytes;
    Block* const other = reinterpret_cast<Block*>(block->begin() + bytes);
    other->bytes = rest;
    other->before = block;
    other->region_end = block->region_end;
    if (next != nullptr) next->before = other;
    other->touched = block->touched > bytes ? block->touched - bytes : 0;
    enlist(other);
}

// Joins the block with the one after it. Neither may be in a list.
void join(Block* block, Block* after) {
    if (after->touched > 0) block->touched = block->bytes + after->touched;
    block->bytes += after->bytes;
    if (Block* const next = block->after()) next->before = block;
}

void* take(std::size_t array_bytes) {
    if (array_bytes > kMostBytes) return nullptr;
    const std::size_t bytes = kLine + round_up(array_bytes, kLine);
    const Lock lock;
    Block* block = find_free(bytes);
    if (block == nullptr && add_region(bytes)) block = find_free(bytes);
    if (block == nullptr) return nullptr;
    delist(block);
    cut(block, bytes);
    now.fresh += block->touched < block->bytes;
    block->tag = {block, array_bytes};
    block->generation = generation;
    now.in_use += static_cast<Int>(block->bytes);
    now.most_in_use = std::max(now.most_in_use, now.in_use);
    ++now.arrays;
    return block + 1;
}

void give(Block* block) {
    const Lock lock;
    const bool kept = block->generation == generation;
    now.in_use -= static_cast<Int>(block->bytes);
    block->touched = block->bytes;
    if (Block* const after = block->after(); after != nullptr && after->is_free()) {
        delist(after);
        join(block, after);
    }
    if (Block* const before = block->before; before != nullptr && before->is_free()) {
        delist(before);
        join(before, block);
        block = before;
    }
    enlist(block);
    if (!kept) clean(block);
    else if (now.free > bound()) clean_all();
}

void* tagged(void* memory, std::size_t bytes) {
    if (memory == nullptr) return nullptr;
    Tag* const tag = static_cast<Tag*>(memory);
    *tag = {nullptr, bytes};
    return tag + 1;
}

}  // namespace

void* allocate(std::size_t bytes) {
    return bytes < kLeastBytes ? tagged(std::malloc(bytes + sizeof(Tag)), bytes) : take(bytes);
}

void* allocate_zeros(std::size_t bytes) {
    if (bytes < kLeastBytes) return tagged(std::calloc(1, bytes + sizeof(Tag)), bytes);
    void* const array = take(bytes);
    if (array != nullptr) std::memset(array, 0, bytes);
    return array;
}

void release(void* array) {
    if (array == nullptr) return;
    Tag& tag = tag_of(array);
    if (tag.block == nullptr) std::free(&tag);
    else give(tag.block);
}

void* reallocate(void* array, std::size_t bytes) {
    if (array == nullptr) return allocate(bytes);
    Tag& tag = tag_of(array);
    if (tag.block == nullptr && bytes < kLeastBytes) return tagged(std::realloc(&tag, bytes + sizeof(Tag)), bytes);
    void* const moved = allocate(bytes);
    if (moved == nullptr) return nullptr;
    std::memcpy(moved, array, std::min(bytes, tag.bytes));
    release(array);
    return moved;
}

void set_limit(Int bytes) {
    const Lock lock;
    most_free = bytes;
    if (now.free > bound()) clean_all();
}

Int limit() {
    const Lock lock;
    return most_free;
}

Int empty() {
    const Lock lock;
    ++generation;
    now.most_in_use = now.in_use;
    return clean_all();
}

void offer() {
    const Lock lock;
    for (Block* const list : lists) {
        for (Block* block = list; block != nullptr; block = block->next) advise(block, MADV_FREE);
    }
}

Counts counts() {
    const Lock lock;
    return now;
}

}  // namespace lamella::pool
