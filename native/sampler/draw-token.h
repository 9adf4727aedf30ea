// Draws one of the tokens that were kept, in proportion to their weights.
#pragma once
#include "cutoff.h"

namespace conclave {

/**
 * Walks the kept tokens in the order of their ids until their weights, which truncate has left in the scratch, exceed
 * `random`, in [0, 1), of the total.
 */
int32_t drawToken(const LogitRow& row, const Cutoff& cutoff, double random, SamplerScratch& scratch);

}  // namespace conclave
