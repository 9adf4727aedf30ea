// The rows of one step: which tokens at which positions of which sequences, where their KV lies, whose logits are
// wanted.
#pragma once
#include <cstdint>
#include <vector>

#include "model-description.h"

namespace conclave {

// Positions per KV block; attention adds up in blocks of this size (docs/design.md#numerics-v1).
constexpr int32_t kvBlockTokens = 64;

struct StepLimits {
  int32_t kvBlocks;
  int32_t maxRows;
};

struct StepBatch {
  std::vector<int32_t> tokens, positions, sequences;  // [rows]
  std::vector<int32_t> blockTables;                   // [sequences, blockTableWidth], -1 where there is no block
  int32_t blockTableWidth = 0;
  std::vector<int32_t> logitRows;

  int32_t rows() const { return static_cast<int32_t>(tokens.size()); }
  int32_t blockOf(int32_t sequence, int32_t index) const {
    return blockTables[static_cast<size_t>(sequence) * static_cast<size_t>(blockTableWidth) +
                       static_cast<size_t>(index)];
  }
};

/**
 * Throws Failure invalidArgument unless every id, position and block of the batch exists and the rows of a sequence
 * stand together at consecutive positions.
 */
void checkBatch(const StepBatch& batch, const ModelShape& shape, const StepLimits& limits);

}  // namespace conclave
