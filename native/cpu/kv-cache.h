// Keys and values in blocks of 64 positions. A block of one layer and KV head holds two panel matrices, so that
// attention is two matrix products per block, in the order of sums that every product has:
//   K: outputs = 64 keys,   inputs = headDim    scores = q K
//   V: outputs = headDim,   inputs = 64 keys    o = p V
// Stored like activations. Layers may differ in heads; a block id means the same positions in all of them.
#pragma once
#include "../core/float-bits.h"
#include "../core/model-description.h"
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
  KvCache(const ModelDescription& description, int32_t blocks) : type_(description.activations) {
    int64_t bytes = 0;
    for (int32_t i = 0; i < description.layers(); ++i) {
      const AttentionDescription& attention = description.block(i).attention;
      const Layer layer{bytes, attention.headDim, attention.kvHeads,
                        matrixBytes(type_, kvBlockTokens, attention.headDim),
                        matrixBytes(type_, attention.headDim, kvBlockTokens)};
      layers_.push_back(layer);
      bytes += int64_t{blocks} * layer.kvHeads * (layer.keyBytes + layer.valueBytes);
    }
    memory_ = ZeroedMemory(bytes);
  }

  /** The block's keys: multiply queries [.., headDim] to get 64 scores each. */
  Panels keys(const KvPlace& place) const {
    const int32_t headDim = layerOf(place).headDim;
    return {at(place), type_, panelBytes(type_, headDim), headDim, kvBlockTokens};
  }

  /** The block's first `count` values, an even number: multiply weights [.., count] to get headDim sums each. */
  Panels values(const KvPlace& place, int32_t count) const {
    const Layer& layer = layerOf(place);
    return {at(place) + layer.keyBytes, type_, panelBytes(type_, kvBlockTokens), count, layer.headDim};
  }

  /** One value as f32: out [headDim]. */
  void readValue(const KvPlace& place, int32_t slot, float* out) const {
    const Layer& layer = layerOf(place);
    const std::byte* panels = at(place) + layer.keyBytes;
    for (int32_t o = 0; o < layer.headDim; ++o) {
      const int64_t index =
          o / panelOutputs * (int64_t{kvBlockTokens} * panelOutputs) + panelIndex(type_, slot, o % panelOutputs);
      out[o] = type_ == DType::bf16 ? bf16ToF32(reinterpret_cast<const uint16_t*>(panels)[index])
                                    : reinterpret_cast<const float*>(panels)[index];
    }
  }

  /** Writes key and value of one position, both [headDim] in the cache's type. */
  void append(const KvPlace& place, int32_t slot, const void* key, const void* value) {
    if (type_ == DType::bf16) {
      store(place, slot, static_cast<const uint16_t*>(key), static_cast<const uint16_t*>(value));
    } else {
      store(place, slot, static_cast<const float*>(key), static_cast<const float*>(value));
    }
  }

 private:
  struct Layer {
    int64_t offset;  // of its first block, in bytes
    int32_t headDim, kvHeads;
    int64_t keyBytes, valueBytes;
  };

  const Layer& layerOf(const KvPlace& place) const { return layers_[static_cast<size_t>(place.layer)]; }

  std::byte* at(const KvPlace& place) const {
    const Layer& layer = layerOf(place);
    const int64_t index = int64_t{place.block} * layer.kvHeads + place.kvHead;
    return memory_.data() + layer.offset + index * (layer.keyBytes + layer.valueBytes);
  }

  template <typename T>
  void store(const KvPlace& place, int32_t slot, const T* key, const T* value) {
    const Layer& layer = layerOf(place);
    T* keyPanels = reinterpret_cast<T*>(at(place));
    T* valuePanels = keyPanels + layer.keyBytes / static_cast<int64_t>(sizeof(T));
    const int64_t keyPanel = paddedInputs(layer.headDim) * panelOutputs, valuePanel = kvBlockTokens * panelOutputs;
    T* keyLane = keyPanels + slot / panelOutputs * keyPanel;
    for (int32_t i = 0; i < layer.headDim; ++i) keyLane[panelIndex(type_, i, slot % panelOutputs)] = key[i];
    for (int32_t o = 0; o < layer.headDim; ++o) {
      valuePanels[o / panelOutputs * valuePanel + panelIndex(type_, slot, o % panelOutputs)] = value[o];
    }
  }

  DType type_;
  std::vector<Layer> layers_;
  ZeroedMemory memory_;
};

}  // namespace conclave
