// Parts that the checks share: the count of passed and failed checks, and views of arrays.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "lamella/kernels.h"

namespace checks {

using lamella::Int;
using lamella::View;
using lamella::ViewList;

struct Count {
    int passed = 0, failed = 0;
    std::string target;

    void operator()(bool holds, const std::string& what) {
        (holds ? passed : failed) += 1;
        if (!holds) std::printf("FAILED %s: %s\n", target.c_str(), what.c_str());
    }
};

template <class T>
View<T> view_of(T* data, const std::vector<Int>& shape) {
    View<T> v{data, 1, static_cast<Int>(shape.size()), {1, 1, 1, 1, 1, 1, 1, 1}};
    for (std::size_t i = 0; i < shape.size(); ++i) {
        v.shape[i] = shape[i];
        v.size *= shape[i];
    }
    return v;
}

}  // namespace checks
