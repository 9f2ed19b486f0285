// A window that moves along 1 to 3 axes: an argument of kernels.
#pragma once
#include "core/view.h"

namespace lamella {

constexpr int kMaxAxes = 3;

// For each axis the number of elements of the window, its step, the distance between its elements, and the padding before the
// first element of the array; the padding after the last one follows from the number of windows. With fewer than three axes
// their entries are last; the entries before them are 1, 1, 1 and 0.
struct Window {
    Int axes;
    Int size[kMaxAxes], stride[kMaxAxes], dilation[kMaxAxes], before[kMaxAxes];
};

}  // namespace lamella
