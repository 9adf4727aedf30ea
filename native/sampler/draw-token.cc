#include "draw-token.h"

namespace conclave {
namespace {

// Of each block the sum of the weights kept; returns that of all.
double sumBlocks(const LogitRow& row, const Cutoff& cutoff, const Scale& scale, SamplerScratch& scratch) {
  double total = 0;
  for (int32_t b = 0; b < row.blocks(); ++b) {
    double& sum = scratch.sums[static_cast<size_t>(b)];
    sum = 0;
    if (row.largestOf(b) < cutoff.logit) continue;
    weighKept(row, b, cutoff, scale, scratch.weighed);
    sum = sumOf(scratch.weighed);
    total += sum;
  }
  return total;
}

}  // namespace

int32_t drawToken(const LogitRow& row, const Cutoff& cutoff, const Scale& scale, double random,
                  SamplerScratch& scratch) {
  const double wanted = random * sumBlocks(row, cutoff, scale, scratch);
  double reached = 0;
  int32_t block = 0, last = 0;
  for (int32_t b = 0; b < row.blocks() && reached <= wanted; ++b) {
    const double sum = scratch.sums[static_cast<size_t>(b)];
    if (sum == 0) continue;
    block = b;
    if (reached + sum > wanted) break;
    reached += sum;
  }
  // Sums of a block and of its tokens one by one may round apart: then it is the block's last token.
  weighKept(row, block, cutoff, scale, scratch.weighed);
  for (int32_t i = 0; i < blockTokens; ++i) {
    const double weight = scratch.weighed.weight[i];
    if (weight == 0) continue;
    last = block * blockTokens + i;
    reached += weight;
    if (reached > wanted) return last;
  }
  return last;
}

}  // namespace conclave
