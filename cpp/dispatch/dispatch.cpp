// Selects the first table that the CPU and its operating system can run. Built for the baseline.
#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "lamella/kernels.h"

namespace lamella {

// A line of targets.def becomes BUILT(name, supported) if the build has this target: CMake defines LAMELLA_WITH_<name>, 1 or 0.
#define TARGET(name, supported) CHOOSE(LAMELLA_WITH_##name, name, supported)
#define CHOOSE(with, name, supported) CHOSEN(with, name, supported)
#define CHOSEN(with, name, supported) IF_##with(name, supported)
#define IF_0(name, supported)
#define IF_1(name, supported) BUILT(name, supported)

#define BUILT(name, supported) extern "C" const Table* lamella_table_##name();
#include "targets.def"
#undef BUILT

namespace {

#if defined(__x86_64__)
// It uses the registers of AVX; the other flags already require that the operating system saves them.
bool has_f16c() {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

const Table* find(const char* target) {
#define BUILT(name, supported) \
    if (std::strcmp(target, #name) == 0) return (supported) ? lamella_table_##name() : nullptr;
#include "targets.def"
#undef BUILT
    return nullptr;
}

const Table* first_choice() {
    const char* wanted = std::getenv("LAMELLA_TARGET");
    if (wanted != nullptr && *wanted != '\0') return find(wanted);
#define BUILT(name, supported) \
    if (supported) return lamella_table_##name();
#include "targets.def"
#undef BUILT
    return nullptr;
}

std::atomic<const Table*>& chosen() {
    static std::atomic<const Table*> table{first_choice()};
    return table;
}

}  // namespace

Targets available_targets() {
    Targets targets{{}, 0};
#define BUILT(name, supported) \
    if (supported) targets.names[targets.count++] = #name;
#include "targets.def"
#undef BUILT
    return targets;
}

const Table* current_or_null() { return chosen().load(std::memory_order_relaxed); }

const Table& current() { return *current_or_null(); }

bool select(const char* target) {
    const Table* table = find(target);
    if (table == nullptr) return false;
    chosen().store(table, std::memory_order_relaxed);
    return true;
}

}  // namespace lamella
