#include "choose-experts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace conclave {
namespace {

constexpr float taken = -std::numeric_limits<float>::infinity();

int32_t bestOf(std::span<const float> keys) {
  int32_t best = 0;
  const int32_t count = static_cast<int32_t>(keys.size());
  while (best + 1 < count && keys[static_cast<size_t>(best)] == taken) ++best;
  for (int32_t e = best + 1; e < count; ++e) {
    if (keys[static_cast<size_t>(e)] > keys[static_cast<size_t>(best)]) best = e;
  }
  return best;
}

void scoresOf(const Router& router, const Kernels& kernels, std::span<float> logits) {
  const int32_t experts = static_cast<int32_t>(logits.size());
  if (router.scores == ScoreKind::softmax) kernels.softmax(logits.data(), experts);
  if (router.scores == ScoreKind::sigmoid) kernels.sigmoid(logits.data(), experts);
}

// Sum of the two best keys of a group.
float groupKey(std::span<const float> keys) {
  float first = taken, second = taken;
  for (float key : keys) {
    if (key > first) {
      second = first;
      first = key;
    } else if (key > second) {
      second = key;
    }
  }
  return keys.size() == 1 ? first : first + second;
}

// Strikes out the experts of all but the best groups (arXiv 2412.19437, section 2.1.2).
void keepBestGroups(const ExpertGroups& groups, std::span<float> keys) {
  const size_t count = static_cast<size_t>(groups.count), size = keys.size() / count;
  const auto membersOf = [&](size_t group) { return keys.subspan(group * size, size); };
  std::vector<float> groupKeys;
  for (size_t g = 0; g < count; ++g) groupKeys.push_back(groupKey(membersOf(g)));
  std::vector<bool> kept(count);
  for (int32_t i = 0; i < groups.chosen; ++i) {
    const size_t best = static_cast<size_t>(bestOf(groupKeys));
    kept[best] = true;
    groupKeys[best] = taken;
  }
  for (size_t g = 0; g < count; ++g) {
    if (!kept[g]) std::ranges::fill(membersOf(g), taken);
  }
}

void chooseBest(const Router& router, std::span<const float> scores, std::span<float> keys,
                const ExpertChoice& choice) {
  for (int32_t rank = 0; rank < router.topK; ++rank) {
    const int32_t best = bestOf(keys);
    choice.experts[rank] = best;
    choice.weights[rank] = scores[static_cast<size_t>(best)];
    keys[static_cast<size_t>(best)] = taken;
  }
}

// Phi-3.5-MoE (arXiv 2409.12136): each round weighs its best by the softmax over the experts close to it.
void chooseByRounds(const Router& router, const Kernels& kernels, std::span<const float> logits, std::span<float> keys,
                    const ExpertChoice& choice) {
  std::vector<float> close(keys.size());
  for (int32_t rank = 0; rank < router.topK; ++rank) {
    const int32_t best = bestOf(keys);
    const float top = keys[static_cast<size_t>(best)];
    for (size_t e = 0; e < keys.size(); ++e) {
      const float larger = std::max(std::fabs(logits[e]), top);
      close[e] = (top - logits[e]) / larger > router.threshold ? taken : keys[e];
    }
    kernels.softmax(close.data(), static_cast<int32_t>(close.size()));
    choice.experts[rank] = best;
    choice.weights[rank] = close[static_cast<size_t>(best)];
    keys[static_cast<size_t>(best)] = taken;
  }
}

// Sums in ranking order.
void weigh(const Router& router, const Kernels& kernels, float* weights) {
  if (router.scores == ScoreKind::softmaxOfChosen) kernels.softmax(weights, router.topK);
  if (router.normalizationEpsilon.has_value()) {
    float sum = 0;
    for (int32_t rank = 0; rank < router.topK; ++rank) sum = sum + weights[rank];
    kernels.divide(weights, router.topK, std::max(sum + *router.normalizationEpsilon, router.normalizationMinimum));
  }
  if (router.scale != 1) kernels.scale(weights, router.topK, router.scale);
}

}  // namespace

void chooseExperts(const Router& router, const Kernels& kernels, std::span<float> logits, const float* choiceBias,
                   std::span<float> keys, const ExpertChoice& choice) {
  scoresOf(router, kernels, logits);
  std::ranges::copy(logits, keys.begin());
  if (choiceBias != nullptr) kernels.add(keys.data(), choiceBias, static_cast<int32_t>(keys.size()));
  if (router.groups.has_value()) keepBestGroups(*router.groups, keys);
  if (router.scores == ScoreKind::sparseMixer) {
    chooseByRounds(router, kernels, logits, keys, choice);
  } else {
    chooseBest(router, logits, keys, choice);
  }
  weigh(router, kernels, choice.weights);
}

}  // namespace conclave
