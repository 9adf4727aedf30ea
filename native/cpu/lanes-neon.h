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
// Rows for which codes are decoded in registers, again for each tile.
constexpr int directRows = 2;

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
inline Lanes loadBf16(const std::byte* from) {
  const uint16_t* x = reinterpret_cast<const uint16_t*>(from);
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(x + 4 * p), 16));
  return result;
}
inline Lanes multiply(const Lanes& a, const Lanes& b) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vmulq_f32(a.part[p], b.part[p]);
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
inline Lanes evenOf(const PairLanes& w) { return w.even; }
inline Lanes oddOf(const PairLanes& w) { return w.odd; }

// 16 words of 32 bits.
struct Words {
  uint32x4_t part[4];
};
template <typename Change>
Words eachPart(const Change& change) {
  Words result;
  for (int p = 0; p < 4; ++p) result.part[p] = change(p);
  return result;
}
inline Words loadWords(const std::byte* from) {
  return eachPart([&](int p) { return vld1q_u32(reinterpret_cast<const uint32_t*>(from) + 4 * p); });
}
inline Words loadBytes(const std::byte* from) {
  const uint8x16_t bytes = vld1q_u8(reinterpret_cast<const uint8_t*>(from));
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
  return {{vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)), vmovl_u16(vget_low_u16(high)),
           vmovl_u16(vget_high_u16(high))}};
}
template <int by>
Words shiftRight(const Words& x) {
  if constexpr (by == 0) return x;
  return eachPart([&](int p) { return vshlq_u32(x.part[p], vdupq_n_s32(-by)); });
}
template <int by>
Words shiftLeft(const Words& x) {
  return eachPart([&](int p) { return vshlq_n_u32(x.part[p], by); });
}
inline Words masked(const Words& x, int32_t mask) {
  return eachPart([&](int p) { return vandq_u32(x.part[p], vdupq_n_u32(static_cast<uint32_t>(mask))); });
}
inline Words either(const Words& a, const Words& b) {
  return eachPart([&](int p) { return vorrq_u32(a.part[p], b.part[p]); });
}
inline Lanes integersToLanes(const Words& x) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vcvtq_f32_u32(x.part[p]);
  return result;
}

// Twice the value is a small integer.
inline float32x4_t e2m1Part(uint32x4_t x) {
  constexpr int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const uint8x16_t index = vreinterpretq_u8_u32(vandq_u32(x, vdupq_n_u32(15)));
  const int32x4_t twice = vshrq_n_s32(vshlq_n_s32(vreinterpretq_s32_s8(vqtbl1q_s8(vld1q_s8(doubled), index)), 24), 24);
  // -0 is a code of its own: its sign comes back.
  const uint32x4_t sign = vshlq_n_u32(vandq_u32(x, vdupq_n_u32(8)), 28);
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(vcvtq_n_f32_s32(twice, 1)), sign));
}
// Of the lower four bits, whatever the others are.
inline Lanes e2m1ToLanes(const Words& x) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = e2m1Part(x.part[p]);
  return result;
}
inline float32x4_t e4m3Part(uint32x4_t x) {
  const uint32x4_t magnitude = vandq_u32(x, vdupq_n_u32(0x7f));
  const uint32x4_t sign = vshlq_n_u32(vandq_u32(x, vdupq_n_u32(0x80)), 24);
  const uint32x4_t normal = vaddq_u32(vshlq_n_u32(magnitude, 20), vdupq_n_u32(120u << 23));
  const float32x4_t subnormal = vmulq_f32(vcvtq_f32_u32(magnitude), vdupq_n_f32(0x1p-9f));
  const uint32x4_t bits = vbslq_u32(vcltq_u32(magnitude, vdupq_n_u32(8)), vreinterpretq_u32_f32(subnormal), normal);
  return vreinterpretq_f32_u32(vorrq_u32(bits, sign));
}
// Of the lower eight bits, whatever the others are.
inline Lanes e4m3ToLanes(const Words& x) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = e4m3Part(x.part[p]);
  return result;
}
// 2^(x - 127), as bits of an f32
inline Lanes e8m0ToLanes(const Words& x) {
  Lanes result;
  for (int p = 0; p < 4; ++p) result.part[p] = vreinterpretq_f32_u32(vshlq_n_u32(x.part[p], 23));
  return result;
}

inline void prefetch(const std::byte* at) { __builtin_prefetch(at); }

}  // namespace
}  // namespace conclave

// In terms of the lanes above.
#include "codes-by-word.h"
