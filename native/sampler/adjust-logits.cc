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

}  // namespace conclave
