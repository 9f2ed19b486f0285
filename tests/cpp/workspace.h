// The workspace of a thread: arrays that are in use at the same time share no memory, at any depth of nesting, and the next
// call uses the same memory again.
#pragma once
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "core/workspace.h"
#include "harness.h"

namespace checks {

using lamella::part;
using lamella::Workspace;

inline Int allocated() { return lamella::workspace_counts().allocated; }

inline void write(Int* data, Int count, Int value) {
    for (Int i = 0; i < count; ++i) data[i] = value + i;
}

inline bool reads(const Int* data, Int count, Int value) {
    for (Int i = 0; i < count; ++i) {
        if (data[i] != value + i) return false;
    }
    return true;
}

// Arrays of one workspace are aligned and do not overlap.
inline void check_parts(Count& check) {
    for (const Int n : {0, 1, 7, 8, 9, 511, 513, 100'000}) {
        Int *numbers, *more;
        char* bytes;
        const Workspace own(part(numbers, n), part(bytes, n), part(more, n));
        const auto aligned = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 64 == 0; };
        const std::string what = " of arrays of " + std::to_string(n);
        check(bool(own) && aligned(numbers) && aligned(bytes) && aligned(more), "alignment" + what);
        write(numbers, n, 1);
        write(more, n, 2);
        std::memset(bytes, 0x55, static_cast<std::size_t>(n));
        bool right = reads(numbers, n, 1) && reads(more, n, 2);
        for (Int i = 0; i < n; ++i) right = right && bytes[i] == 0x55;
        check(right, "contents" + what);
    }
}

// Makes workspaces of growing size, each inside the one before, with its own contents, while all outer ones are in use.
inline bool nests(int depth, Int count, Int value) {
    if (depth == 0) return true;
    Int* data;
    const Workspace own(part(data, count));
    if (!own) return false;
    write(data, count, value);
    return nests(depth - 1, 3 * count, value + 1'000'000) && reads(data, count, value);
}

inline void check_nesting(Count& check) {
    // A block grows while an outer block is in use; then the outer block grows while no block is in use.
    Int *outer, *inner;
    for (const Int size : {1, 5000, 1'000'000}) {
        const Workspace held(part(outer, 100));
        write(outer, 100, size);
        {
            const Workspace own(part(inner, size));
            write(inner, size, 7);
        }
        check(reads(outer, 100, size), "an inner workspace of " + std::to_string(size) + " numbers leaves the outer one alone");
    }
    for (const int depth : {1, 2, 3, 9}) check(nests(depth, 50, 3), "depths: " + std::to_string(depth));
    // Deeper than before, with smaller sizes: the blocks of a level are large enough for smaller requests.
    check(nests(12, 1, 5), "depths: 12");

    // Two workspaces one after the other have the same memory; one inside the other has its own memory.
    const Int before = allocated();
    const Int *first, *second, *within;
    {
        Int* data;
        const Workspace own(part(data, 1000));
        first = data;
    }
    {
        Int *data, *data_within;
        const Workspace own(part(data, 900));
        const Workspace own_within(part(data_within, 900));
        second = data;
        within = data_within;
    }
    check(first == second, "the same memory for the next at this depth");
    check(within != second, "other memory for one within it");
    check(nests(9, 50, 3) && allocated() == before, "nothing is allocated in a second call");

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end the process if there is no memory
    {
        Int *held, *none;
        const Workspace own(part(held, 100));
        write(held, 100, 9);
        const Workspace too_large(part(none, Int{1} << 57));
        check(bool(own) && !too_large && none == nullptr, "no memory");
        check(nests(3, 10, 4) && reads(held, 100, 9), "others after one that got no memory");
    }
    check(nests(3, 10, 4), "depths after one that got no memory");
#endif
}

// The memory of a thread is freed when the thread ends.
inline void check_end_of_thread(Count& check) {
    const Int before = lamella::workspace_counts().bytes;
    Int within = 0;
    std::thread([&] {
        nests(3, 100'000, 1);
        within = lamella::workspace_counts().bytes;
    }).join();
    check(within - before >= 1'300'000 * Int{sizeof(Int)}, "bytes of a thread are counted");
    check(lamella::workspace_counts().bytes == before, "bytes of a thread go back at its end");
}

// Each chunk has its own workspace, and one inside it; the caller has one to which all chunks write.
inline bool chunks_have_their_own(Int chunks) {
    Int* shared;
    const Workspace own(part(shared, chunks));
    std::atomic<bool> right{bool(own)};
    lamella::parallel_for(chunks, 1, [&](Int chunk, Int) {
        Int* data;
        const Workspace of_chunk(part(data, 300));
        write(data, 300, chunk * 1000);
        sched_yield();  // other chunks write to their workspaces
        if (!nests(2, 200, -chunk)) right = false;
        // A kernel in a chunk also has chunks.
        lamella::parallel_for(3, 1, [&](Int i, Int) {
            if (!nests(1, 400, chunk + i)) right = false;
        });
        if (!reads(data, 300, chunk * 1000)) right = false;
        shared[chunk] = chunk;
    });
    return right && reads(shared, chunks, 0);
}

// A kernel that uses workspaces for the call and in its chunks is called in the chunks of another one. The bits are those of a
// single call.
inline bool kernels_call_kernels() {
    const Int images = 3, rows = 9, columns = 8, in = 5, out = 7;
    std::vector<float> x(static_cast<std::size_t>(images * rows * columns * in)), w(static_cast<std::size_t>(9 * in * out));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 19) - 9;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 13) - 6;
    const lamella::Window window{2, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}};
    const auto convolve = [&](std::vector<float>& y) {
        y.assign(static_cast<std::size_t>(images * rows * columns * out), -1);
        const View<const float> filters{w.data(), 9 * in * out, 4, {3, 3, in, out, 1, 1, 1, 1}};
        const View<const float> from{x.data(), images * rows * columns * in, 4, {images, rows, columns, in, 1, 1, 1, 1}};
        const View<const float> no_bias{nullptr, 0, 1, {0, 1, 1, 1, 1, 1, 1, 1}};
        return lamella::current().f32.conv_forward(from, filters, no_bias, window, 0,
                                                   view_of<float>(y.data(), {images, rows, columns, out})) == nullptr;
    };
    std::vector<float> alone;
    std::atomic<bool> right{convolve(alone)};
    lamella::parallel_for(8, 1, [&](Int chunk, Int) {
        Int* data;
        const Workspace own(part(data, 5000));
        write(data, 5000, chunk);
        std::vector<float> y;
        if (!convolve(y) || y != alone || !reads(data, 5000, chunk)) right = false;
    });
    return right;
}

inline void check_workspace(Count& check) {
    check_parts(check);
    check_nesting(check);
    check_end_of_thread(check);
    const lamella::ThreadBackends backends = lamella::thread_backends();
    const std::string before = lamella::thread_backend();
    for (int b = 0; b < backends.count; ++b) {
        const std::string name = backends.names[b];
#if defined(__SANITIZE_THREAD__)
        if (name == "openmp") continue;  // libgomp waits by system calls that the sanitizer does not see
#endif
        lamella::select_thread_backend(backends.names[b]);
        for (const int threads : {1, 2, 3, 8}) {
            lamella::set_num_threads(threads);
            const std::string what = name + ", threads: " + std::to_string(threads);
            for (const Int chunks : {1, 2, 64}) check(chunks_have_their_own(chunks), what + ": chunks have their own");
            check(kernels_call_kernels(), what + ": kernels call kernels");
        }
        // With one thread, each call has the same chunks.
        lamella::set_num_threads(1);
        const Int first = allocated();
        check(chunks_have_their_own(64) && kernels_call_kernels() && allocated() == first,
              name + ": nothing is allocated in a second call");
    }
    lamella::select_thread_backend(before.c_str());
    lamella::set_num_threads(1);
}

}  // namespace checks
