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

}  // namespace
}  // namespace conclave
