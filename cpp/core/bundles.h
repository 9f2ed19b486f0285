// The bundles of arguments that kernels take: the fields of cpp/table/bundles.def in their order. T: the element type.
#pragma once
#include "core/view.h"

namespace lamella {

template <class T>
struct RecurrentLayer {
    const View<const T>&kernel, &recurrent_kernel;
    const View<const std::uint8_t>& mask;
    const View<const T>&input_dropout, &recurrent_dropout;
    Int backwards;
};

template <class T>
struct RecurrentGradients {
    const View<T>&dx, &dkernel, &drecurrent, &dbias, &dh0;
};

template <class T>
struct Standardization {
    Real rescale;
    Int center, scale;
    const View<const T>&mean, &deviation;
};

template <class T>
struct Bounds {
    const ViewList<const T>& sums;
    Real scale, norm, norm_each, clip;
};

template <class T>
struct Moments {
    Real beta1, beta2, eps;
};

template <class T>
struct Narrow {
    const ViewList<std::uint8_t>&params, &grads, &copies;
    Int bits, zero;
    Real scale;
    Int stochastic, seed, offset;
};

}  // namespace lamella
