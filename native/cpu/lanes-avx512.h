// 16 f32 lanes in one 512-bit register, with the bf16 dot-product instruction.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace conclave {
namespace {

using Lanes = __m512;
using PairLanes = __m512bh;
using PairInput = __m512bh;

// 12 rows x 2 halves of a panel are 24 of the 32 registers.
constexpr int tileRows = 12;

inline Lanes zero() { return _mm512_setzero_ps(); }
inline void store(float* to, const Lanes& x) { _mm512_storeu_ps(to, x); }
inline Lanes broadcast(float x) { return _mm512_set1_ps(x); }
inline Lanes loadF32(const std::byte* from) { return _mm512_loadu_ps(from); }
inline Lanes loadF16(const std::byte* from) {
  // The unmasked form is written in terms of an undefined register, which -Wmaybe-uninitialized refuses.
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline Lanes multiplyAdd(const Lanes& a, const Lanes& b, const Lanes& sum) { return _mm512_fmadd_ps(a, b, sum); }

// 16 outputs x 2 inputs.
inline PairLanes loadPairs(const std::byte* from) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from)); }
inline PairInput broadcastPair(uint32_t pair) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(pair)));
}
inline Lanes addPairs(const Lanes& sum, const PairLanes& w, const PairInput& x) { return _mm512_dpbf16_ps(sum, w, x); }

}  // namespace
}  // namespace conclave
