// Codes of packed panels (core/panel-layout.h) as pairs of bf16 for the dot-product instruction. Up to six bits are an
// index of a table in registers.
#pragma once
#include <array>
#include <bit>

#include "../core/panel-layout.h"
#include "lanes-avx512.h"

namespace conclave {
namespace {

constexpr uint16_t upperHalf(float x) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16); }

// The bf16 of each index; codes of fewer bits are repeated, so that the bits above them do not matter.
template <WeightCodes codes>
constexpr std::array<uint16_t, 64> bf16Table() {
  constexpr float e2m1[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  constexpr unsigned count = 1u << WeightFormat(codes, ScaleType::none, 0).bits();
  std::array<uint16_t, 64> table{};
  for (unsigned i = 0; i < 64; ++i) {
    const unsigned code = i % count;
    table[i] = codes == WeightCodes::e2m1
                   ? static_cast<uint16_t>(upperHalf(e2m1[code % 8]) | (code >= 8 ? 0x8000u : 0u))
                   : upperHalf(static_cast<float>(code));
  }
  return table;
}

template <WeightCodes codes>
alignas(64) constexpr std::array<uint16_t, 64> bf16OfCode = bf16Table<codes>();

// Loads slot after slot of a unit: 16 outputs x 2 inputs each.
template <WeightCodes codes>
struct CodePairs {
  static constexpr int bits = WeightFormat(codes, ScaleType::none, 0).bits();
  static constexpr CodePlanes planes = planesOf(bits);

  template <int slot>
  static inline PairLanes load(const std::byte* unit) {
    if constexpr (codes == WeightCodes::affine8) {
      return bytesToPairs<slot % 2>(loadRegister(unit + slot / 2 * 64));
    } else if constexpr (codes == WeightCodes::e4m3) {
      return e4m3ToPairs<slot % 2>(loadRegister(unit + slot / 2 * 64));
    } else {
      return lookUp(indices<slot>(unit));
    }
  }

 private:
  static inline __m512i loadRegister(const std::byte* from) { return _mm512_loadu_si512(from); }

  // The codes in the lower bits of each word, other bits above.
  template <int slot>
  static inline __m512i indices(const std::byte* unit) {
    const __m512i lower = field<planes.lower, slot, 0>(unit);
    if constexpr (planes.upper == 0) {
      return lower;
    } else {
      const __m512i upper = field<planes.upper, slot, planes.lower>(unit + unitBytes(planes.lower));
      const __m512i ofLower = _mm512_set1_epi16((1 << planes.lower) - 1);
      return _mm512_ternarylogic_epi32(ofLower, lower, upper, 0xca);  // lower where the mask is set, else upper
    }
  }

  // The field of a slot, moved to begin at bit `to`.
  template <int width, int slot, int to>
  static inline __m512i field(const std::byte* plane) {
    constexpr int perRegister = 16 / width, at = slot % perRegister * width;
    const __m512i words = loadRegister(plane + slot / perRegister * 64);
    if constexpr (at > to) {
      return _mm512_srli_epi16(words, at - to);
    } else if constexpr (at < to) {
      return _mm512_slli_epi16(words, to - at);
    } else {
      return words;
    }
  }

  static inline PairLanes lookUp(__m512i index) {
    const uint16_t* table = bf16OfCode<codes>.data();
    if constexpr (bits == 6) {
      const __m512i first = _mm512_load_si512(table), second = _mm512_load_si512(table + 32);
      return reinterpret_cast<__m512bh>(_mm512_permutex2var_epi16(first, index, second));
    } else {
      return reinterpret_cast<__m512bh>(_mm512_permutexvar_epi16(index, _mm512_load_si512(table)));
    }
  }

  // Integers of 8 bits, the lower or the upper ones of all words: the upper half of their f32 is their bf16.
  template <int upper>
  static inline PairLanes bytesToPairs(__m512i words) {
    const __m512i byte = _mm512_set1_epi32(0xff);
    const __m512i even = _mm512_and_si512(upper ? _mm512_srli_epi32(words, 8) : words, byte);
    const __m512i odd = upper ? _mm512_srli_epi32(words, 24) : _mm512_and_si512(_mm512_srli_epi32(words, 16), byte);
    const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(even)), 16);
    return reinterpret_cast<__m512bh>(_mm512_or_si512(low, _mm512_castps_si512(_mm512_cvtepi32_ps(odd))));
  }

  // The sign stays above, exponent and fraction move to those of a bf16; subnormals come from a table.
  template <int upper>
  static inline PairLanes e4m3ToPairs(__m512i words) {
    alignas(64) static constexpr std::array<uint16_t, 32> subnormal = [] {
      std::array<uint16_t, 32> table{};
      for (unsigned i = 0; i < 32; ++i) table[i] = upperHalf(static_cast<float>(i % 8) * 0x1p-9f);
      return table;
    }();
    const __m512i high = upper ? words : _mm512_slli_epi16(words, 8);
    const __m512i placed = _mm512_and_si512(_mm512_srai_epi16(high, 4), _mm512_set1_epi16(static_cast<short>(0x87f0)));
    const __m512i normal = _mm512_add_epi16(placed, _mm512_set1_epi16(120 << 7));
    const __m512i small = _mm512_permutexvar_epi16(_mm512_srli_epi16(placed, 4), _mm512_load_si512(subnormal.data()));
    const __m512i sign = _mm512_set1_epi16(static_cast<short>(0x8000));
    const __m512i signedSmall = _mm512_ternarylogic_epi32(sign, placed, small, 0xca);
    const __mmask32 isSmall = _mm512_testn_epi16_mask(placed, _mm512_set1_epi16(0x0780));
    return reinterpret_cast<__m512bh>(_mm512_mask_mov_epi16(normal, isSmall, signedSmall));
  }
};

}  // namespace
}  // namespace conclave
