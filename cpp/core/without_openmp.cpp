// Compiled instead of openmp.cpp where there is no OpenMP: the team is the only pool, and OMP_NUM_THREADS limits it, too.
#include <climits>
#include <cstdlib>

#include "core/backends.h"

namespace lamella::openmp {

int max_threads() {
    static const int limit = [] {
        const char* const wanted = std::getenv("OMP_NUM_THREADS");
        // As OpenMP reads it: the first number of a list counts; a text without a positive number sets no limit.
        const long number = wanted != nullptr ? std::strtol(wanted, nullptr, 10) : 0;
        return number > 0 && number < INT_MAX ? static_cast<int>(number) : INT_MAX;
    }();
    return limit;
}

}  // namespace lamella::openmp
