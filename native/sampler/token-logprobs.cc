#include "token-logprobs.h"

#include <algorithm>
#include <limits>

#include "../core/double-math.h"
#include "cutoff.h"

namespace conclave {
namespace {

double logSumExp(const LogitRow& row, SamplerScratch& scratch) {
  const Scale scale{row[row.best()], 1};
  double sum = 0;
  for (int32_t b = 0; b < row.blocks(); ++b) {
    double* weights = scratch.weightsOf(b);
    weigh(row.block(b), scale, weights, scratch.steps);
    sum += sumOf(weights);
  }
  return scale.largest + logarithm(sum);
}

// The `count` most likely tokens, best first, as candidates.
void rankBest(const LogitRow& row, int32_t count, SamplerScratch& scratch) {
  const Cutoff all = downTo(-std::numeric_limits<float>::infinity());
  const Cutoff cutoff = keepBest(row, all, count, scratch);
  std::vector<Candidate>& best = scratch.candidates;
  std::erase_if(best, [&](const Candidate& candidate) { return !cutoff.keeps(candidate.logit, candidate.id); });
  std::sort(best.begin(), best.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  });
}

}  // namespace

void tokenLogprobs(const LogitRow& row, int32_t id, const LogprobTarget& target, SamplerScratch& scratch) {
  const double shift = logSumExp(row, scratch);
  *target.logprob = row[id] - shift;
  std::fill(target.topIds.begin(), target.topIds.end(), -1);
  if (target.topIds.empty()) return;
  rankBest(row, static_cast<int32_t>(target.topIds.size()), scratch);
  for (size_t i = 0; i < scratch.candidates.size(); ++i) {
    target.topIds[i] = scratch.candidates[i].id;
    target.topLogprobs[i] = scratch.candidates[i].logit - shift;
  }
}

}  // namespace conclave
