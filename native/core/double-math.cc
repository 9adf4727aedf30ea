#include "double-math.h"

#include <cmath>

namespace conclave {
namespace {

constexpr double ln2High = 0x1.62e42feep-1, ln2Low = 0x1.a39ef35793c76p-33;

// pi / 2 in three parts; the first two have 33 bits or fewer, so n times them is exact for n < 2^20.
constexpr double halfPiHigh = 0x1.921fb544p+0, halfPiMiddle = 0x1.0b4611a6p-34, halfPiLow = 0x1.3198a2e037073p-69;

}  // namespace

// ln(m 2^e) = e ln2 + 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)): the series in z^2 <= 0.0295.
double logarithm(double x) {
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m = m * 2;
    exponent = exponent - 1;
  }
  const double z = (m - 1) / (m + 1), z2 = z * z;
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * z2 + 1.0 / k;
  return exponent * ln2High + (2 * z * series + exponent * ln2Low);
}

// e^x = 2^n e^r, |r| <= ln2 / 2: Taylor's series to r^15.
double exponential(double x) {
  const double n = std::nearbyint(x / (ln2High + ln2Low));
  const double r = (x - n * ln2High) - n * ln2Low;
  double series = 1;
  for (int k = 15; k >= 1; --k) series = 1 + series * r / k;
  return std::ldexp(series, static_cast<int>(n));
}

double power(double base, double exponent) { return exponential(exponent * logarithm(base)); }

void sineCosine(double angle, double* sine, double* cosine) {
  const double n = std::nearbyint(angle / (halfPiHigh + halfPiMiddle));
  const double r = ((angle - n * halfPiHigh) - n * halfPiMiddle) - n * halfPiLow;
  const double r2 = r * r;
  double s = 1, c = 1;  // Taylor's series to r^17 and r^18, |r| <= pi / 4
  for (int k = 16; k >= 2; k -= 2) s = 1 - s * r2 / (k * (k + 1));
  for (int k = 17; k >= 1; k -= 2) c = 1 - c * r2 / (k * (k + 1));
  s = s * r;
  switch (static_cast<long long>(n) & 3) {
    case 0:
      *sine = s, *cosine = c;
      return;
    case 1:
      *sine = c, *cosine = -s;
      return;
    case 2:
      *sine = -s, *cosine = -c;
      return;
    default:
      *sine = -c, *cosine = s;
  }
}

}  // namespace conclave
