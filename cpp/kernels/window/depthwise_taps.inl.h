// The data that the sums of a depthwise convolution read. A channel here is a channel of the output, c*M + m: if M > 1, rows of
// the input are copied with each channel repeated M times, so that the other code has only one kind of channel.
#pragma once
#include "kernels/axes.h"

namespace lamella {
namespace {

// Along one axis: a sum reads the source at first + u*step with the window's element tap + u*tap_step, for 0 <= u < count.
struct Line {
    Int first, step, tap, tap_step, count;

    Int place(Int u) const { return first + u * step; }
    Int least() const { return step > 0 ? place(0) : place(count - 1); }
    Int most() const { return step > 0 ? place(count - 1) : place(0); }

    Line moved(Int by) const { return {first + by, step, tap, tap_step, count}; }
    // The part inside [0, n).
    Line inside(Int n) const {
        Line line = *this;
        while (line.count > 0 && (line.first < 0 || line.first >= n)) {
            line.first += step;
            line.tap += tap_step;
            --line.count;
        }
        while (line.count > 0 && (line.place(line.count - 1) < 0 || line.place(line.count - 1) >= n)) --line.count;
        return line;
    }
};

LAMELLA_INLINE Int greatest_common_divisor(Int a, Int b) {
    while (b != 0) {
        const Int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// The windows of a convolution along one axis, for a position of its output or of its input.
struct WindowAxis {
    Int size, stride, dilation, before;

    Line of_output(Int i) const { return {i * stride - before, dilation, 0, 1, size}; }

    // Window q covers position i with its element j if q*stride = i + before - j*dilation.
    Line of_input(Int i) const {
        const Int tap_step = stride / greatest_common_divisor(stride, dilation);
        Int tap = 0;
        while (tap < size && tap < tap_step && (i + before - tap * dilation) % stride != 0) ++tap;
        if (tap == size || tap == tap_step) return {0, 1, 0, 1, 0};
        return {(i + before - tap * dilation) / stride, -(dilation * tap_step / stride), tap, tap_step,
                ceil_divide(size - tap, tap_step)};
    }
};

// A tap: the offset at which the first point reads the source, and the offset of its weights.
struct Tap {
    Int x, w;
};

// The array that is read, [images, slices, rows, columns, channels]: in place, or row by row in a ring buffer of copies, in
// which each channel is repeated `multiplier` times. A copy is [phase][column], where columns whose distance is a multiple of
// `phases` are side by side, or [vector][column][lane] of `length` columns from `first` on, with zeros outside of the array.
template <class T>
struct Source {
    const T* data;
    Int slices, rows, columns, channels;  // channels of `data`
    Int multiplier, phases;
    Int ring_slices, ring_rows;  // 0: in place
    Int first, length;           // length 0: by phases

    bool copied() const { return ring_slices > 0; }
    Int width() const { return channels * multiplier; }
    Int vectors() const { return ceil_divide(width(), kLanes<T>); }
    // An odd number of cache lines: a copy writes neighbouring vectors in turn, and they are in different sets of L1.
    Int vector_step() const {
        constexpr Int kLine = 64 / Int{sizeof(T)};
        return (ceil_divide(length * kLanes<T>, kLine) | 1) * kLine;
    }
    // A channel is written as a whole vector, and the next channel overwrites the rest: so a vector may follow the last one.
    Int phase_size() const { return copied() ? ceil_divide(columns, phases) * width() + kLanes<T> : 0; }
    Int row_size() const { return length > 0 ? vectors() * vector_step() : phases * phase_size(); }
    Int ring() const { return ring_slices * ring_rows; }  // rows of it
    Int ring_size() const { return ring() * row_size(); }
    // The size of a row with repeated channels, before it is copied into vectors.
    Int repeated_size() const { return length > 0 && multiplier > 1 ? columns * width() + kLanes<T> : 0; }
    // Of the `length` columns those in the array are [edge_before, edge_behind).
    Int edge_before() const { return smaller(larger(-first, 0), length); }
    Int edge_behind() const { return larger(edge_before(), smaller(columns - first, length)); }
    // The offset of a column in a row; a column before the row is allowed only if there is one phase.
    Int offset(Int place) const {
        return phases == 1 ? place * width() : place % phases * phase_size() + place / phases * width();
    }
};

// The rows of the source for one chunk: in place, or copied to the ring at their first use.
template <class T>
class SourceRows {
public:
    // ring, holds, repeated: memory for source.ring_size(), source.ring() and source.repeated_size() elements.
    SourceRows(const Source<T>& source, T* ring, Int* holds, T* repeated)
        : source_(source), ring_(ring), repeated_(repeated), holds_(holds) {
        for (Int i = 0; i < source.ring(); ++i) holds_[i] = -1;
        if (source.length == 0) return;
        for (Int v = 0; v < source.ring() * source.vectors(); ++v) clear_edges(ring_ + v * source.vector_step());
    }

    const T* begin() const { return source_.copied() ? ring_ : source_.data; }

    // The offset of a row from begin(). A copy is overwritten by the row that is the length of the ring later.
    Int row(Int image, Int slice, Int row) {
        const Int number = (image * source_.slices + slice) * source_.rows + row;
        if (!source_.copied()) return number * source_.columns * source_.channels;
        const Int at = slice % source_.ring_slices * source_.ring_rows + row % source_.ring_rows;
        if (holds_[at] != number) {
            copy_row(source_.data + number * source_.columns * source_.channels, ring_ + at * source_.row_size());
            holds_[at] = number;
        }
        return at * source_.row_size();
    }

private:
    void copy_row(const T* from, T* to) const {
        if (source_.length > 0) {
            if (source_.multiplier > 1) {
                repeat(from, source_.columns * source_.channels, source_.multiplier, repeated_);
                from = repeated_;
            }
            return copy_by_vectors(from, to);
        }
        for (Int place = 0; place < source_.columns; ++place, from += source_.channels) {
            T* const at = to + source_.offset(place);
            if (source_.multiplier == 1) copy(from, at, source_.channels);
            else repeat(from, source_.channels, source_.multiplier, at);
        }
    }

    // Writes each element `times` times. The rest of a vector is written, too.
    static void repeat(const T* from, Int count, Int times, T* to) {
        for (Int i = 0; i < count; ++i, to += times) {
            const Vec<T> value = broadcast<T>(from[i]);
            for (Int m = 0; m < times; m += kLanes<T>) store(to + m, value);
        }
    }

    void copy_by_vectors(const T* from, T* to) const {
        const Int width = source_.width(), step = source_.vector_step(), begin = source_.edge_before();
        const T* x = from + (source_.first + begin) * width;
        T* column = to + begin * kLanes<T>;
        for (Int left = source_.edge_behind() - begin; left > 0; --left, x += width, column += kLanes<T>) {
            T* at = column;
            Int c = 0;
            for (; c + 2 * kLanes<T> <= width; c += 2 * kLanes<T>, at += 2 * step) {
                const Vec<T> first = load(x + c), second = load(x + c + kLanes<T>);
                store(at, first);
                store(at + step, second);
            }
            for (; c < width; c += kLanes<T>, at += step) {
                store(at, load(x + c, width - c < kLanes<T> ? width - c : 0));
            }
        }
    }

    // Clears the columns that no copy writes.
    void clear_edges(T* vector) const {
        clear(vector, source_.edge_before() * kLanes<T>);
        clear(vector + source_.edge_behind() * kLanes<T>, (source_.length - source_.edge_behind()) * kLanes<T>);
    }

    const Source<T>& source_;
    T *ring_, *repeated_;
    Int* holds_;
};

// Rows and columns of the window, and the distance of the weights of two neighbouring elements.
struct WeightShape {
    Int rows, columns, step;
};

// Lists the taps of one point; returns their number.
template <class T>
Int list_taps(SourceRows<T>& rows, const Source<T>& source, Int image, const Line& slice, const Line& row, const Line& column,
              const WeightShape& w, Tap* taps) {
    Int count = 0;
    for (Int i = 0; i < slice.count; ++i) {
        for (Int j = 0; j < row.count; ++j) {
            const Int from = rows.row(image, slice.place(i), row.place(j));
            const Int above = ((slice.tap + i * slice.tap_step) * w.rows + row.tap + j * row.tap_step) * w.columns;
            for (Int u = 0; u < column.count; ++u) {
                taps[count++] = {from + source.offset(column.place(u)), (above + column.tap + u * column.tap_step) * w.step};
            }
        }
    }
    return count;
}

}  // namespace
}  // namespace lamella
