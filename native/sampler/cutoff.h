// Which tokens may be drawn. Ranking: larger logit first, then lower id, so that no two tokens are equal. top_k, top_p
// and min_p each keep a prefix of the ranking, at least the best token; a prefix is named by its last token. Nothing
// sorts the vocabulary.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "relative-weight.h"
#include "sampler-scratch.h"
#include "sampling-params.h"

namespace conclave {

/** The last token that is kept. */
struct Cutoff {
  float logit;
  int32_t id;

  bool keeps(float otherLogit, int32_t otherId) const {
    return (otherLogit > logit) | ((otherLogit == logit) & (otherId <= id));
  }
};

/** What keeps all tokens with a logit of at least `logit`. */
inline Cutoff downTo(float logit) { return {logit, std::numeric_limits<int32_t>::max()}; }

/**
 * The tokens that top_k, then top_p of what is left, then min_p keep, of those that can be drawn at all. Leaves the
 * weights of at least these in the scratch.
 */
Cutoff truncate(const LogitRow& row, const SamplingParams& params, const Scale& scale, SamplerScratch& scratch);

/**
 * The weights of a block's tokens [blockTokens] that the cutoff keeps, 0 for the others. Arithmetic instead of
 * branches, which would be taken at random.
 */
void maskWeights(const LogitRow& row, int32_t block, const Cutoff& cutoff, const double* weights, double* kept);

/** Of what `from` keeps the best `k` >= 1 tokens, or all when there are fewer. */
Cutoff keepBest(const LogitRow& row, const Cutoff& from, int32_t k, SamplerScratch& scratch);

/**
 * The last token of the shortest prefix of the candidates' ranking whose amounts add up to `budget`; the worst one when
 * all are not enough. Reorders the candidates, of which there is at least one.
 */
Cutoff selectCutoff(std::vector<Candidate>& candidates, double budget);

}  // namespace conclave
