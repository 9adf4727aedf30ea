#include "relative-weight.h"

#include <algorithm>
#include <array>

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

int32_t stepAt(double exponent) { return static_cast<int32_t>(exponent * -stepsPerUnit); }

// e^x over the table's entry for its step.
double series(double x, int32_t step) {
  const double rest = x + step * (1.0 / stepsPerUnit);
  return 1 + rest * (1 + rest * (0.5 + rest * (1.0 / 6 + rest * (1.0 / 24 + rest * (1.0 / 120)))));
}

}  // namespace

int32_t stepOf(float logit, const Scale& scale) { return stepAt(clamped(scale.exponent(logit))); }

double weightOf(float logit, const Scale& scale) {
  const double exponent = scale.exponent(logit);
  if (!(exponent >= minLogWeight)) return 0;
  const int32_t step = stepAt(exponent);
  return series(exponent, step) * powers()[static_cast<size_t>(step)];
}

void weigh(std::span<const float> logits, const Scale& scale, double* weights, int32_t* steps) {
  const Scale fixed = scale;  // what is written cannot be it: the loop vectorises
  const int32_t count = static_cast<int32_t>(logits.size());
  for (int32_t i = 0; i < count; ++i) {
    const double exponent = fixed.exponent(logits[static_cast<size_t>(i)]), x = clamped(exponent);
    steps[i] = stepAt(x);
    weights[i] = exponent >= minLogWeight ? series(x, steps[i]) : 0;
  }
  const double* power = powers().data();
  for (int32_t i = 0; i < count; ++i) weights[i] *= power[steps[i]];
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
