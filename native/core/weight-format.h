// How a matrix is stored: plain numbers, or codes of a few bits with a scale for every group of inputs
// (docs/decisions/0155-packed-weight-formats.md). Activations have a type of their own, see dtype.h.
#pragma once
#include <cstdint>

#include "dtype.h"

namespace conclave {

// The number of an input and an output. Numbered as in weight-format.ts; the first three as DType.
enum class WeightCodes : uint8_t { f32, f16, bf16, affine2, affine3, affine4, affine5, affine6, affine8, e2m1, e4m3 };

// Of a group. Numbered as in weight-format.ts.
enum class ScaleType : uint8_t { none, f32, f16, bf16, e8m0, e4m3 };

struct WeightFormat {
  WeightCodes codes = WeightCodes::f32;
  ScaleType scales = ScaleType::none;
  int16_t group = 0;  // inputs that share a scale

  constexpr WeightFormat() = default;
  // Wherever a matrix may have any format, a plain type will do.
  constexpr WeightFormat(DType plain) : codes(static_cast<WeightCodes>(plain)) {}
  constexpr WeightFormat(WeightCodes of, ScaleType scaled, int16_t inGroups)
      : codes(of), scales(scaled), group(inGroups) {}

  constexpr bool operator==(const WeightFormat&) const = default;

  constexpr bool packed() const { return codes > WeightCodes::bf16; }
  /** Whether a weight is code * scale + bias; else a packed one is code * scale. */
  constexpr bool affine() const { return codes >= WeightCodes::affine2 && codes <= WeightCodes::affine8; }
  /** Of the format if it is not packed. */
  constexpr DType plain() const { return static_cast<DType>(codes); }
  /** Of a code. */
  constexpr int bits() const {
    constexpr int all[] = {32, 16, 16, 2, 3, 4, 5, 6, 8, 4, 8};
    return all[static_cast<int>(codes)];
  }
  /** Bytes of one scale, and of one bias. */
  constexpr int scaleBytes() const {
    constexpr int all[] = {0, 4, 2, 2, 1, 1};
    return all[static_cast<int>(scales)];
  }
  /** Whether every output has an f32 factor that multiplies its scales. */
  constexpr bool hasFactors() const { return scales == ScaleType::e4m3; }
};

/** Whether there is such a format: groups of 16, 32, 64 or 128, affine scales with enough digits for a bias. */
constexpr bool isFormat(const WeightFormat& format) {
  if (!format.packed()) return format.scales == ScaleType::none && format.group == 0;
  const bool wide = format.scales >= ScaleType::f32 && format.scales <= ScaleType::bf16;
  const bool narrow = format.scales == ScaleType::e8m0 || format.scales == ScaleType::e4m3;
  const bool scaled = format.affine() ? wide : narrow || format.scales == ScaleType::f32;
  return scaled && (format.group == 16 || format.group == 32 || format.group == 64 || format.group == 128);
}

/** From the number that weight-format.ts gives it; isFormat refuses what becomes of other numbers. */
constexpr WeightFormat weightFormatOf(int32_t number) {
  const int32_t codes = number & 15, scales = number >> 4 & 15, group = number >> 8;
  const bool known = number >= 0 && codes <= static_cast<int32_t>(WeightCodes::e4m3) &&
                     scales <= static_cast<int32_t>(ScaleType::e4m3) && group <= 128;
  if (!known) return {WeightCodes::f32, ScaleType::none, 1};
  return {static_cast<WeightCodes>(codes), static_cast<ScaleType>(scales), static_cast<int16_t>(group)};
}

/** Whether rows of `activations` can be multiplied by such a matrix without being widened for it. */
constexpr bool takesAsTheyAre(const WeightFormat& format, DType activations) {
  return format.packed() || activationType(format.plain()) == activations;
}

}  // namespace conclave
