#include "step-memory.h"

#include <algorithm>

#include "../core/panel-layout.h"

namespace conclave {

GpuView GrowingBuffer::of(int64_t bytes) {
  if (buffer_ == nullptr || buffer_->bytes() < bytes) {
    buffer_ = nullptr;
    buffer_ = device_.allocate(bytes);
  }
  return {buffer_.get(), 0, bytes};
}

StepMemory::StepMemory(GpuDevice& device, const PlainShape& shape, const StepLimits& limits)
    : device_(device), blockTables(device), logits(device) {
  const int64_t rows = limits.maxRows, slots = rows * shape.router.topK, word = 4;
  const int64_t activation = static_cast<int64_t>(bytesPerWeight(shape.activations));
  const int64_t blocks = (shape.maxContext + kvBlockTokens - 1) / kvBlockTokens;
  tokens = allocate(rows, word);
  positions = allocate(rows, word);
  sequences = allocate(rows, word);
  logitRows = allocate(rows, word);
  everyRow = allocate(slots, word);
  rowOfSlot = allocate(slots, word);
  cosines = allocate(rows * (shape.attention.headDim / 2), word);
  sines = allocate(rows * (shape.attention.headDim / 2), word);
  x = allocate(rows * shape.dModel, word);
  normalized = allocate(rows * paddedInputs(shape.dModel), activation);
  received = allocate(rows * paddedInputs(shape.dModel), activation);
  qkv = allocate(rows * shape.qkvWidth(), word);
  q = allocate(rows * shape.qWidth(), activation);
  attended = allocate(rows * shape.qWidth(), activation);
  routerLogits = allocate(rows * shape.router.experts, word);
  chosen = allocate(int64_t{shape.layers} * slots, word);
  routingWeights = allocate(slots, word);
  slotRows = allocate(slots, word);
  slotExperts = allocate(slots, word);
  places = allocate(slots, word);
  placeRows = allocate(slots, word);
  tiles = allocate(1 + 3 * slots, word);
  inner = allocate(slots * paddedInputs(shape.ffn), activation);
  outputs = allocate(slots * shape.dModel, activation);
  sums = allocate(rows * shape.dModel, word);
  partial = allocate(
      std::min<int64_t>(rows, splitAttentionRows) * shape.attention.heads * blocks * (shape.attention.headDim + 2),
      word);
  for (int32_t i = 0; i < slots; ++i) {
    hostOf<int32_t>(everyRow)[i] = i;
    hostOf<int32_t>(rowOfSlot)[i] = i / shape.router.topK;
  }
}

GpuView StepMemory::allocate(int64_t count, int64_t elementBytes) {
  const int64_t bytes = count * elementBytes;
  buffers_.push_back(device_.allocate(bytes));
  return {buffers_.back().get(), 0, bytes};
}

BufferList StepMemory::buffers() const {
  BufferList list;
  for (const auto& buffer : buffers_) list.push_back(buffer.get());
  return list;
}

}  // namespace conclave
