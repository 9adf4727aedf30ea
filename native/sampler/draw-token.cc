#include "draw-token.h"

namespace conclave {
namespace {

// Of each block the sum of the weights kept; returns that of all.
double sumBlocks(const LogitRow& row, const Cutoff& cutoff, SamplerScratch& scratch) {
  double total = 0;
  for (int32_t b = 0; b < row.blocks(); ++b) {
    double& sum = scratch.sums[static_cast<size_t>(b)];
    sum = 0;
    if (row.largestOf(b) < cutoff.logit) continue;
    double kept[blockTokens];
    maskWeights(row, b, cutoff, scratch.weightsOf(b), kept);
    sum = sumOf(kept);
    total += sum;
  }
  return total;
}

}  // namespace

int32_t drawToken(const LogitRow& row, const Cutoff& cutoff, double random, SamplerScratch& scratch) {
  const double wanted = random * sumBlocks(row, cutoff, scratch);
  double reached = 0;
  int32_t block = 0;
  for (int32_t b = 0; b < row.blocks(); ++b) {
    const double sum = scratch.sums[static_cast<size_t>(b)];
    if (sum == 0) continue;
    block = b;
    if (reached + sum > wanted) break;
    reached += sum;
  }
  // Sums of a block and of its tokens one by one may round apart: then it is the block's last token.
  const double* weights = scratch.weightsOf(block);
  int32_t id = block * blockTokens, last = id;
  for (const float logit : row.block(block)) {
    const double weight = cutoff.keeps(logit, id) ? *weights : 0;
    if (weight > 0) last = id;
    reached += weight;
    if (reached > wanted) break;
    ++weights;
    ++id;
  }
  return last;
}

}  // namespace conclave
