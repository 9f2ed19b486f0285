// Remainders of quotients that are rounded down, as Python's % has them: exact, and then rounded once.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// Quotients below this size are rounded to a whole number that differs by at most 1.
constexpr Int kMostQuotient = 1 << 22;

// Whole numbers of this size and those above it end with the last bit of T, so that adding and subtracting it rounds to one.
template <class T>
constexpr T kWholes = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);  // 1.5 * 2^23 and 1.5 * 2^52

// v without the lower half of its digits.
template <class T>
LAMELLA_INLINE Vec<T> high_half(Vec<T> v) {
    using Word = typename VecTypes<T>::Word;
    return as_vec<T>(as_bits<T>(v) & ~((Word(1) << (sizeof(T) == 4 ? 12 : 27)) - 1));
}

// a - q b, rounded once. Without a fused product, the part that q b loses is computed from halves of the factors, whose
// products are exact (Dekker 1971).
template <class T>
LAMELLA_INLINE Vec<T> rest_of(Vec<T> a, Vec<T> q, Vec<T> b) {
#if defined(__FMA__) || defined(__aarch64__)
    Vec<T> rest = a;
    accumulate<T>(rest, -q, b);
    return rest;
#else
    const Vec<T> product = q * b, qh = high_half<T>(q), bh = high_half<T>(b), ql = q - qh, bl = b - bh;
    const Vec<T> lost = ((qh * bh - product) + qh * bl + ql * bh) + ql * bl;
    return (a - product) - lost;
#endif
}

// q = floor(a / b) is too large by 1 if the quotient was rounded up to a whole number: then a - q b has not the sign of b.
template <class T>
LAMELLA_INLINE Vec<T> modulo_of(Vec<T> a, Vec<T> b, Bits<T>* inexact) {
    const Vec<T> quotient = a / b;
    const Vec<T> nearest = uncontracted<T>(quotient + kWholes<T>) - kWholes<T>;
    const Vec<T> q = nearest > quotient ? nearest - T(1) : nearest;
    *inexact |= ~(abs<T>(quotient) < T(kMostQuotient)) | (b - b != T(0));  // the difference of infinities is NaN
    Vec<T> rest = rest_of<T>(a, q, b);
    const auto wrong = (rest != T(0)) & ((rest < T(0)) ^ (b < T(0)));
    rest = wrong ? rest + b : rest;
    return rest == T(0) ? copy_sign<T>(rest, b) : rest;
}

// y = a mod b; b has a's size or one element.
template <class T>
Status modulo(In<T> a, In<T> b, Out<T> y) {
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
            store(y.data + i, modulo_of<T>(numbers, divisors, &inexact), part);
        });
        typename VecTypes<T>::Word any{};
        for (Int lane = 0; lane < kLanes<T>; ++lane) any |= inexact[lane];
        return any != 0 ? kInexact : nullptr;
    });
}

}  // namespace
}  // namespace lamella
