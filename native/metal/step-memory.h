// What a step reads and writes on the GPU beside weights and KV cache. Shapes: `rows` up to the session's limit, slots
// = rows * topK, places = slots; strides are padded to an even number of elements. Where kinds of blocks differ, what
// the widest needs.
#pragma once
#include <memory>

#include "../core/program.h"
#include "../core/step-batch.h"
#include "gpu-device.h"

namespace conclave {

// A buffer that is replaced by a larger one on demand. Not while commands use it.
class GrowingBuffer {
 public:
  explicit GrowingBuffer(GpuDevice& device) : device_(device) {}

  GpuView of(int64_t bytes);
  std::byte* contents() const { return buffer_->contents(); }
  /** Null before the first use. */
  const GpuBuffer* buffer() const { return buffer_.get(); }
  /** Whether a smaller one is still kept, until forgetSmaller(): it may be in a residency set. */
  bool hasGrown() const { return hasGrown_; }
  void forgetSmaller();

 private:
  GpuDevice& device_;
  std::unique_ptr<GpuBuffer> buffer_, smaller_;
  bool hasGrown_ = false;
};

struct StepMemory {
  StepMemory(GpuDevice& device, const ModelDescription& description, const StepLimits& limits);

  BufferList buffers() const;

 private:
  void allocateRows(const ModelDescription& description, int64_t rows);
  void allocateSlots(const ModelDescription& description, int64_t rows);
  // At least one element: what a model has no use for is a word.
  GpuView allocate(int64_t count, int64_t elementBytes);

  GpuDevice& device_;
  std::vector<std::unique_ptr<GpuBuffer>> buffers_;

 public:
  struct Angles {
    GpuView cosines, sines;  // f32 [rows, rotary dims / 2]
  };

  GpuView tokens, positions, sequences, logitRows;  // i32 [rows]
  GpuView everyRow;                                 // i32 [slots and rows]: 0, 1, 2, ...
  GpuView rowOfSlot;                                // i32 [slots]: slot / topK
  std::vector<Angles> angles;                       // [blocks]
  GpuView residual, mixed, shared, sums;            // f32 [rows, dModel]
  GpuView sharedGate;                               // f32 [rows]
  GpuView projected;                                // f32 [rows, projected width]
  GpuView routerLogits;                             // f32 [rows, experts]
  GpuView normalized, received;                     // activations [rows, dModel stride]; received: of other nodes
  GpuView query, attended;                          // activations [rows, query width]
  GpuView widened;                                  // f32 [rows, widest input stride]: for f32 and f16 in bf16 models
  std::vector<GpuView> chosen;                      // [layers]: i32 [slots] of MoE layers
  GpuView routingWeights;                           // f32 [slots]
  GpuView slotRows, slotExperts;                    // i32 [slots]: of other nodes' rows
  GpuView places, placeRows;                        // i32 [slots]
  GpuView tiles;                                    // i32 [1 + 3 slots]
  GpuView rowTiles;                                 // i32 [1 + 3 rows]: of an MLP that all rows go through
  GpuView gateBias, upBias, downBias;               // f32 [places, width]: of each place's expert
  GpuView inner;                                    // activations [places or rows, width stride]
  GpuView sharedInner;                              // activations [rows, width stride]: of the shared expert
  GpuView outputs;                                  // activations [places, dModel]
  GpuView contributed;                              // activations [slots, dModel]: outputs in the slots' order
  std::vector<GpuView> presentExperts;              // [layers]: i32 [experts] of MoE layers, -1 where one is not here
  std::vector<GpuView> presumedExperts;             // the same of those computed behind the router
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

/** Blocks of `positions` positions that a row sees at most. */
int32_t blocksSeen(const AttentionDescription& attention, int64_t positions);

}  // namespace conclave
