// The models that the GPU's kernels compute so far: identical blocks of LayerNorm, attention with rotary embedding over
// whole heads, LayerNorm, a softmax router and SiLU experts, with weights of one format.
#pragma once
#include "../core/model-description.h"

namespace conclave {

struct PlainShape {
  DType activations;
  int32_t layers, dModel, vocab, maxContext;
  Norm norm;
  AttentionDescription attention;
  Router router;
  int32_t ffn;

  int32_t qWidth() const { return attention.queryWidth(); }
  int32_t kvWidth() const { return attention.keyWidth(); }
  int32_t qkvWidth() const { return attention.projectedWidth(); }
};

/** Throws Failure unavailable naming what the kernels lack. */
PlainShape plainShapeOf(const ModelDescription& description);

}  // namespace conclave
