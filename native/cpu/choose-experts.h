// The router's choice for one row.
#pragma once
#include <cstdint>
#include <span>

#include "kernels.h"

namespace conclave {

/** Where a row's choice goes, in ranking order: [topK] each. */
struct ExpertChoice {
  int32_t* experts;
  float* weights;
};

/**
 * The best experts of a row by its router logits [experts], which are overwritten. Ties go to the lower id, and ids are
 * valid whatever the logits are. `choiceBias`: [experts], or null; `keys`: scratch, [experts].
 */
void chooseExperts(const Router& router, const Kernels& kernels, std::span<float> logits, const float* choiceBias,
                   std::span<float> keys, const ExpertChoice& choice);

}  // namespace conclave
