// Four elements, the channels of one pixel, for any width of the target's vectors.
#pragma once
#include "simd/vec.h"

namespace lamella {
namespace {

// Elements of a quad in one register.
template <class T>
constexpr int kPiece = kLanes<T> < 4 ? kLanes<T> : 4;

template <class T>
struct QuadTypes {
    typedef T Quad __attribute__((vector_size(4 * sizeof(T))));
    typedef T Loose __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
    typedef T Piece __attribute__((vector_size(kPiece<T> * sizeof(T))));
    typedef T LoosePiece __attribute__((vector_size(kPiece<T> * sizeof(T)), aligned(sizeof(T)), may_alias));
};

template <class T>
using Quad = typename QuadTypes<T>::Quad;

// A quad, or a part of it where a quad has two registers: gcc 12 broadcasts to two registers element by element, through
// memory.
template <class T>
using Piece = typename QuadTypes<T>::Piece;

template <class T>
LAMELLA_INLINE Piece<T> load_piece(const T* p) {
    return *reinterpret_cast<const typename QuadTypes<T>::LoosePiece*>(p);
}

template <class T>
LAMELLA_INLINE void store_piece(T* p, Piece<T> v) {
    *reinterpret_cast<typename QuadTypes<T>::LoosePiece*>(p) = v;
}

// x in each element. By pieces, because gcc 12 broadcasts to two registers element by element, through memory.
template <class T>
LAMELLA_INLINE Quad<T> broadcast_quad(T x) {
    const Piece<T> piece = Piece<T>{} + x;
    Quad<T> v;
    for (int i = 0; i < 4; i += kPiece<T>) std::memcpy(reinterpret_cast<char*>(&v) + i * sizeof(T), &piece, sizeof piece);
    return v;
}

template <class T>
LAMELLA_INLINE Quad<T> load_quad(const T* p) {
    return *reinterpret_cast<const typename QuadTypes<T>::Loose*>(p);
}

// Converts bytes to numbers. With intrinsics, because gcc 12 compiles __builtin_convertvector of bytes lane by lane.
template <class T>
LAMELLA_INLINE Quad<T> load_quad(const std::uint8_t* p) {
    typedef std::int32_t Words __attribute__((vector_size(16)));
    std::int32_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
#if defined(__x86_64__)
    const auto words = reinterpret_cast<Words>(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
#else
    const auto words =
        reinterpret_cast<Words>(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(static_cast<std::uint32_t>(bytes))))));
#endif
    return __builtin_convertvector(words, Quad<T>);
}

template <class T>
LAMELLA_INLINE void store_quad(T* p, Quad<T> v) {
    *reinterpret_cast<typename QuadTypes<T>::Loose*>(p) = v;
}

}  // namespace
}  // namespace lamella
