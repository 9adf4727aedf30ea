#include "model-shape.h"

#include <string>

#include "failure.h"

namespace conclave {
namespace {

// Keeps every product of two dimensions and a dtype far inside int64, and every row inside int32.
constexpr int32_t largestDimension = 1 << 24;

void requireDimension(const char* name, int32_t value) {
  require(value >= 1 && value <= largestDimension,
          std::string(name) + " must be 1 to " + std::to_string(largestDimension) + " but is " + std::to_string(value));
}

}  // namespace

void checkShape(const ModelShape& shape) {
  require(shape.dtype == DType::f32 || shape.dtype == DType::f16 || shape.dtype == DType::bf16, "unknown dtype");
  requireDimension("layers", shape.layers);
  requireDimension("dModel", shape.dModel);
  requireDimension("vocab", shape.vocab);
  requireDimension("maxContext", shape.maxContext);
  requireDimension("heads", shape.heads);
  requireDimension("kvHeads", shape.kvHeads);
  requireDimension("headDim", shape.headDim);
  requireDimension("experts", shape.experts);
  requireDimension("topK", shape.topK);
  requireDimension("ffn", shape.ffn);
  require(shape.heads % shape.kvHeads == 0, "kvHeads must divide heads");
  require(shape.headDim % 2 == 0, "headDim must be even");
  require(static_cast<int64_t>(shape.heads + 2 * shape.kvHeads) * shape.headDim <= largestDimension,
          "heads * headDim is too large");
  require(shape.experts <= 4096, "experts must be at most 4096");
  require(shape.topK <= shape.experts, "topK must not exceed experts");
  require(shape.normEpsilon >= 0 && shape.ropeTheta > 0 && shape.clipQkv > 0,
          "normEpsilon, ropeTheta and clipQkv must be positive");
  require(
      shape.routerNormalization == RouterNormalization::none || shape.routerNormalization == RouterNormalization::l1,
      "unknown routerNormalization");
}

}  // namespace conclave
