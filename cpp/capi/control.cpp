// The functions of lamella.h that are not kernels.
#include <algorithm>
#include <cstring>

#include "capi/error.h"
#include "lamella/kernels.h"
#include "lamella/lamella.h"

namespace lamella::capi {
namespace {

thread_local char last_error[1024];

}  // namespace

lamella_status failed(lamella_status status, const std::string& message) noexcept {
    const char* const text = message.empty() ? kOutOfMemory : message.c_str();
    const std::size_t length = std::min(std::strlen(text), sizeof last_error - 1);
    std::memcpy(last_error, text, length);
    last_error[length] = '\0';
    return status;
}

}  // namespace lamella::capi

using lamella::capi::failed;

extern "C" {

int lamella_abi_version(void) { return LAMELLA_ABI_VERSION; }

const char* lamella_version(void) { return LAMELLA_VERSION; }

const char* lamella_last_error(void) { return lamella::capi::last_error; }

const char* lamella_target(void) {
    const lamella::Table* const table = lamella::current_or_null();
    return table != nullptr ? table->target : nullptr;
}

const char* lamella_available_target(int i) {
    const lamella::Targets targets = lamella::available_targets();
    return i >= 0 && i < targets.count ? targets.names[i] : nullptr;
}

lamella_status lamella_select_target(const char* name) {
    if (name != nullptr && lamella::select(name)) return LAMELLA_OK;
    try {
        return failed(LAMELLA_UNSUPPORTED, std::string("lamella_select_target: this machine has no target '") +
                                               (name != nullptr ? name : "NULL") + "'");
    } catch (const std::bad_alloc&) {
        return failed(LAMELLA_OUT_OF_MEMORY, {});
    }
}

int lamella_num_threads(void) { return lamella::num_threads(); }

lamella_status lamella_set_num_threads(int n) {
    // The limits of lamella.config.set_num_threads.
    if (n >= 1 && n <= 1024) {
        lamella::set_num_threads(n);
        return LAMELLA_OK;
    }
    try {
        return failed(LAMELLA_INVALID, "lamella_set_num_threads: expected 1 to 1024 threads, got " + std::to_string(n));
    } catch (const std::bad_alloc&) {
        return failed(LAMELLA_OUT_OF_MEMORY, {});
    }
}

void lamella_set_parallel_for(lamella_parallel_for parallel_for, void* context) {
    lamella::set_host_threads(parallel_for, context);
}

}  // extern "C"
