#include "cutoff.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "../core/double-math.h"

namespace conclave {
namespace {

// The least float up to `largest` for which `holds`, which is true of `largest` and of all above one that it is true
// of: instead of a division for every token, one comparison.
template <typename Holds>
float leastFloat(float largest, const Holds& holds) {
  int64_t low = orderOf(-std::numeric_limits<float>::infinity()), high = orderOf(largest);
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (holds(floatAt(static_cast<int32_t>(middle)))) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return floatAt(static_cast<int32_t>(high));
}

// All tokens whose exponent is at least `least`, which is at most 0.
Cutoff likelyAs(double least, const Scale& scale) {
  const float largest = static_cast<float>(scale.largest);
  return downTo(leastFloat(largest, [&](float logit) { return scale.exponent(logit) >= least; }));
}

Cutoff stricter(const Cutoff& a, const Cutoff& b) { return a.keeps(b.logit, b.id) ? b : a; }

// Whether any of the logits lies in [bound, below): most of a block holds none, which this finds out without a branch
// per token.
bool anyWithin(std::span<const float> logits, float bound, float below) {
  uint32_t any = 0;
  for (const float logit : logits) any |= static_cast<uint32_t>(logit >= bound) & static_cast<uint32_t>(logit < below);
  return any != 0;
}

// The tokens in [bound, below) that `from` keeps, each with its amount.
template <typename AmountOf>
void collect(const LogitRow& row, const Cutoff& from, float bound, float below, std::vector<Candidate>& candidates,
             const AmountOf& amountOf) {
  constexpr size_t atOnce = 32;
  candidates.clear();
  for (int32_t b = 0; b < row.blocks(); ++b) {
    if (row.largestOf(b) < bound) continue;
    const std::span<const float> logits = row.block(b);
    for (size_t first = 0; first < logits.size(); first += atOnce) {
      const auto part = logits.subspan(first, std::min(atOnce, logits.size() - first));
      if (!anyWithin(part, bound, below)) continue;
      int32_t id = b * blockTokens + static_cast<int32_t>(first);
      for (const float logit : part) {
        const bool within = logit >= bound && logit < below && from.keeps(logit, id);
        if (within) candidates.push_back({amountOf(logit), logit, id});
        ++id;
      }
    }
  }
}

// Where a histogram reaches a share of its total: the bucket, and what is still missing before it.
struct Reached {
  int32_t bucket;
  double missing;
};

Reached findBucket(const std::vector<double>& histogram, double share) {
  double total = 0, before = 0;
  for (const double amount : histogram) total += amount;
  const double budget = share * total;
  int32_t bucket = 0;
  for (; bucket + 1 < weightSteps; ++bucket) {
    const double reached = before + histogram[static_cast<size_t>(bucket)];
    if (reached >= budget) break;
    before = reached;
  }
  return {bucket, budget - before};
}

// Weighs every block that `from` keeps a token of; where `histogram` is given, adds the weights kept up in it.
void weighKept(const LogitRow& row, const Cutoff& from, const Scale& scale, SamplerScratch& scratch,
               double* histogram) {
  for (int32_t b = 0; b < row.blocks(); ++b) {
    if (row.largestOf(b) < from.logit) continue;
    const std::span<const float> logits = row.block(b);
    double* weights = scratch.weightsOf(b);
    weigh(logits, scale, weights, scratch.steps);
    if (histogram == nullptr) continue;
    double kept[blockTokens];
    maskWeights(row, b, from, weights, kept);
    for (size_t i = 0, tokens = logits.size(); i < tokens; ++i) histogram[scratch.steps[i]] += kept[i];
  }
}

// Of what `from` keeps the best tokens that together have the share topP of its weight.
Cutoff keepNucleus(const LogitRow& row, const Cutoff& from, double topP, const Scale& scale, SamplerScratch& scratch) {
  std::fill(scratch.histogram.begin(), scratch.histogram.end(), 0.0);
  weighKept(row, from, scale, scratch, scratch.histogram.data());
  const auto [bucket, missing] = findBucket(scratch.histogram, topP);
  const float largest = static_cast<float>(scale.largest);
  const auto leastIn = [&](int32_t step) {
    return leastFloat(largest, [&](float logit) { return stepOf(logit, scale) <= step; });
  };
  const float below = bucket == 0 ? std::numeric_limits<float>::infinity() : leastIn(bucket - 1);
  collect(row, from, leastIn(bucket), below, scratch.candidates, [&](float logit) { return weightOf(logit, scale); });
  return selectCutoff(scratch.candidates, missing);
}

}  // namespace

void maskWeights(const LogitRow& row, int32_t block, const Cutoff& cutoff, const double* weights, double* kept) {
  const std::span<const float> logits = row.block(block);
  const int32_t tokens = static_cast<int32_t>(logits.size()), last = cutoff.id - block * blockTokens;
  const float* logit = logits.data();
  const float bound = cutoff.logit;
  for (int32_t i = 0; i < tokens; ++i) {
    const int32_t keeps = (logit[i] > bound) | ((logit[i] == bound) & (i <= last));
    kept[i] = weights[i] * keeps;
  }
  std::fill(kept + tokens, kept + blockTokens, 0.0);
}

Cutoff keepBest(const LogitRow& row, const Cutoff& from, int32_t k, SamplerScratch& scratch) {
  float bound = from.logit;
  if (k <= row.blocks()) {
    // Each of the k blocks with the largest logits has a token that is at least as good as the last of these.
    std::vector<float>& ranked = scratch.ranked;
    ranked.assign(row.largestOfBlocks().begin(), row.largestOfBlocks().end());
    const auto last = ranked.begin() + (k - 1);
    std::nth_element(ranked.begin(), last, ranked.end(), std::greater<>());
    bound = std::max(bound, *last);
  }
  constexpr float infinity = std::numeric_limits<float>::infinity();
  collect(row, from, bound, infinity, scratch.candidates, [](float) { return 1.0; });
  if (scratch.candidates.size() <= static_cast<size_t>(k) && bound == from.logit) return from;
  return selectCutoff(scratch.candidates, k);
}

Cutoff truncate(const LogitRow& row, const SamplingParams& params, const Scale& scale, SamplerScratch& scratch) {
  const double leastExponent = params.minP > 0 ? std::max(minLogWeight, logarithm(params.minP)) : minLogWeight;
  const Cutoff likely = likelyAs(leastExponent, scale);
  Cutoff kept = params.topP < 1 ? likelyAs(minLogWeight, scale) : likely;
  if (params.topK > 0) kept = keepBest(row, kept, params.topK, scratch);
  if (params.topP < 1) return stricter(keepNucleus(row, kept, params.topP, scale, scratch), likely);
  weighKept(row, kept, scale, scratch, nullptr);
  return kept;
}

}  // namespace conclave
