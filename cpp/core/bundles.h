// Arguments that travel together, as kernels take them: the fields of cpp/table/bundles.def in their order. T: the element
// type.
#pragma once
#include "core/view.h"

namespace lamella {

template <class T>
struct Bounds {
    const ViewList<const T>& sums;
    Real scale, norm, norm_each, clip;
};

template <class T>
struct Moments {
    Real beta1, beta2, eps;
};

}  // namespace lamella
