// What a step reads and writes on the GPU beside weights and KV cache. Shapes: `rows` up to the session's limit, slots
// = rows * topK, places = slots; strides are padded to an even number of elements.
#pragma once
#include <memory>

#include "../core/step-batch.h"
#include "gpu-device.h"
#include "plain-shape.h"

namespace conclave {

// A buffer that is replaced by a larger one on demand. Not while commands use it.
class GrowingBuffer {
 public:
  explicit GrowingBuffer(GpuDevice& device) : device_(device) {}

  GpuView of(int64_t bytes);
  std::byte* contents() const { return buffer_->contents(); }

 private:
  GpuDevice& device_;
  std::unique_ptr<GpuBuffer> buffer_;
};

struct StepMemory {
  StepMemory(GpuDevice& device, const PlainShape& shape, const StepLimits& limits);

  /** All but what grows. */
  BufferList buffers() const;

 private:
  GpuView allocate(int64_t count, int64_t elementBytes);

  GpuDevice& device_;
  std::vector<std::unique_ptr<GpuBuffer>> buffers_;

 public:
  GpuView tokens, positions, sequences, logitRows;  // i32 [rows]
  GpuView everyRow;                                 // i32 [slots]: 0, 1, 2, ...
  GpuView rowOfSlot;                                // i32 [slots]: slot / topK
  GpuView cosines, sines;                           // f32 [rows, headDim / 2]
  GpuView x;                                        // f32 [rows, dModel]
  GpuView normalized, received;                     // activations [rows, dModel stride]; received: of other nodes
  GpuView qkv;                                      // f32 [rows, qkvWidth]
  GpuView q, attended;                              // activations [rows, qWidth]
  GpuView routerLogits;                             // f32 [rows, experts]
  GpuView chosen;                                   // i32 [layers, slots]
  GpuView routingWeights;                           // f32 [slots]
  GpuView slotRows, slotExperts;                    // i32 [slots]: of other nodes' rows
  GpuView places, placeRows;                        // i32 [slots]
  GpuView tiles;                                    // i32 [1 + 3 slots]
  GpuView inner;                                    // activations [places, ffn stride]
  GpuView outputs;                                  // activations [places, dModel]
  GpuView sums;                                     // f32 [rows, dModel]
  GpuView partial;                                  // f32 [few rows, heads, blocks, headDim + 2]
  GrowingBuffer blockTables, logits;
};

/** A view as the host sees it. */
template <typename T>
T* hostOf(const GpuView& view) {
  return reinterpret_cast<T*>(view.buffer->contents() + view.offset);
}

// Steps of so few rows have their attention split by KV blocks.
constexpr int32_t splitAttentionRows = 8;

}  // namespace conclave
