// The record that a Plan keeps of the lists of its last call: the view of each array, and that no array which the kernel writes
// overlaps another one. It refers to no object and keeps no memory alive. Each call asks each array for its memory again, and
// checks further only what differs from the last call.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "arguments/overlap.h"
#include "bindings/view_of.h"

namespace lamella {

// Whether view_of would return the same view of this array as before. It writes no view: that takes 13 instead of 19 us for 4
// lists of 161 arrays of 64 numbers (Adam in float32, AVX-512, loaded).
template <class Element>
bool still(const View<Element>& view, py::handle object) {
    using T = std::remove_const_t<Element>;
    const dlpack::Functions* const functions = dlpack::known_functions_of(Py_TYPE(object.ptr()));
    if (functions == nullptr) {
        if (!py::isinstance<py::array>(object)) return false;
        const auto* const array = py::detail::array_proxy(object.ptr());
        constexpr int kNeeded = kNeededFlags<Element>;
        bool same = reinterpret_cast<const void*>(array->data) == view.data && array->nd == view.rank &&
                    (array->flags & kNeeded) == kNeeded;
        for (Int i = 0; same && i < view.rank; ++i) same = array->dimensions[i] == view.shape[i];
        return same && has_type<T>(py::reinterpret_borrow<py::array>(object));
    }
    dlpack::Tensor tensor;
    if (functions->describe(object.ptr(), &tensor) != 0) {
        PyErr_Clear();  // view_of raises it again
        return false;
    }
    const void* const data = static_cast<const char*>(tensor.data) + tensor.byte_offset;
    bool same = data == view.data && rank_of<T>(tensor) == view.rank;
    for (Int i = 0; same && i < view.rank; ++i) same = length_of(tensor, i) == view.shape[i];
    return same && is_tensor_of<T>(tensor);
}

// Objects of long lists are not in the cache, and each is read through a chain of pointers: start to load the next ones. A
// tensor of torch has a pointer to its description after its head. A word of another type may be any number: a prefetch of a
// wrong address does nothing.
inline void fetch_ahead(PyObject* list, std::size_t i, std::size_t count) {
    constexpr std::size_t kObject = 12, kBehind = 6;
    if (i + kObject >= count) return;
    __builtin_prefetch(PyList_GET_ITEM(list, i + kObject));
    PyObject* const next = PyList_GET_ITEM(list, i + kBehind);
    struct Words {
        PyObject head;
        const char* words[2];
    };
    if (Py_TYPE(next)->tp_basicsize < static_cast<Py_ssize_t>(sizeof(Words))) return;
    for (const char* word : reinterpret_cast<const Words*>(next)->words) {
        for (int line = 0; line < 3; ++line) __builtin_prefetch(word + 64 * line);
    }
}

class CheckedLists {
public:
    // Before the arguments of a call are read. `kernel` is the C++ function.
    void begin(const void* kernel) {
        if (kernel != kernel_) lists_.clear();
        known_ = whole_ && kernel == kernel_;
        kernel_ = kernel;
        whole_ = false;  // until `overlap` has passed, so that an error leaves nothing half checked
        next_ = 0;
    }

    // The views of a list. Lists come in the same order in each call.
    template <class Element>
    ViewList<Element> views(py::handle from, const Argument& argument) {
        if (next_ == lists_.size()) lists_.push_back({});
        List& list = lists_[next_++];
        const auto count = static_cast<std::size_t>(PyList_GET_SIZE(from.ptr()));
        const bool written = !std::is_const_v<Element>;
        if (list.memory.size() != count) {
            list.memory.resize(count);
            std::fill_n(reinterpret_cast<View<Element>*>(list.memory.data()), count, View<Element>{nullptr, 0, -1, {}});
            known_ = false;
        }
        list.parameter = argument.index;
        list.written = written;
        list.element = sizeof(Element);
        list.changed.clear();
        View<Element>* const views = reinterpret_cast<View<Element>*>(list.memory.data());
        for (std::size_t i = 0; i < count; ++i) {
            const py::handle object = PyList_GET_ITEM(from.ptr(), i);
            fetch_ahead(from.ptr(), i, count);
            if (still(views[i], object)) continue;
            views[i] = view_of<Element>(object, argument);
            if (written) known_ = false;
            else list.changed.push_back(static_cast<int>(i));
        }
        return {views, static_cast<Int>(count)};
    }

    // The error message as lamella::overlap gives it; empty if nothing overlaps. `others`: the memory of the other arguments.
    std::string overlap(const std::vector<Parameter>& parameters, std::vector<Span>& others) {
        if (known_ && others.empty() && !changed_overlap()) {
            whole_ = true;
            return {};
        }
        const bool only_lists = others.empty();
        for (const List& list : lists_) {
            for (std::size_t i = 0; i < list.memory.size(); ++i) {
                const Span span = list.span(i);
                if (span.begin < span.end) others.push_back(span);
            }
        }
        std::string message = lamella::overlap(parameters, others);
        if (!message.empty()) return message;
        written_.clear();
        for (const Span& span : others) {
            if (span.written) written_.push_back(span);
        }
        std::sort(written_.begin(), written_.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
        whole_ = only_lists;
        return {};
    }

private:
    struct List {
        int parameter = 0;
        bool written = false;
        std::size_t element = 0;
        std::vector<View<char>> memory;  // holds objects of type View<Element>, which has the same layout
        std::vector<int> changed;        // of a list that is read

        Span span(std::size_t i) const {
            View<char> view;
            std::memcpy(&view, &memory[i], sizeof view);  // the compiler may assume that views of other types are elsewhere
            const auto begin = reinterpret_cast<std::uintptr_t>(view.data);
            return {begin, begin + view.size * element, parameter, static_cast<int>(i), written};
        }
    };

    // Whether an array that is read, and has not been compared yet, overlaps a written one. Written arrays do not overlap each
    // other, so the last one that begins before the end of the array is enough.
    bool changed_overlap() const {
        for (const List& list : lists_) {
            for (const int i : list.changed) {
                const Span span = list.span(i);
                const auto above = std::lower_bound(written_.begin(), written_.end(), span.end,
                                                    [](const Span& a, std::uintptr_t end) { return a.begin < end; });
                if (above != written_.begin() && (above - 1)->overlaps(span)) return true;
            }
        }
        return false;
    }

    const void* kernel_ = nullptr;
    std::vector<List> lists_;
    std::size_t next_ = 0;
    std::vector<Span> written_;  // in the order of addresses
    bool whole_ = false;         // the last call had no other memory, and nothing in it overlapped
    bool known_ = false;         // this is still true of all that is written in this call
};

}  // namespace lamella
