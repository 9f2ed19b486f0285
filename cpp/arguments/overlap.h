// An array that a kernel writes must not overlap its other arguments; the table says which arrays may be written in place.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "arguments/signature.h"
#include "core/view.h"

namespace lamella {

// The memory of one array. place: its index in its list, or -1 for an array that is not in a list.
struct Span {
    std::uintptr_t begin, end;
    int parameter, place;
    bool written;

    bool overlaps(const Span& other) const { return begin < other.end && other.begin < end; }
    bool equals(const Span& other) const { return begin == other.begin && end == other.end; }
};

// The memory of an array, unless it is absent.
template <class Element>
void add_span(std::vector<Span>& spans, const View<Element>& view, int parameter, int place) {
    if (view.size == 0) return;  // absent
    const auto begin = reinterpret_cast<std::uintptr_t>(view.data);
    spans.push_back({begin, begin + view.size * sizeof(Element), parameter, place, !std::is_const_v<Element>});
}

// Whether a written array may overlap another one: one pass in the order of addresses.
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

// The error message, with the names of both arguments; empty if nothing overlaps.
inline std::string overlap(const std::vector<Parameter>& parameters, std::vector<Span>& spans) {
    // Up to this number of arrays it is faster to compare all pairs than to sort. An optimizer's lists have hundreds.
    constexpr std::size_t kFew = 16;
    if (spans.size() > kFew && !any_overlap(spans)) return {};
    const auto name_of = [&](const Span& span) {
        const std::string name = "argument '" + parameters[span.parameter].name + "'";
        return span.place < 0 ? name : "array " + std::to_string(span.place) + " of " + name;
    };
    for (const Span& out : spans) {
        if (!out.written) continue;
        const bool in_place = parameters[out.parameter].in_place;
        for (const Span& other : spans) {
            if (&other == &out || !out.overlaps(other) || (in_place && !other.written && out.equals(other))) continue;
            return name_of(out) + ": expected memory of its own" + (in_place ? " or exactly that of an input" : "") +
                   ", got some of " + name_of(other);
        }
    }
    return {};
}

}  // namespace lamella
