// Logits -> the next token of one choice. A function of its arguments alone.
#pragma once
#include <cstdint>
#include <span>

#include "sampler-scratch.h"
#include "sampling-params.h"
#include "token-logprobs.h"

namespace conclave {

/** What came of a row. */
enum class Outcome : int32_t {
  chosen,
  skipped,          // the row lies behind a guess that was wrong, or that could not be checked
  nan,              // the model computed NaN for token `id`,
  infinity,         // or infinity,
  minusInfinity,    // or -infinity
  nothingToChoose,  // penalties, bias and constraint leave no token
  tooCostly,        // the constraint takes more work or memory than a row may
};

struct Sampled {
  Outcome outcome;
  int32_t id;  // the token: chosen, or at fault
};

/**
 * Chooses the next token of logits [vocab], of those in `allowed` where that is not empty; `counts` are the tokens
 * before. Log-probabilities are written when the request asks for them.
 */
Sampled sampleToken(std::span<const float> logits, const SamplingParams& params, std::span<const TokenCount> counts,
                    std::span<const uint64_t> allowed, const RandomKey& key, const LogprobTarget& logprobs,
                    SamplerScratch& scratch);

/** How likely the model found `id`: the log-probabilities of logits [vocab]. */
Sampled scoreToken(std::span<const float> logits, int32_t id, const LogprobTarget& logprobs, SamplerScratch& scratch);

}  // namespace conclave
