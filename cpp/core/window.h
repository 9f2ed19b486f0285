// A window that moves over 1 to 3 axes, as kernels take it.
#pragma once
#include "core/view.h"

namespace lamella {

constexpr int kMaxAxes = 3;

// Places of the window, its step, the distance of its places, and the padding before the first place; the padding after the
// last one follows from the number of windows. On fewer than three axes the entries stand last, and before them 1, 1, 1 and 0.
struct Window {
    Int axes;
    Int size[kMaxAxes], stride[kMaxAxes], dilation[kMaxAxes], before[kMaxAxes];
};

}  // namespace lamella
