// What the checks are written with: arrays between guard zones, closeness, and the count of what passed.
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

// Numbers in (-2, 2), the same in every run.
class Random {
public:
    double operator()() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<double>(state_ >> 11) / 9007199254740992.0 * 4 - 2;
    }

private:
    std::uint64_t state_ = 1;
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

// An input: memory of exactly its size, so that a sanitizer sees each read beyond it.
template <class T>
struct Input {
    std::vector<Int> shape;
    std::vector<T> values;

    explicit Input(std::vector<Int> shape_)
        : shape(std::move(shape_)), values(static_cast<std::size_t>(view_of<T>(nullptr, shape).size)) {
        static Random random;
        for (T& v : values) v = static_cast<T>(random());
    }
    View<const T> view() const { return view_of<const T>(values.data(), shape); }
    double operator[](Int i) const { return static_cast<double>(values[static_cast<std::size_t>(i)]); }
};

// An output or an array changed in place: 32 marked elements on either side.
template <class T>
struct Output {
    static constexpr std::size_t kZone = 32;
    std::vector<Int> shape;
    std::size_t size;
    std::vector<T> memory;

    explicit Output(std::vector<Int> shape_)
        : shape(std::move(shape_)),
          size(static_cast<std::size_t>(view_of<T>(nullptr, shape).size)),
          memory(size + 2 * kZone, mark()) {}
    explicit Output(const Input<T>& from) : Output(from.shape) {
        std::copy(from.values.begin(), from.values.end(), memory.begin() + kZone);
    }
    static T mark() { return static_cast<T>(77); }
    T* data() { return memory.data() + kZone; }
    View<T> view() { return view_of<T>(data(), shape); }
    View<const T> read() const { return view_of<const T>(memory.data() + kZone, shape); }
    double operator[](Int i) const { return static_cast<double>(memory[kZone + static_cast<std::size_t>(i)]); }
    bool intact() const {
        for (std::size_t i = 0; i < kZone; ++i) {
            if (memory[i] != mark() || memory[kZone + size + i] != mark()) return false;
        }
        return true;
    }
};

// got is intact, and within `ulps` units in the last place of max(1, |wanted|) everywhere; wanted(i) is in double.
template <class T, class F>
bool near(const Output<T>& got, const F& wanted, double ulps = 32) {
    if (!got.intact()) return false;
    for (Int i = 0; i < static_cast<Int>(got.size); ++i) {
        const double w = wanted(i),
                     bound = ulps * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::fmax(1, std::fabs(w));
        if (!(std::fabs(got[i] - w) <= bound)) return false;
    }
    return true;
}

// Lengths around every vector width.
inline std::vector<Int> lengths() {
    std::vector<Int> all;
    for (Int n = 0; n <= 67; ++n) all.push_back(n);
    all.push_back(40001);
    return all;
}

template <class... A>
std::string text(const char* name, A... numbers) {
    std::string s = name;
    ((s += ' ', s += std::to_string(numbers)), ...);
    return s;
}

}  // namespace checks
