// The KV cache as kernels fill and read it: where things lie, for the cases of heads and of attention.
#pragma once
#include "case-memory.h"

namespace conclave::test {

// Attention's surroundings: two sequences, one of them in its second block, whose blocks lie anywhere.
struct Attended {
  int32_t heads, kvHeads = 2, headDim;
  Ids positions, sequences, tables{2, 1, 0, 3};
  int32_t width = 2;

  int32_t blockOf(size_t row, int32_t position) const {
    return tables[static_cast<size_t>(sequences[row] * width + position / 64)];
  }
};

inline Attended attended(Random& random) {
  Attended a;
  a.heads = 2 * random.of<int32_t>({1, 3, 9});
  a.headDim = 2 * random.between(9, 35);
  a.positions = {random.between(64, 126), random.of<int32_t>({0, 1, 62, 63})};
  a.sequences = {1, 0};
  return a;
}

inline int64_t cacheBytes(const Attended& a, DType dtype, int32_t blocks) {
  const DType type = activations(dtype);
  return blocks * a.kvHeads * (matrixBytes(type, 64, a.headDim) + matrixBytes(type, a.headDim, 64));
}

// Where key or value (position, dimension) of a KV head lies in the cache, in elements.
inline int64_t keyAt(const Attended& a, DType dtype, int64_t block, int64_t head, int64_t slot, int64_t dimension) {
  const DType type = activations(dtype);
  const int64_t panel = static_cast<int64_t>(paddedInputs(a.headDim)) * 32;
  const int64_t perHead = cacheBytes(a, dtype, 1) / a.kvHeads / activationBytes(dtype);
  return (block * a.kvHeads + head) * perHead + slot / 32 * panel + panelIndex(type, dimension, slot % 32);
}
inline int64_t valueAt(const Attended& a, DType dtype, int64_t block, int64_t head, int64_t slot, int64_t dimension) {
  const int64_t keys = matrixBytes(activations(dtype), 64, a.headDim) / activationBytes(dtype);
  const int64_t perHead = cacheBytes(a, dtype, 1) / a.kvHeads / activationBytes(dtype);
  return (block * a.kvHeads + head) * perHead + keys + dimension / 32 * 64 * 32 +
         panelIndex(activations(dtype), slot, dimension % 32);
}

// Where what a row of `a` reads or writes ends: its last value; keys are read in pairs.
inline int64_t usedCacheBytes(const Attended& a, DType dtype, bool pairs) {
  const int64_t slot = a.positions[0] % 64, pair = pairs ? slot | 1 : slot;
  return (valueAt(a, dtype, a.blockOf(0, a.positions[0]), a.kvHeads - 1, pair, a.headDim - 1) + 1) *
         activationBytes(dtype);
}

}  // namespace conclave::test
