// Memory for the intermediate values of a kernel. Each thread keeps one block of memory for each level of nesting: a function
// that takes a workspace while its caller holds one gets the next block. So kernels can call kernels, and a block that grows
// moves no memory that a caller holds. The blocks are kept for the next call: in the steady state nothing is allocated.
#pragma once
#include "core/view.h"

namespace lamella {

// take_workspace: a block of the calling thread, at least `bytes` of undefined content, aligned to 64 bytes; nullptr if there
// is no memory. The same thread gives its blocks back in reverse order. They are freed when the thread ends.
void* take_workspace(Int bytes);
void give_workspace(void* block);

// Of all threads: how many blocks were allocated until now, and the bytes of those that exist.
struct WorkspaceCounts {
    Int allocated, bytes;
};
WorkspaceCounts workspace_counts();

// An array of a workspace: the pointer to it, which the Workspace sets, and how many elements it has.
template <class E>
struct Part {
    E*& data;
    Int count;

    // Each array begins on a cache line of its own.
    [[gnu::always_inline]] Int bytes() const { return (count * Int{sizeof(E)} + 63) / 64 * 64; }
};

template <class E>
[[gnu::always_inline]] static inline Part<E> part(E*& data, Int count) {
    return {data, count};
}

// Arrays of undefined content, valid until the end of the scope:
//   T *tiles, *panel;
//   const Workspace own(part(tiles, tiles_size), part(panel, panel_size));
//   if (!own) return kOutOfMemory;  // both are nullptr
// What all chunks of a parallel_for share is a Workspace before it; what one chunk needs is a Workspace in the chunk.
class Workspace {
public:
    template <class... E>
    [[gnu::always_inline]] explicit Workspace(const Part<E>&... parts) : block_(take_workspace((parts.bytes() + ... + 0))) {
        char* at = static_cast<char*>(block_);
        (place(parts, at), ...);
    }
    [[gnu::always_inline]] ~Workspace() { give_workspace(block_); }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    [[gnu::always_inline]] explicit operator bool() const { return block_ != nullptr; }

private:
    template <class E>
    [[gnu::always_inline]] static void place(const Part<E>& part, char*& at) {
        part.data = reinterpret_cast<E*>(at);
        if (at != nullptr) at += part.bytes();
    }

    void* block_;
};

}  // namespace lamella
