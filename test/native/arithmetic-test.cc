// Conversions and the f64 functions against the platform's own.
#include <bit>
#include <cmath>

#include "../../native/core/double-math.h"
#include "../../native/core/float-bits.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

// By definition: (-1)^s 2^(e - 25) (1024 + m), or 2^-24 m when e is 0.
double f16Value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace

TEST("every finite f16 converts exactly") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    if (((bits >> 10) & 31) == 31) continue;
    CHECK(static_cast<double>(f16ToF32(static_cast<uint16_t>(bits))) == f16Value(static_cast<uint16_t>(bits)),
          "f16 " + std::to_string(bits));
  }
}

TEST("f16 infinities and NaNs stay what they are") {
  CHECK(std::isinf(f16ToF32(0x7c00)) && f16ToF32(0xfc00) < 0, "infinity");
  CHECK(std::isnan(f16ToF32(0x7e01)), "NaN");
}

TEST("bf16 rounding picks the nearest, ties to even") {
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    const float x = std::bit_cast<float>(random.bits());
    if (!std::isfinite(x) || std::fabs(x) > 1e38f || std::fabs(x) < 1e-37f) continue;
    const uint16_t rounded = f32ToBf16(x);
    const double distance = std::fabs(static_cast<double>(bf16ToF32(rounded)) - x);
    for (int step : {-1, 1}) {
      const double other = std::fabs(static_cast<double>(bf16ToF32(static_cast<uint16_t>(rounded + step))) - x);
      CHECK(distance < other || (distance == other && (rounded & 1) == 0), "bf16 of " + std::to_string(x));
    }
  }
  CHECK(std::isnan(bf16ToF32(f32ToBf16(std::bit_cast<float>(0x7f800001u)))), "a NaN stays a NaN");
}

TEST("sine, cosine and power agree with libm") {
  Random random(2);
  for (int i = 0; i < 100000; ++i) {
    const double angle = std::fabs(static_cast<double>(random.value(1e6f)));
    double sine, cosine;
    sineCosine(angle, &sine, &cosine);
    CHECK(std::fabs(sine - std::sin(angle)) < 4e-16 && std::fabs(cosine - std::cos(angle)) < 4e-16,
          "angle " + std::to_string(angle));
  }
  for (double base : {10000.0, 500000.0, 1e6, 2.5}) {
    for (int i = 0; i <= 128; ++i) {
      const double expected = std::pow(base, i / 128.0);
      CHECK(std::fabs(power(base, i / 128.0) - expected) < 4e-15 * expected, "power " + std::to_string(base));
    }
  }
}
