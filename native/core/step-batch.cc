#include "step-batch.h"

#include <string>

#include "failure.h"

namespace conclave {
namespace {

std::string atRow(size_t row) { return " at row " + std::to_string(row); }

void checkSizes(const StepBatch& batch, const StepLimits& limits) {
  const size_t rows = batch.tokens.size();
  require(rows >= 1 && rows <= static_cast<size_t>(limits.maxRows),
          "a step takes 1 to " + std::to_string(limits.maxRows) + " rows but received " + std::to_string(rows));
  require(batch.positions.size() == rows && batch.sequences.size() == rows,
          "tokens, positions and sequences must have the same length");
  require(batch.blockTableWidth >= 1 && !batch.blockTables.empty() &&
              batch.blockTables.size() % static_cast<size_t>(batch.blockTableWidth) == 0,
          "blockTables must hold whole rows of blockTableWidth");
  require(batch.logitRows.size() <= rows, "logits of a row can be asked for once");
}

void checkRow(const StepBatch& batch, size_t row, const ModelShape& shape, size_t sequences) {
  const int32_t token = batch.tokens[row], position = batch.positions[row], sequence = batch.sequences[row];
  require(token >= 0 && token < shape.vocab, "token " + std::to_string(token) + atRow(row) +
                                                 " is outside the vocabulary of " + std::to_string(shape.vocab));
  require(position >= 0 && position < shape.maxContext, "position " + std::to_string(position) + atRow(row) +
                                                            " is outside the model's context of " +
                                                            std::to_string(shape.maxContext));
  require(sequence >= 0 && static_cast<size_t>(sequence) < sequences,
          "sequence " + std::to_string(sequence) + atRow(row) + " has no block table");
}

// Every block up to the last position's must exist.
void checkBlocks(const StepBatch& batch, int32_t sequence, int32_t position, const StepLimits& limits) {
  const int32_t needed = position / kvBlockTokens + 1;
  require(needed <= batch.blockTableWidth, "the block table of sequence " + std::to_string(sequence) +
                                               " is too narrow for position " + std::to_string(position));
  for (int32_t index = 0; index < needed; ++index) {
    const int32_t block = batch.blockOf(sequence, index);
    require(block >= 0 && block < limits.kvBlocks, "block " + std::to_string(block) + " of sequence " +
                                                       std::to_string(sequence) + " does not exist; there are " +
                                                       std::to_string(limits.kvBlocks));
  }
}

}  // namespace

void checkBatch(const StepBatch& batch, const ModelShape& shape, const StepLimits& limits) {
  checkSizes(batch, limits);
  const size_t rows = batch.tokens.size();
  const size_t sequences = batch.blockTables.size() / static_cast<size_t>(batch.blockTableWidth);
  std::vector<bool> seen(sequences, false);
  for (size_t row = 0; row < rows; ++row) {
    checkRow(batch, row, shape, sequences);
    const int32_t sequence = batch.sequences[row];
    const bool continues = row > 0 && batch.sequences[row - 1] == sequence;
    require(continues || !seen[static_cast<size_t>(sequence)],
            "the rows of sequence " + std::to_string(sequence) + " do not stand together");
    require(!continues || batch.positions[row] == batch.positions[row - 1] + 1,
            "the positions of sequence " + std::to_string(sequence) + " are not consecutive" + atRow(row));
    seen[static_cast<size_t>(sequence)] = true;
    const bool last = row + 1 == rows || batch.sequences[row + 1] != sequence;
    if (last) checkBlocks(batch, sequence, batch.positions[row], limits);
  }
  for (int32_t row : batch.logitRows) {
    require(row >= 0 && static_cast<size_t>(row) < rows,
            "there is no row " + std::to_string(row) + " to take logits of");
  }
}

}  // namespace conclave
