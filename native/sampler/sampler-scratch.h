// Memory that sampling a row overwrites, reserved once: a row allocates nothing, so that a thread cannot run out of
// memory in the middle of one.
#pragma once
#include <memory>
#include <vector>

#include "logit-row.h"
#include "relative-weight.h"

namespace conclave {

/** A token that a search of the ranking looks at, and what it adds to the amount that is searched for. */
struct Candidate {
  double amount;
  float logit;
  int32_t id;
};

/** For one thread. */
struct SamplerScratch {
  explicit SamplerScratch(int32_t vocab) : histogram(weightSteps) {
    const size_t tokens = static_cast<size_t>(vocab), blocks = static_cast<size_t>(blockCount(vocab));
    adjusted.reserve(tokens);
    candidates.reserve(tokens);
    largest.reserve(blocks);
    adjustedLargest.reserve(blocks);
    ranked.reserve(blocks);
    sums.resize(blocks);
    allowed.resize((tokens + 63) / 64);
    weights.reset(new double[blocks * blockTokens]);
  }

  double* weightsOf(int32_t block) { return weights.get() + int64_t{block} * blockTokens; }

  std::vector<float> adjusted;                  // [vocab]: logits after penalties and bias
  std::vector<float> largest, adjustedLargest;  // [blocks]: of the model's logits, of the adjusted ones
  std::vector<float> ranked;                    // [blocks]
  std::vector<uint64_t> allowed;                // [ceil(vocab / 64)]: tokens that a constraint lets follow
  std::vector<double> sums;                     // [blocks]: of the weights that may be drawn
  std::vector<double> histogram;                // [weightSteps]: weights by exponent
  std::vector<Candidate> candidates;
  std::unique_ptr<double[]> weights;  // [blocks, blockTokens], of the blocks that may be drawn from
  int32_t steps[blockTokens];
};

}  // namespace conclave
