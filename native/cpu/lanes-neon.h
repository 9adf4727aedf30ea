// 16 f32 lanes in four 128-bit registers. Plain fma throughout: BFDOT rounds differently and is never used.
#pragma once
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace conclave {
namespace {

struct Lanes {
  float32x4_t part[4];
};
struct PairLanes {
  Lanes even, odd;
};
struct PairInput {
  float32x4_t even, odd;
};

// 2 rows x 2 halves x 4 registers are 16 of the 32; the weights of a bf16 pair take 16 more at most.
constexpr int tileRows = 2;

inline Lanes zero() {
  const float32x4_t z = vdupq_n_f32(0.0f);
  return {{z, z, z, z}};
}
inline void store(float* to, const Lanes& x) {
  for (int p = 0; p < 4; ++p) vst1q_f32(to + 4 * p, x.part[p]);
}
inline Lanes broadcast(float x) {
  const float32x4_t all = vdupq_n_f32(x);
  return {{all, all, all, all}};
}
inline Lanes loadF32(const std::byte* from) {
  const float* x = reinterpret_cast<const float*>(from);
  return {{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}
inline Lanes loadF16(const std::byte* from) {
  const uint16_t* x = reinterpret_cast<const uint16_t*>(from);
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x + 4 * p)));
  return result;
}
inline Lanes multiplyAdd(const Lanes& a, const Lanes& b, const Lanes& sum) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vfmaq_f32(sum.part[p], a.part[p], b.part[p]);
  return result;
}

// A bf16 is the upper half of an f32: the even input of a pair is shifted up, the odd one stays where it is.
inline float32x4_t evenOf(uint32x4_t pairs) { return vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)); }
inline float32x4_t oddOf(uint32x4_t pairs) { return vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u))); }

inline PairLanes loadPairs(const std::byte* from) {
  const uint32_t* pairs = reinterpret_cast<const uint32_t*>(from);
  PairLanes result;
  for (int p = 0; p < 4; ++p) {
    const uint32x4_t four = vld1q_u32(pairs + 4 * p);
    result.even.part[p] = evenOf(four);
    result.odd.part[p] = oddOf(four);
  }
  return result;
}
inline PairInput broadcastPair(uint32_t pair) {
  const uint32x4_t all = vdupq_n_u32(pair);
  return {evenOf(all), oddOf(all)};
}
inline Lanes addPairs(const Lanes& sum, const PairLanes& w, const PairInput& x) {
  const Lanes odd = multiplyAdd(w.odd, {{x.odd, x.odd, x.odd, x.odd}}, sum);
  return multiplyAdd(w.even, {{x.even, x.even, x.even, x.even}}, odd);
}

}  // namespace
}  // namespace conclave
