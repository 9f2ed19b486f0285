// The call of a kernel from C: each argument is checked and read from its C struct. No array is copied.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arguments/overlap.h"
#include "arguments/signature.h"
#include "capi/error.h"
#include "lamella/kernels.h"
#include "lamella/lamella.h"

namespace lamella::capi {

// The C struct of an array of T.
template <class T>
struct Arrays;
template <>
struct Arrays<float> {
    using One = lamella_f32;
    using List = lamella_f32_list;
};
template <>
struct Arrays<double> {
    using One = lamella_f64;
    using List = lamella_f64_list;
};
template <>
struct Arrays<std::uint8_t> {
    using One = lamella_u8;
    using List = lamella_u8_list;
};
template <>
struct Arrays<Int> {
    using One = lamella_i64;
};

// The C structs have the same layout as the structs of the kernels, so a pointer to one is a pointer to the other.
template <class T>
constexpr bool kSameLayout =
    sizeof(typename Arrays<T>::One) == sizeof(View<T>) && offsetof(typename Arrays<T>::One, data) == offsetof(View<T>, data) &&
    offsetof(typename Arrays<T>::One, size) == offsetof(View<T>, size) &&
    offsetof(typename Arrays<T>::One, rank) == offsetof(View<T>, rank) &&
    offsetof(typename Arrays<T>::One, shape) == offsetof(View<T>, shape);
static_assert(kSameLayout<float> && kSameLayout<double> && kSameLayout<std::uint8_t> && kSameLayout<Int>);
static_assert(LAMELLA_MAX_RANK == kMaxRank && LAMELLA_MAX_AXES == kMaxAxes);
static_assert(sizeof(lamella_f32_list) == sizeof(ViewList<float>));

// A kernel's name and the names of its arguments. The compiler makes it; its first call reads the text, which allocates and
// therefore happens within the `try` of `call`.
struct Signature {
    const char* name;
    const char* text;
    mutable std::atomic<const std::vector<Parameter>*> read{nullptr};

    constexpr Signature(const char* kernel, const char* arguments) : name(kernel), text(arguments) {}

    // Kept until the process ends. Of threads that read it at the same time one keeps its result.
    const std::vector<Parameter>& parameters() const {
        const std::vector<Parameter>* known = read.load(std::memory_order_acquire);
        if (known != nullptr) return *known;
        auto made = std::make_unique<const std::vector<Parameter>>(parameters_of(text));
        return read.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel) ? *made.release() : *known;
    }
};

// An argument of a function, and the index of an array in a list; -1 if it is not a list.
struct Where {
    const Signature* signature;
    int parameter;
    Int place = -1;

    std::string name() const {
        const std::string argument = "argument '" + signature->parameters()[parameter].name + "'";
        return place < 0 ? argument : "array " + std::to_string(place) + " of " + argument;
    }
    bool refuse(const std::string& problem) const {
        failed(LAMELLA_INVALID, std::string(signature->name) + ": " + name() + ": " + problem);
        return false;
    }
};

// Whether the numbers of the struct are consistent.
template <class T>
bool is_array(const View<T>& view, const Where& where) {
    if (view.rank < 0 || view.rank > kMaxRank)
        return where.refuse("expected a rank of 0 to 8, got " + std::to_string(view.rank));
    Int size = 1;
    for (Int i = 0; i < kMaxRank; ++i) {
        const Int n = view.shape[i];
        if (i >= view.rank ? n != 1 : n < 0) {
            return where.refuse("expected a shape of sizes from 0, and 1 beyond the rank, got " + std::to_string(n) +
                                " at axis " + std::to_string(i));
        }
        if (__builtin_mul_overflow(size, n, &size)) return where.refuse("its shape has more than 2^63 elements");
    }
    if (size != view.size) {
        return where.refuse("expected size to be the product of the shape, " + std::to_string(size) + ", got " +
                            std::to_string(view.size));
    }
    if (view.data == nullptr && size > 0) return where.refuse("expected data, got NULL");
    if (reinterpret_cast<std::uintptr_t>(view.data) % alignof(T) != 0) return where.refuse("its data are not aligned");
    return true;
}

// Reader<A>: reads an argument of the kernel's type A. `read` returns false after it has stored the error.
template <class A>
struct Reader {
    static constexpr int kParameters = 1;
    A value{};
    bool read(A given, const Where&, std::vector<Span>&) {
        value = given;
        return true;
    }
    A get() const { return value; }
};

template <class E>
struct Reader<const View<E>&> {
    static constexpr int kParameters = 1;
    using One = typename Arrays<std::remove_const_t<E>>::One;
    const View<E>* view = nullptr;
    bool read(const One* given, const Where& where, std::vector<Span>& spans) {
        static constexpr View<E> kAbsent{nullptr, 0, 1, {0, 1, 1, 1, 1, 1, 1, 1}};
        view = given != nullptr ? reinterpret_cast<const View<E>*>(given) : &kAbsent;
        if (!is_array(*view, where)) return false;
        add_span(spans, *view, where.parameter, static_cast<int>(where.place));
        return true;
    }
    const View<E>& get() const { return *view; }
};

