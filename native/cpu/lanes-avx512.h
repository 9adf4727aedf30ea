// 16 f32 lanes in one 512-bit register, with the bf16 dot-product instruction.
#pragma once
#include <immintrin.h>

// GCC 12's intrinsics are written in terms of an undefined register, about which it warns once they are inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <cstddef>
#include <cstdint>

namespace conclave {
namespace {

using Lanes = __m512;
using PairLanes = __m512bh;
using PairInput = __m512bh;

// 12 rows x 2 halves of a panel are 24 of the 32 registers.
constexpr int tileRows = 12;
// Rows for which codes are decoded in registers, again for each tile.
constexpr int directRows = 2;

inline Lanes zero() { return _mm512_setzero_ps(); }
inline void store(float* to, const Lanes& x) { _mm512_storeu_ps(to, x); }
inline Lanes broadcast(float x) { return _mm512_set1_ps(x); }
inline Lanes loadF32(const std::byte* from) { return _mm512_loadu_ps(from); }
inline Lanes loadF16(const std::byte* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline Lanes loadBf16(const std::byte* from) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline Lanes multiply(const Lanes& a, const Lanes& b) { return _mm512_mul_ps(a, b); }
inline Lanes multiplyAdd(const Lanes& a, const Lanes& b, const Lanes& sum) { return _mm512_fmadd_ps(a, b, sum); }

// 16 outputs x 2 inputs.
inline PairLanes loadPairs(const std::byte* from) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from)); }
inline PairInput broadcastPair(uint32_t pair) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(pair)));
}
inline Lanes addPairs(const Lanes& sum, const PairLanes& w, const PairInput& x) { return _mm512_dpbf16_ps(sum, w, x); }

// A bf16 is the upper half of an f32: the even input of a pair is shifted up, the odd one stays where it is.
inline Lanes evenOf(const PairLanes& w) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(reinterpret_cast<__m512i>(w), 16));
}
inline Lanes oddOf(const PairLanes& w) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xffff0000u));
  return _mm512_castsi512_ps(_mm512_and_si512(reinterpret_cast<__m512i>(w), upper));
}

// 16 numbers of 8 bits.
using Words = __m512i;
inline Words loadBytes(const std::byte* from) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
// 2^(x - 127), as bits of an f32
inline Lanes e8m0ToLanes(const Words& x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 23)); }
inline Lanes e4m3ToLanes(const Words& x) {
  const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi32(0x7f));
  const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(x, _mm512_set1_epi32(0x80)), 24);
  const __m512i normal = _mm512_add_epi32(_mm512_slli_epi32(magnitude, 20), _mm512_set1_epi32(120 << 23));
  const __m512 subnormal = _mm512_mul_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(0x1p-9f));
  const __mmask16 isSubnormal = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(8));
  const __m512i bits = _mm512_mask_mov_epi32(normal, isSubnormal, _mm512_castps_si512(subnormal));
  return _mm512_castsi512_ps(_mm512_or_si512(bits, sign));
}

inline void prefetch(const std::byte* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }

}  // namespace
}  // namespace conclave
