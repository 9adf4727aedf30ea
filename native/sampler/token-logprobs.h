// Log-probabilities as clients get them: of the model's own distribution, before penalties, bias, temperature and
// truncation.
#pragma once
#include <cstdint>
#include <span>

#include "sampler-scratch.h"

namespace conclave {

/** Where the log-probabilities of one row go. */
struct LogprobTarget {
  double* logprob;                // of the row's token
  std::span<int32_t> topIds;      // the most likely tokens, ties by lower id; -1 behind the vocabulary's end
  std::span<double> topLogprobs;  // as long
};

/** Of a row of finite logits. */
void tokenLogprobs(const LogitRow& row, int32_t id, const LogprobTarget& target, SamplerScratch& scratch);

}  // namespace conclave
