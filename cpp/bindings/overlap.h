// What a kernel writes may overlap nothing else of its arguments; the table says what may be written in place.
#pragma once
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace lamella {

// One name of a kernel's signature. in_place: it may be one of the inputs, the whole of it.
struct Parameter {
    std::string name;
    bool in_place;
};

// The memory of one array. place: its own in the list that it came in, -1 if it came alone.
struct Span {
    std::uintptr_t begin, end;
    int parameter, place;
    bool written;

    bool meets(const Span& other) const { return begin < other.end && other.begin < end; }
    bool is(const Span& other) const { return begin == other.begin && end == other.end; }
};

// Whether something written may overlap anything: one pass in the order of addresses.
inline bool any_overlap(std::vector<Span>& spans) {
    std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
    std::uintptr_t end = 0, written_end = 0;
    for (const Span& span : spans) {
        if (span.begin < (span.written ? end : written_end)) return true;
        end = std::max(end, span.end);
        if (span.written) written_end = std::max(written_end, span.end);
    }
    return false;
}

// Raises ValueError that names both arguments.
inline void refuse_overlaps(const char* kernel, const std::vector<Parameter>& parameters, std::vector<Span>& spans) {
    // Below this each with each takes less time than sorting; an optimizer's lists hold hundreds.
    constexpr std::size_t kFew = 16;
    if (spans.size() > kFew && !any_overlap(spans)) return;
    const auto name_of = [&](const Span& span) {
        const std::string name = "argument '" + parameters[span.parameter].name + "'";
        return span.place < 0 ? name : "array " + std::to_string(span.place) + " of " + name;
    };
    for (const Span& out : spans) {
        if (!out.written) continue;
        const bool in_place = parameters[out.parameter].in_place;
        for (const Span& other : spans) {
            if (&other == &out || !out.meets(other) || (in_place && !other.written && out.is(other))) continue;
            throw pybind11::value_error(std::string(kernel) + ": " + name_of(out) + ": expected memory of its own" +
                                        (in_place ? " or exactly that of an input" : "") + ", got some of " + name_of(other));
        }
    }
}

}  // namespace lamella
