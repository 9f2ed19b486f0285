// Quotients that are rounded down and their remainders, as Python's // and % have them: exact, and then rounded once.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// Quotients below this size are rounded to a whole number that differs by at most 1.
constexpr Int kMostQuotient = 1 << 22;

// Whole numbers of this size and those above it end with the last bit of T, so that adding and subtracting it rounds to one.
template <class T>
constexpr T kWholes = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);  // 1.5 * 2^23 and 1.5 * 2^52

// Below it, what a product loses may be smaller than the smallest number.
template <class T>
constexpr T kLeastProduct = sizeof(T) == 4 ? T(0x1p-98) : T(0x1p-960);

// v without the lower half of its digits.
template <class T>
LAMELLA_INLINE Vec<T> high_half(Vec<T> v) {
    using Word = typename VecTypes<T>::Word;
    return as_vec<T>(as_bits<T>(v) & ~((Word(1) << (sizeof(T) == 4 ? 12 : 27)) - 1));
}

// What q b loses when it is rounded, from halves of the factors, whose products are exact (Dekker 1971). Also where the CPU has
// a fused product: compilers need not use it.
template <class T>
LAMELLA_INLINE Vec<T> lost_by(Vec<T> product, Vec<T> q, Vec<T> b) {
    const Vec<T> qh = high_half<T>(q), bh = high_half<T>(b), ql = q - qh, bl = b - bh;
    return ((uncontracted<T>(qh * bh) - product) + qh * bl + ql * bh) + ql * bl;
}

template <class T>
struct Divided {
    Vec<T> quotient, rest;
};

// floor(a / b), and a - floor(a / b) * b rounded once.
template <class T>
LAMELLA_INLINE Divided<T> divided_down(Vec<T> a, Vec<T> b, Bits<T>* inexact) {
    const Vec<T> quotient = a / b;
    const Vec<T> nearest = uncontracted<T>(quotient + kWholes<T>) - kWholes<T>;
    Vec<T> q = nearest > quotient ? nearest - T(1) : nearest;
    const Vec<T> product = uncontracted<T>(q * b);
    *inexact |= ~(abs<T>(quotient) < T(kMostQuotient)) | (b - b != T(0)) | (product - product != T(0));  // infinite: NaN
    *inexact |= (abs<T>(q) > T(1)) & (abs<T>(product) < T(kLeastProduct<T>));
    Vec<T> rest = (a - product) - lost_by<T>(product, q, b);
    // The quotient was rounded up to a whole number: q is too large by 1, and the rest has not the sign of b.
    const auto wrong = (rest != T(0)) & ((rest < T(0)) ^ (b < T(0)));
    rest = wrong ? rest + b : rest;
    q = wrong ? q - T(1) : q;
    return {q == T(0) ? copy_sign<T>(q, quotient) : q, rest == T(0) ? copy_sign<T>(rest, b) : rest};
}

// y = pick of divided_down of a and b; b has a's size or one element.
template <class T, class Pick>
Status divide_down(In<T> a, In<T> b, Out<T> y, const Pick& pick) {
    LAMELLA_REQUIRE(a.size == y.size && (b.size == y.size || b.size == 1));
    static const char kInexact[] = "finite numbers with quotients below 2^22";
    if (y.size == 0) return nullptr;
    const bool one = b.size == 1;
    return in_chunks(y.size, kChunkElements, [&](Int begin, Int end) -> Status {
        Bits<T> inexact{};
        const Vec<T> divisor = broadcast<T>(*b.data);
        for_vectors<T>(begin, end, [&](Int i, Int part) {
            Vec<T> numbers = load(a.data + i, part), divisors = one ? divisor : load(b.data + i, part);
            if (part != 0) divisors = first_lanes<T>(divisors, part, broadcast<T>(T(1)));
            store(y.data + i, pick(divided_down<T>(numbers, divisors, &inexact)), part);
        });
        typename VecTypes<T>::Word any{};
        for (Int lane = 0; lane < kLanes<T>; ++lane) any |= inexact[lane];
        return any != 0 ? kInexact : nullptr;
    });
}

template <class T>
Status modulo(In<T> a, In<T> b, Out<T> y) {
    return divide_down<T>(a, b, y, [](const Divided<T>& d) { return d.rest; });
}

template <class T>
Status floor_divide(In<T> a, In<T> b, Out<T> y) {
    return divide_down<T>(a, b, y, [](const Divided<T>& d) { return d.quotient; });
}

}  // namespace
}  // namespace lamella