template <class E>
struct Reader<const ViewList<E>&> {
    static constexpr int kParameters = 1;
    using List = typename Arrays<std::remove_const_t<E>>::List;
    ViewList<E> list{nullptr, 0};
    bool read(const List* given, const Where& where, std::vector<Span>& spans) {
        if (given == nullptr) return true;
        list = {reinterpret_cast<const View<E>*>(given->items), given->count};
        if (list.count < 0 || (list.items == nullptr && list.count > 0)) {
            return where.refuse("expected a list of arrays, got a count of " + std::to_string(list.count) +
                                (list.items == nullptr ? " and NULL" : ""));
        }
        for (Int i = 0; i < list.count; ++i) {
            const Where item{where.signature, where.parameter, i};
            if (!is_array(list.items[i], item)) return false;
            add_span(spans, list.items[i], where.parameter, static_cast<int>(i));
        }
        return true;
    }
    const ViewList<E>& get() const { return list; }
};

template <>
struct Reader<Window> {
    static constexpr int kParameters = 1;
    Window window{0, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
    bool read(const lamella_window* given, const Where& where, std::vector<Span>&) {
        if (given == nullptr) return where.refuse("expected a window, got NULL");
        if (given->axes < 1 || given->axes > kMaxAxes) {
            return where.refuse("expected a window on 1 to 3 axes, got " + std::to_string(given->axes));
        }
        window.axes = given->axes;
        for (Int i = 0; i < window.axes; ++i) {
            const Int at = kMaxAxes - window.axes + i;
            window.size[at] = given->size[i];
            window.stride[at] = given->stride[i];
            window.dilation[at] = given->dilation[i];
            window.before[at] = given->before[i];
        }
        return true;
    }
    Window get() const { return window; }
};

// The members of a struct with N members.
template <std::size_t N, class Struct>
auto members_of(const Struct& given) {
    static_assert(N == 3 || N == 5 || N == 6 || N == 9, "a line for this number of members is missing here");
    if constexpr (N == 3) {
        const auto& [a, b, c] = given;
        return std::make_tuple(a, b, c);
    } else if constexpr (N == 5) {
        const auto& [a, b, c, d, e] = given;
        return std::make_tuple(a, b, c, d, e);
    } else if constexpr (N == 6) {
        const auto& [a, b, c, d, e, f] = given;
        return std::make_tuple(a, b, c, d, e, f);
    } else {
        const auto& [a, b, c, d, e, f, g, h, i] = given;
        return std::make_tuple(a, b, c, d, e, f, g, h, i);
    }
}

// A bundle's C struct has its fields in the same order.
template <class Bundle, class Fields>
struct BundleReader;
template <class Bundle, class... A>
struct BundleReader<Bundle, void(A...)> {
    static constexpr int kParameters = sizeof...(A);
    std::tuple<Reader<A>...> fields;

    template <class Struct>
    bool read(const Struct* given, const Where& where, std::vector<Span>& spans) {
        if (given == nullptr) return where.refuse("expected a struct, got NULL");
        return read_each(members_of<sizeof...(A)>(*given), where, spans, std::index_sequence_for<A...>());
    }
    Bundle get() const {
        return std::apply([](const auto&... field) { return Bundle{field.get()...}; }, fields);
    }

private:
    template <class Members, std::size_t... I>
    bool read_each(const Members& members, const Where& where, std::vector<Span>& spans, std::index_sequence<I...>) {
        return (std::get<I>(fields).read(std::get<I>(members), Where{where.signature, where.parameter + static_cast<int>(I)},
                                         spans) &&
                ...);
    }
};
#define BUNDLE(name, fields) \
    template <class T>       \
    struct Reader<const name<T>&> : BundleReader<name<T>, typename Kernels<T>::name##Fields> {};
#include "table/all.def"

// Kept between calls, so that a call allocates no memory.
inline thread_local std::vector<Span> spans;

template <class T, class... A, class... Given>
lamella_status call(const Signature& signature, Status (*Kernels<T>::*kernel)(A...), const Kernels<T> Table::* kernels,
                    const Given&... given) {
    try {
        const Table* const table = current_or_null();
        if (table == nullptr)
            return failed(LAMELLA_UNSUPPORTED, std::string(signature.name) + ": no instruction set runs here");
        spans.clear();
        std::tuple<Reader<A>...> readers;
        int parameter = 0;
        const auto read = [&](auto& reader, const auto& from) {
            const Where where{&signature, std::exchange(parameter, parameter + reader.kParameters)};
            return reader.read(from, where, spans);
        };
        const bool right = std::apply([&](auto&... reader) { return (read(reader, given) && ...); }, readers);
        if (!right) return LAMELLA_INVALID;
        const std::string problem = overlap(signature.parameters(), spans);
        if (!problem.empty()) return failed(LAMELLA_INVALID, std::string(signature.name) + ": " + problem);
        const Status status =
            std::apply([&](const auto&... reader) { return (table->*kernels.*kernel)(reader.get()...); }, readers);
        if (status == nullptr) return LAMELLA_OK;
        if (status == kOutOfMemory) return failed(LAMELLA_OUT_OF_MEMORY, std::string(signature.name) + ": out of memory");
        return failed(LAMELLA_INVALID, std::string(signature.name) + ": requires " + status);
    } catch (const std::bad_alloc&) {
        return failed(LAMELLA_OUT_OF_MEMORY, {});
    }
}

}  // namespace lamella::capi
