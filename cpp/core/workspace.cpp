#include "core/workspace.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace lamella {
namespace {

// The header of a block; its memory follows.
struct alignas(64) Block {
    Block* next;
    Block** kept;  // the stack of its thread
    Int bytes;     // of all, this header included
};

std::atomic<Int> allocated{0}, bytes_of_all{0};

Block* allocate(Int bytes, Block** kept) {
    const Int all = (bytes + Int{sizeof(Block)}) / 4096 * 4096 + 4096;
    void* const memory = std::aligned_alloc(alignof(Block), static_cast<std::size_t>(all));
    if (memory == nullptr) return nullptr;
    allocated += 1;
    bytes_of_all += all;
    return new (memory) Block{nullptr, kept, all};
}

void release(Block* block) {
    bytes_of_all -= block->bytes;
    std::free(block);
}

// The blocks of a thread that are not in use, as a stack. Blocks are given back in reverse order, so each level of nesting gets
// the same block in every call.
struct Kept {
    Block* first = nullptr;

    ~Kept() {
        while (first != nullptr) {
            Block* const next = first->next;
            release(first);
            first = next;
        }
    }
};
thread_local Kept of_thread;

}  // namespace

void* take_workspace(Int bytes) {
    Kept& kept = of_thread;
    Block* block = kept.first;
    if (block != nullptr) kept.first = block->next;
    if (block != nullptr && block->bytes < bytes + Int{sizeof(Block)}) {
        release(block);
        block = nullptr;
    }
    if (block == nullptr) block = allocate(bytes, &kept.first);
    return block != nullptr ? block + 1 : nullptr;
}

void give_workspace(void* block) {
    if (block == nullptr) return;
    Block* const given = static_cast<Block*>(block) - 1;
    given->next = *given->kept;
    *given->kept = given;
}

WorkspaceCounts workspace_counts() { return {allocated, bytes_of_all}; }

}  // namespace lamella
