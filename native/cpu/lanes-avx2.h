// 16 f32 lanes in two 256-bit registers.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace conclave {
namespace {

struct Lanes {
  __m256 low, high;
};
struct PairLanes {
  Lanes even, odd;
};
struct PairInput {
  __m256 even, odd;
};

// 2 rows x 2 halves x 2 registers are 8 of the 16; the weights of a bf16 pair take 4 to 8 more.
constexpr int tileRows = 2;
// Rows for which codes are decoded in registers, again for each tile.
constexpr int directRows = 2;

inline Lanes zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline void store(float* to, const Lanes& x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}
inline Lanes broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Lanes loadF32(const std::byte* from) {
  const float* x = reinterpret_cast<const float*>(from);
  return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}
inline Lanes loadF16(const std::byte* from) {
  const __m128i* x = reinterpret_cast<const __m128i*>(from);
  return {_mm256_cvtph_ps(_mm_loadu_si128(x)), _mm256_cvtph_ps(_mm_loadu_si128(x + 1))};
}
inline __m256 bf16Part(const std::byte* from) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Lanes loadBf16(const std::byte* from) { return {bf16Part(from), bf16Part(from + 16)}; }
inline Lanes multiply(const Lanes& a, const Lanes& b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Lanes multiplyAdd(const Lanes& a, const Lanes& b, const Lanes& sum) {
  return {_mm256_fmadd_ps(a.low, b.low, sum.low), _mm256_fmadd_ps(a.high, b.high, sum.high)};
}

// A bf16 is the upper half of an f32: the even input of a pair is shifted up, the odd one stays where it is.
inline __m256 evenOf(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
inline __m256 oddOf(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int32_t>(0xffff0000u))));
}

inline PairLanes loadPairs(const std::byte* from) {
  const __m256i* pairs = reinterpret_cast<const __m256i*>(from);
  const __m256i low = _mm256_loadu_si256(pairs), high = _mm256_loadu_si256(pairs + 1);
  return {{evenOf(low), evenOf(high)}, {oddOf(low), oddOf(high)}};
}
inline PairInput broadcastPair(uint32_t pair) {
  const __m256i all = _mm256_set1_epi32(static_cast<int32_t>(pair));
  return {evenOf(all), oddOf(all)};
}
inline Lanes addPairs(const Lanes& sum, const PairLanes& w, const PairInput& x) {
  const Lanes odd = multiplyAdd(w.odd, {x.odd, x.odd}, sum);
  return multiplyAdd(w.even, {x.even, x.even}, odd);
}
inline Lanes evenOf(const PairLanes& w) { return w.even; }
inline Lanes oddOf(const PairLanes& w) { return w.odd; }

// 16 words of 32 bits.
struct Words {
  __m256i low, high;
};
inline Words loadWords(const std::byte* from) {
  const __m256i* words = reinterpret_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1)};
}
inline Words loadBytes(const std::byte* from) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
template <int by>
Words shiftRight(const Words& x) {
  return {_mm256_srli_epi32(x.low, by), _mm256_srli_epi32(x.high, by)};
}
template <int by>
Words shiftLeft(const Words& x) {
  return {_mm256_slli_epi32(x.low, by), _mm256_slli_epi32(x.high, by)};
}
inline Words masked(const Words& x, int32_t mask) {
  const __m256i all = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(x.low, all), _mm256_and_si256(x.high, all)};
}
inline Words either(const Words& a, const Words& b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
inline Lanes integersToLanes(const Words& x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }

// A table of eight looks at three bits of an index.
inline __m256 e2m1Part(__m256i x) {
  const __m256 magnitudes = _mm256_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6);
  const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(8)), 28);
  return _mm256_or_ps(_mm256_permutevar8x32_ps(magnitudes, x), _mm256_castsi256_ps(sign));
}
// Of the lower four bits, whatever the others are.
inline Lanes e2m1ToLanes(const Words& x) { return {e2m1Part(x.low), e2m1Part(x.high)}; }

inline __m256 e4m3Part(__m256i x) {
  const __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi32(0x7f));
  const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x80)), 24);
  const __m256i normal = _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32(120 << 23));
  const __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0x1p-9f));
  const __m256i isSubnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude);
  const __m256 value = _mm256_blendv_ps(_mm256_castsi256_ps(normal), subnormal, _mm256_castsi256_ps(isSubnormal));
  return _mm256_or_ps(value, _mm256_castsi256_ps(sign));
}
// Of the lower eight bits, whatever the others are.
inline Lanes e4m3ToLanes(const Words& x) { return {e4m3Part(x.low), e4m3Part(x.high)}; }
// 2^(x - 127), as bits of an f32
inline Lanes e8m0ToLanes(const Words& x) {
  const Words bits = shiftLeft<23>(x);
  return {_mm256_castsi256_ps(bits.low), _mm256_castsi256_ps(bits.high)};
}

inline void prefetch(const std::byte* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }

}  // namespace
}  // namespace conclave

// In terms of the lanes above.
#include "codes-by-word.h"
