// The dimensions of a model of identical blocks: norm, grouped-query attention, norm, router and experts.
#pragma once
#include <cstdint>

#include "dtype.h"

namespace conclave {

enum class RouterNormalization : int32_t { none = 0, l1 = 1 };

struct ModelShape {
  DType dtype;
  int32_t layers, dModel, vocab, maxContext;
  float normEpsilon;
  int32_t heads, kvHeads, headDim;
  float clipQkv;  // infinity: not clipped
  double ropeTheta;
  int32_t experts, topK;
  RouterNormalization routerNormalization;
  int32_t ffn;

  int32_t qWidth() const { return heads * headDim; }
  int32_t kvWidth() const { return kvHeads * headDim; }
  int32_t qkvWidth() const { return qWidth() + 2 * kvWidth(); }
  // Query heads that share a key/value head.
  int32_t groupSize() const { return heads / kvHeads; }
};

/** Throws Failure invalidArgument naming the first dimension that cannot be. */
void checkShape(const ModelShape& shape);

}  // namespace conclave
