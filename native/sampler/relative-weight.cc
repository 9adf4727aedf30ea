#include "relative-weight.h"

#include <algorithm>
#include <array>
#include <bit>

#include "../core/double-math.h"

namespace conclave {
namespace {

// e^(-k / 64) for every step down to minLogWeight.
std::array<double, weightSteps> makePowers() {
  std::array<double, weightSteps> powers;
  for (int32_t k = 0; k < weightSteps; ++k) {
    powers[static_cast<size_t>(k)] = exponential(-static_cast<double>(k) / stepsPerUnit);
  }
  return powers;
}

const std::array<double, weightSteps>& powers() {
  static const std::array<double, weightSteps> powers = makePowers();
  return powers;
}

// A NaN is below everything.
double clamped(double exponent) { return exponent >= minLogWeight ? exponent : minLogWeight; }

// 1.5 * 2^52: adding it leaves the nearest integer in the low bits. Everything stays in f64, which vectorises whole.
constexpr double toInteger = 0x1.8p52;

double shifted(double exponent) { return exponent * -stepsPerUnit + toInteger; }
int32_t stepAt(double shifted) { return static_cast<int32_t>(std::bit_cast<int64_t>(shifted)); }

// e^x over the table's entry for its step.
double series(double x, double shifted) {
  const double rest = x + (shifted - toInteger) * (1.0 / stepsPerUnit);
  return 1 + rest * (1 + rest * (0.5 + rest * (1.0 / 6 + rest * (1.0 / 24 + rest * (1.0 / 120)))));
}

[[gnu::always_inline]] inline void expand(const float* logits, int32_t count, Scale scale, double* __restrict weights,
                                          double* __restrict places) {
  for (int32_t i = 0; i < count; ++i) {
    const double exponent = scale.exponent(logits[i]), x = clamped(exponent);
    places[i] = shifted(x);
    weights[i] = exponent >= minLogWeight ? series(x, places[i]) : 0;
  }
}

// Most of sampling's time is spent here: where the processor has wider vectors, the same operations on more at once.
void expandBlock(const float* logits, int32_t count, const Scale& scale, double* weights, double* places) {
  expand(logits, count, scale, weights, places);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void expandBlockAvx2(const float* logits, int32_t count, const Scale& scale, double* weights,
                                             double* places) {
  expand(logits, count, scale, weights, places);
}

decltype(&expandBlock) fastestExpand() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? expandBlockAvx2 : expandBlock;
}
#else
decltype(&expandBlock) fastestExpand() { return expandBlock; }
#endif

}  // namespace

int32_t stepOf(float logit, const Scale& scale) { return stepAt(shifted(clamped(scale.exponent(logit)))); }

double weightOf(float logit, const Scale& scale) {
  const double exponent = scale.exponent(logit);
  if (!(exponent >= minLogWeight)) return 0;
  const double place = shifted(exponent);
  return series(exponent, place) * powers()[static_cast<size_t>(stepAt(place))];
}

void weigh(std::span<const float> logits, const Scale& scale, double* weights, int32_t* steps) {
  static const auto expandFastest = fastestExpand();
  const int32_t count = static_cast<int32_t>(logits.size());
  double places[blockTokens];
  expandFastest(logits.data(), count, scale, weights, places);
  const double* power = powers().data();
  for (int32_t i = 0; i < count; ++i) {
    steps[i] = stepAt(places[i]);
    weights[i] *= power[steps[i]];
  }
  std::fill(weights + count, weights + blockTokens, 0.0);
}

double sumOf(const double* numbers) {
  constexpr int32_t lanes = 8;
  double lane[lanes] = {};
  for (int32_t i = 0; i < blockTokens; i += lanes) {
    for (int32_t l = 0; l < lanes; ++l) lane[l] += numbers[i + l];
  }
  for (int32_t width = lanes / 2; width > 0; width /= 2) {
    for (int32_t l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

}  // namespace conclave
