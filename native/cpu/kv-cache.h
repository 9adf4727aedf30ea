// Keys and values in blocks of 64 positions. A block of one layer and KV head holds two panel matrices, so that
// attention is two matrix products per block, in the order of sums that every product has:
//   K: outputs = 64 keys,   inputs = headDim    scores = q K
//   V: outputs = headDim,   inputs = 64 keys    o = p V
// Stored like activations: bf16 for bf16 models, else f32.
#pragma once
#include "../core/float-bits.h"
#include "../core/model-shape.h"
#include "../core/panel-layout.h"
#include "../core/step-batch.h"
#include "../core/zeroed-memory.h"
#include "kernels.h"

namespace conclave {

// One block of one layer and KV head.
struct KvPlace {
  int32_t layer, block, kvHead;
};

class KvCache {
 public:
  KvCache(const ModelShape& shape, int32_t blocks)
      : type_(activationType(shape.dtype)),
        headDim_(shape.headDim),
        kvHeads_(shape.kvHeads),
        blocks_(blocks),
        keyBytes_(matrixBytes(type_, kvBlockTokens, shape.headDim)),
        valueBytes_(matrixBytes(type_, shape.headDim, kvBlockTokens)),
        memory_(int64_t{shape.layers} * blocks * shape.kvHeads * (keyBytes_ + valueBytes_)) {}

  /** The block's keys: multiply queries [.., headDim] to get 64 scores each. */
  Panels keys(const KvPlace& place) const {
    return {at(place), type_, panelBytes(type_, headDim_), headDim_, kvBlockTokens};
  }

  /** The block's first `count` values, an even number: multiply weights [.., count] to get headDim sums each. */
  Panels values(const KvPlace& place, int32_t count) const {
    return {at(place) + keyBytes_, type_, panelBytes(type_, kvBlockTokens), count, headDim_};
  }

  /** One value as f32: out [headDim]. */
  void readValue(const KvPlace& place, int32_t slot, float* out) const {
    const std::byte* panels = at(place) + keyBytes_;
    for (int32_t o = 0; o < headDim_; ++o) {
      const int64_t index =
          o / panelOutputs * (int64_t{kvBlockTokens} * panelOutputs) + panelIndex(type_, slot, o % panelOutputs);
      out[o] = type_ == DType::bf16 ? bf16ToF32(reinterpret_cast<const uint16_t*>(panels)[index])
                                    : reinterpret_cast<const float*>(panels)[index];
    }
  }

  /** Writes key and value of one position, both [headDim] in the cache's type. */
  void append(const KvPlace& place, int32_t slot, const void* key, const void* value) {
    std::byte* keyPanels = at(place);
    if (type_ == DType::bf16) {
      store(reinterpret_cast<uint16_t*>(keyPanels), slot, static_cast<const uint16_t*>(key),
            static_cast<const uint16_t*>(value));
    } else {
      store(reinterpret_cast<float*>(keyPanels), slot, static_cast<const float*>(key),
            static_cast<const float*>(value));
    }
  }

 private:
  std::byte* at(const KvPlace& place) const {
    const int64_t index = (int64_t{place.layer} * blocks_ + place.block) * kvHeads_ + place.kvHead;
    return memory_.data() + index * (keyBytes_ + valueBytes_);
  }

  template <typename T>
  void store(T* keyPanels, int32_t slot, const T* key, const T* value) {
    T* valuePanels = keyPanels + keyBytes_ / static_cast<int64_t>(sizeof(T));
    const int64_t keyPanel = paddedInputs(headDim_) * panelOutputs, valuePanel = kvBlockTokens * panelOutputs;
    T* keyLane = keyPanels + slot / panelOutputs * keyPanel;
    for (int32_t i = 0; i < headDim_; ++i) keyLane[panelIndex(type_, i, slot % panelOutputs)] = key[i];
    for (int32_t o = 0; o < headDim_; ++o) {
      valuePanels[o / panelOutputs * valuePanel + panelIndex(type_, slot, o % panelOutputs)] = value[o];
    }
  }

  DType type_;
  int32_t headDim_, kvHeads_, blocks_;
  int64_t keyBytes_, valueBytes_;
  ZeroedMemory memory_;
};

}  // namespace conclave
