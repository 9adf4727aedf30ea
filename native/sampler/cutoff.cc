#include "cutoff.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "../core/double-math.h"

namespace conclave {
namespace {

// Floats as integers in the same order, and back.
int32_t orderOf(float value) {
  const int32_t bits = std::bit_cast<int32_t>(value);
  return bits >= 0 ? bits : std::numeric_limits<int32_t>::min() - bits;
}

float floatAt(int32_t order) {
  return std::bit_cast<float>(order >= 0 ? order : std::numeric_limits<int32_t>::min() - order);
}

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

// The tokens in [bound, below) that `from` keeps, each with its amount.
template <typename AmountOf>
void collect(const LogitRow& row, const Cutoff& from, float bound, float below, std::vector<Candidate>& candidates,
             const AmountOf& amountOf) {
  candidates.clear();
  for (int32_t b = 0; b < row.blocks(); ++b) {
    if (row.largestOf(b) < bound) continue;
    int32_t id = b * blockTokens;
    for (const float logit : row.block(b)) {
      if (logit >= bound && logit < below && from.keeps(logit, id)) candidates.push_back({amountOf(logit), logit, id});
      ++id;
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

// Of what `from` keeps the best tokens that together have the share topP of its weight.
Cutoff keepNucleus(const LogitRow& row, const Cutoff& from, double topP, const Scale& scale, SamplerScratch& scratch) {
  std::vector<double>& histogram = scratch.histogram;
  std::fill(histogram.begin(), histogram.end(), 0.0);
  for (int32_t b = 0; b < row.blocks(); ++b) {
    if (row.largestOf(b) < from.logit) continue;
    weighKept(row, b, from, scale, scratch.weighed);
    for (size_t i = 0, tokens = row.block(b).size(); i < tokens; ++i) {
      histogram[static_cast<size_t>(scratch.weighed.step[i])] += scratch.weighed.weight[i];
    }
  }
  const auto [bucket, missing] = findBucket(histogram, topP);
  const float largest = static_cast<float>(scale.largest);
  const auto leastIn = [&](int32_t step) {
    return leastFloat(largest, [&](float logit) { return stepOf(logit, scale) <= step; });
  };
  const float below = bucket == 0 ? std::numeric_limits<float>::infinity() : leastIn(bucket - 1);
  collect(row, from, leastIn(bucket), below, scratch.candidates, [&](float logit) { return weightOf(logit, scale); });
  return selectCutoff(scratch.candidates, missing);
}

}  // namespace

void weighKept(const LogitRow& row, int32_t block, const Cutoff& cutoff, const Scale& scale, WeighedBlock& weighed) {
  const std::span<const float> logits = row.block(block);
  weigh(logits, scale, weighed);
  const int32_t first = block * blockTokens;
  for (int32_t i = 0; i < static_cast<int32_t>(logits.size()); ++i) {
    weighed.weight[i] = cutoff.keeps(logits[static_cast<size_t>(i)], first + i) ? weighed.weight[i] : 0;
  }
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
  if (params.topP < 1) kept = stricter(keepNucleus(row, kept, params.topP, scale, scratch), likely);
  return kept;
}

}  // namespace conclave
