// Packed formats of weights for the C++ tests.
#pragma once
#include "../../native/core/weight-format.h"
#include "check.h"

namespace conclave::test {

/** Any that there is, with groups of at most `largestGroup`. */
inline WeightFormat randomPackedFormat(Random& random, int16_t largestGroup = 128) {
  while (true) {
    const WeightFormat format{static_cast<WeightCodes>(random.between(3, 10)),
                              static_cast<ScaleType>(random.between(1, 5)), random.of<int16_t>({16, 32, 64, 128})};
    if (isFormat(format) && format.group <= largestGroup) return format;
  }
}

}  // namespace conclave::test
