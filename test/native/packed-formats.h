// Packed formats of weights for the C++ tests, and matrices in them.
#pragma once
#include <cmath>
#include <cstring>
#include <vector>

#include "../../native/core/float-bits.h"
#include "../../native/core/packed-matrix.h"
#include "check.h"

namespace conclave::test {

/** Any that there is, with groups of at most `largestGroup`. */
inline WeightFormat randomPackedFormat(Random& random, int32_t largestGroup = 128) {
  while (true) {
    const WeightFormat format{static_cast<WeightCodes>(random.between(3, 10)),
                              static_cast<ScaleType>(random.between(1, 5)), random.of<int16_t>({16, 32, 64, 128})};
    if (isFormat(format) && format.group <= largestGroup) return format;
  }
}

/** Panels of a matrix of random weights, of about `deviation`. */
class RandomPackedMatrix {
 public:
  RandomPackedMatrix(Random& random, const WeightFormat& format, int32_t outputs, int32_t inputs, float deviation)
      : format_(format), outputs_(outputs), inputs_(inputs) {
    for (int64_t i = 0; i < int64_t{outputs} * inputs * format.bits() / 8; ++i) codes_.push_back(code(random));
    const float scale = deviation / (format.affine() ? static_cast<float>(1 << format.bits()) / 3 : 2);
    // e4m3 scales are about 1, their factor is the rest.
    factor_ = scale;
    for (int64_t i = 0; i < int64_t{outputs} * inputs / format.group; ++i) {
      const float one = (1 + random.value(0.5f)) * (random.below(4) == 0 ? -scale : scale);
      append(scales_, random, one);
      if (format.affine()) append(biases_, random, -one * static_cast<float>(1 << (format.bits() - 1)));
    }
  }

  void packTo(std::byte* out, int64_t slotStep = 1, int64_t slotOffset = 0) const {
    const int64_t codeStride = int64_t{inputs_} * format_.bits() / 8;
    const int64_t scaleStride = int64_t{inputs_} / format_.group * format_.scaleBytes();
    packPanels({format_,
                outputs_,
                inputs_,
                {codes_.data(), codeStride},
                {scales_.data(), scaleStride},
                {biases_.data(), scaleStride},
                factor_},
               out, slotStep, slotOffset);
  }

 private:
  std::byte code(Random& random) const {
    const int32_t any = random.below(256);
    // e4m3 from 2^-7 to 3.5 of either sign, and some of its subnormals.
    if (format_.codes == WeightCodes::e4m3) return static_cast<std::byte>(any & 0x80 ? any & 0xc7 : any & 0x47);
    return static_cast<std::byte>(any);
  }

  void append(std::vector<std::byte>& to, Random& random, float value) const {
    const uint16_t brain = f32ToBf16(value);
    // Numbers of about the size in f16: sign and 1.mmmm x 2^-6.
    const uint16_t half = static_cast<uint16_t>((brain & 0x8000u) | 0x2400u | (random.bits() & 0x3ffu));
    const uint8_t power = static_cast<uint8_t>(127 + std::ilogb(value));
    const uint8_t small = static_cast<uint8_t>(0x34 | (brain >> 8 & 0x80u) | (random.bits() & 0x7u));
    const void* from = format_.scales == ScaleType::f32    ? static_cast<const void*>(&value)
                       : format_.scales == ScaleType::bf16 ? static_cast<const void*>(&brain)
                       : format_.scales == ScaleType::f16  ? static_cast<const void*>(&half)
                       : format_.scales == ScaleType::e8m0 ? static_cast<const void*>(&power)
                                                           : &small;
    const std::byte* bytes = static_cast<const std::byte*>(from);
    to.insert(to.end(), bytes, bytes + format_.scaleBytes());
  }

  WeightFormat format_;
  int32_t outputs_, inputs_;
  float factor_;
  std::vector<std::byte> codes_, scales_, biases_;
};

}  // namespace conclave::test
