// Checks are the first lines of a kernel; the text of the condition that failed is the error message.
#pragma once
#include "core/view.h"

#define LAMELLA_REQUIRE(condition) \
    do {                           \
        if (!(condition)) {        \
            return #condition;     \
        }                          \
    } while (0)

namespace lamella {

template <class A, class B>
[[gnu::always_inline]] static inline bool same_shape(const View<A>& a, const View<B>& b) {
    if (a.rank != b.rank) return false;
    for (Int i = 0; i < a.rank; ++i) {
        if (a.shape[i] != b.shape[i]) return false;
    }
    return true;
}

}  // namespace lamella
