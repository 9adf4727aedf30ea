#include "adjust-logits.h"

#include <algorithm>
#include <limits>

namespace conclave {
namespace {

bool contains(std::span<const float> logits, int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); }

// The nearest finite f32. Only a factor can take a logit out of range: what else is added is far below the last bit
// there.
float finite(double logit) {
  constexpr double largest = std::numeric_limits<float>::max();
  return static_cast<float>(std::min(std::max(logit, -largest), largest));
}

float penalizeRepetition(double logit, double penalty) { return finite(logit > 0 ? logit / penalty : logit * penalty); }

float penalizeFrequency(double logit, const SamplingParams& params, int32_t generated) {
  return static_cast<float>(logit - generated * params.frequencyPenalty - params.presencePenalty);
}

bool countsFrequency(const SamplingParams& params) {
  return params.frequencyPenalty != 0 || params.presencePenalty != 0;
}

}  // namespace

bool adjustsLogits(const SamplingParams& params) {
  return params.repetitionPenalty != 1 || countsFrequency(params) || !params.bias.empty();
}

void adjustLogits(std::span<float> logits, const SamplingParams& params, std::span<const TokenCount> counts) {
  for (const auto& [id, generated] : counts) {
    if (!contains(logits, id)) continue;
    float& logit = logits[static_cast<size_t>(id)];
    if (params.repetitionPenalty != 1) logit = penalizeRepetition(logit, params.repetitionPenalty);
    if (generated > 0 && countsFrequency(params)) logit = penalizeFrequency(logit, params, generated);
  }
  for (const auto& [id, value] : params.bias) {
    if (!contains(logits, id)) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = static_cast<float>(logit + value);
  }
}

void keepAllowed(std::span<float> logits, std::span<const uint64_t> allowed) {
  constexpr float impossible = -std::numeric_limits<float>::infinity();
  constexpr size_t bits = 64;
  for (size_t first = 0; first < logits.size(); first += bits) {
    const uint64_t word = allowed[first / bits];
    const std::span<float> part = logits.subspan(first, std::min(bits, logits.size() - first));
    if (word == 0) {
      std::fill(part.begin(), part.end(), impossible);
    } else if (word != ~uint64_t{0}) {
      for (size_t bit = 0; bit < part.size(); ++bit) part[bit] = (word >> bit & 1) != 0 ? part[bit] : impossible;
    }
  }
}

}  // namespace conclave
