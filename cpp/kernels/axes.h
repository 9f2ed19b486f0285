// Windows on arrays [N, ..., C] with one to three axes between N and C, treated as three: missing axes have size 1.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// The entries of missing axes must be those of a window that changes nothing.
LAMELLA_INLINE bool is_window(const Window& window) {
    if (window.axes < 1 || window.axes > kMaxAxes) return false;
    for (Int i = 0; i < kMaxAxes - window.axes; ++i) {
        if (window.size[i] != 1 || window.stride[i] != 1 || window.dilation[i] != 1 || window.before[i] != 0) return false;
    }
    return true;
}

// The sizes of the axes between N and C.
template <class V>
LAMELLA_INLINE void sizes_on_axes(const V& x, Int (&sizes)[kMaxAxes]) {
    const Int missing = kMaxAxes - (x.rank - 2);
    for (Int i = 0; i < kMaxAxes; ++i) sizes[i] = i < missing ? 1 : x.shape[1 + i - missing];
}

// Larger steps are refused, so that no product of sizes overflows.
constexpr Int kMaxStep = 1 << 20;

LAMELLA_INLINE bool steps_fit(const Int (&steps)[kMaxAxes], Int least) {
    return steps[0] >= least && steps[1] >= least && steps[2] >= least && steps[0] <= kMaxStep && steps[1] <= kMaxStep &&
           steps[2] <= kMaxStep;
}

template <class V>
LAMELLA_INLINE bool is_filter(const V& w, const Window& window) {
    if (w.rank != window.axes + 2) return false;
    for (Int i = 0; i < window.axes; ++i) {
        if (w.shape[i] != window.size[kMaxAxes - window.axes + i]) return false;
    }
    return true;
}

}  // namespace
}  // namespace lamella
