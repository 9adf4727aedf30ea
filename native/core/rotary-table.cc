#include "rotary-table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "double-math.h"

namespace conclave {
namespace {

constexpr double twoPi = 6.283185307179586;

// theta^(2i / dims), rounded to f32 after the exponent and after the power.
std::vector<float> wavelengths(double theta, int32_t dims) {
  std::vector<float> result;
  for (int32_t i = 0; i < dims / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dims);
    result.push_back(static_cast<float>(power(theta, static_cast<double>(exponent))));
  }
  return result;
}

std::vector<float> inverses(double theta, int32_t dims) {
  std::vector<float> result = wavelengths(theta, dims);
  for (float& value : result) value = 1.0f / value;
  return result;
}

std::vector<float> inverseFrequencies(const PlainFrequencies& plain, int32_t dims) {
  return inverses(plain.theta, dims);
}

std::vector<float> inverseFrequencies(const LinearFrequencies& linear, int32_t dims) {
  std::vector<float> result = inverses(linear.theta, dims);
  for (float& value : result) value = value / static_cast<float>(linear.factor);
  return result;
}

// Within the original context; beyond it the base grows with the position (dynamicTheta).
std::vector<float> inverseFrequencies(const DynamicFrequencies& dynamic, int32_t dims) {
  return inverses(dynamic.theta, dims);
}

double dynamicTheta(const DynamicFrequencies& dynamic, int32_t dims, int32_t position) {
  const double stretch = dynamic.factor * (position + 1) / dynamic.originalContext - (dynamic.factor - 1);
  return dynamic.theta * power(stretch, static_cast<double>(dims) / (dims - 2));
}

// Long waves are stretched by the factor, short ones left, those between blended.
std::vector<float> inverseFrequencies(const Llama3Frequencies& llama, int32_t dims) {
  const double longest = llama.originalContext / llama.lowFrequencyFactor;
  const double shortest = llama.originalContext / llama.highFrequencyFactor;
  const float factor = static_cast<float>(llama.factor);
  std::vector<float> result = inverses(llama.theta, dims);
  for (float& value : result) {
    const float wave = static_cast<float>(twoPi) / value;
    if (wave < shortest) continue;
    const float smooth = static_cast<float>((llama.originalContext / wave - llama.lowFrequencyFactor) /
                                            (llama.highFrequencyFactor - llama.lowFrequencyFactor));
    value = wave > longest ? value / factor : (1.0f - smooth) * value / factor + smooth * value;
  }
  return result;
}

// The dimension whose wave turns `turns` times within the original context (arXiv 2309.00071, section 3.2).
double yarnDimension(const YarnFrequencies& yarn, int32_t dims, double turns) {
  return dims * logarithm(yarn.originalContext / (turns * twoPi)) / (2 * logarithm(yarn.theta));
}

// Below the ramp frequencies are kept, above it divided by the factor, along it blended.
std::vector<float> inverseFrequencies(const YarnFrequencies& yarn, int32_t dims) {
  double low = yarnDimension(yarn, dims, yarn.betaFast), high = yarnDimension(yarn, dims, yarn.betaSlow);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dims - 1));
  if (low == high) high = high + 0.001;
  std::vector<float> result = wavelengths(yarn.theta, dims);
  for (size_t i = 0; i < result.size(); ++i) {
    const float position = static_cast<float>((static_cast<double>(i) - low) / (high - low));
    const float ramp = std::clamp(position, 0.0f, 1.0f);
    const float kept = 1.0f / result[i], stretched = 1.0f / (static_cast<float>(yarn.factor) * result[i]);
    result[i] = stretched * ramp + kept * (1.0f - ramp);
  }
  return result;
}

std::vector<float> dividedBy(const std::vector<double>& factors, double theta, int32_t dims) {
  std::vector<float> result = wavelengths(theta, dims);
  for (size_t i = 0; i < result.size(); ++i) result[i] = 1.0f / (static_cast<float>(factors[i]) * result[i]);
  return result;
}

std::vector<float> inverseFrequencies(const LongropeFrequencies& longrope, int32_t dims) {
  return dividedBy(longrope.shortFactors, longrope.theta, dims);
}

}  // namespace

RotaryTable::RotaryTable(const Rotary& rotary) : rotary_(rotary), longFrom_(std::numeric_limits<int32_t>::max()) {
  short_.inverse =
      std::visit([&](const auto& kind) { return inverseFrequencies(kind, rotary.dims); }, rotary.frequencies);
  if (const auto* yarn = std::get_if<YarnFrequencies>(&rotary.frequencies)) {
    short_.attentionFactor = static_cast<float>(yarn->attentionFactor);
  } else if (const auto* longrope = std::get_if<LongropeFrequencies>(&rotary.frequencies)) {
    short_.attentionFactor = static_cast<float>(longrope->shortAttentionFactor);
    long_ = {dividedBy(longrope->longFactors, longrope->theta, rotary.dims),
             static_cast<float>(longrope->longAttentionFactor)};
    longFrom_ = longrope->originalContext;
  }
}

const RotaryTable::Frequencies& RotaryTable::frequenciesAt(int32_t position, Frequencies& own) const {
  if (position >= longFrom_) return long_;
  const auto* dynamic = std::get_if<DynamicFrequencies>(&rotary_.frequencies);
  if (dynamic == nullptr || position < dynamic->originalContext) return short_;
  own.inverse = inverses(dynamicTheta(*dynamic, rotary_.dims, position), rotary_.dims);
  return own;
}

void RotaryTable::at(int32_t position, float* cosine, float* sine) const {
  Frequencies own;
  const Frequencies& frequencies = frequenciesAt(position, own);
  for (size_t i = 0; i < frequencies.inverse.size(); ++i) {
    const float angle = static_cast<float>(position) * frequencies.inverse[i];
    double exactSine, exactCosine;
    sineCosine(static_cast<double>(angle), &exactSine, &exactCosine);
    cosine[i] = static_cast<float>(exactCosine) * frequencies.attentionFactor;
    sine[i] = static_cast<float>(exactSine) * frequencies.attentionFactor;
  }
}

}  // namespace conclave
