// Draws one of the tokens that were kept, in proportion to their weights.
#pragma once
#include "cutoff.h"

namespace conclave {

/** Walks the kept tokens in the order of their ids until their weights exceed `random`, in [0, 1), of the total. */
int32_t drawToken(const LogitRow& row, const Cutoff& cutoff, const Scale& scale, double random,
                  SamplerScratch& scratch);

}  // namespace conclave
