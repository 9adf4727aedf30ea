#include "step-memory.h"

#include <algorithm>
#include <utility>

#include "../core/panel-layout.h"

namespace conclave {
namespace {

constexpr int64_t word = 4;

int64_t activationBytes(const ModelDescription& description) {
  return static_cast<int64_t>(bytesPerWeight(description.activations));
}

template <typename Of>
int64_t most(const ModelDescription& description, const Of& of) {
  int64_t largest = 0;
  for (const Block& block : description.blocks) largest = std::max<int64_t>(largest, of(block));
  return largest;
}

int64_t queryWidth(const Block& block) { return block.attention.queryWidth(); }

// Elements of `inner` that a block's MLPs need.
int64_t innerElements(const Block& block, int64_t rows) {
  const MoeMlp* moe = block.moe();
  if (moe == nullptr) return rows * paddedInputs(std::get<DenseMlp>(block.mlp).mlp.width);
  return rows * moe->router.topK * paddedInputs(moe->expert.width);
}

int64_t sharedInnerElements(const Block& block, int64_t rows) {
  const MoeMlp* moe = block.moe();
  return moe != nullptr && moe->shared.has_value() ? rows * paddedInputs(moe->shared->mlp.width) : 0;
}

int64_t partialElements(const ModelDescription& description, const Block& block, int64_t rows) {
  const AttentionDescription& attention = block.attention;
  return std::min<int64_t>(rows, splitAttentionRows) * attention.heads * blocksSeen(attention, description.maxContext) *
         (attention.headDim + 2);
}

}  // namespace

// A window of w positions lies in at most ceil((w - 1) / 64) + 1 blocks.
int32_t blocksSeen(const AttentionDescription& attention, int64_t positions) {
  const int64_t all = (positions + kvBlockTokens - 1) / kvBlockTokens;
  if (!attention.window.has_value()) return static_cast<int32_t>(all);
  return static_cast<int32_t>(std::min(all, (int64_t{*attention.window} + kvBlockTokens - 2) / kvBlockTokens + 1));
}

GpuView GrowingBuffer::of(int64_t bytes) {
  if (buffer_ == nullptr || buffer_->bytes() < bytes) {
    auto larger = device_.allocate(bytes);
    smaller_ = std::exchange(buffer_, std::move(larger));
    hasGrown_ = true;
  }
  return {buffer_.get(), 0, bytes};
}

void GrowingBuffer::forgetSmaller() {
  smaller_.reset();
  hasGrown_ = false;
}

StepMemory::StepMemory(GpuDevice& device, const ModelDescription& description, const StepLimits& limits)
    : device_(device), blockTables(device), logits(device) {
  allocateRows(description, limits.maxRows);
  allocateSlots(description, limits.maxRows);
}

void StepMemory::allocateRows(const ModelDescription& description, int64_t rows) {
  const int64_t activation = activationBytes(description), dModel = description.dModel;
  const int64_t queries = most(description, queryWidth);
  for (GpuView* ids : {&tokens, &positions, &sequences, &logitRows}) *ids = allocate(rows, word);
  for (const Block& block : description.blocks) {
    const int64_t pairs = block.attention.rotary.has_value() ? block.attention.rotary->dims / 2 : 0;
    angles.push_back({allocate(rows * pairs, word), allocate(rows * pairs, word)});
  }
  for (GpuView* wide : {&residual, &mixed, &shared, &sums}) *wide = allocate(rows * dModel, word);
  sharedGate = allocate(rows, word);
  projected = allocate(rows * most(description, [](const Block& b) { return b.attention.projectedWidth(); }), word);
  routerLogits = allocate(rows * description.shape().experts, word);
  normalized = allocate(rows * paddedInputs(dModel), activation);
  received = allocate(rows * paddedInputs(dModel), activation);
  query = allocate(rows * queries, activation);
  attended = allocate(rows * queries, activation);
  const bool widens = description.activations == DType::bf16;
  widened = allocate(widens ? rows * std::max(paddedInputs(dModel), queries) : 0, word);
  rowTiles = allocate(1 + 3 * rows, word);
  partial = allocate(most(description, [&](const Block& b) { return partialElements(description, b, rows); }), word);
}

void StepMemory::allocateSlots(const ModelDescription& description, int64_t rows) {
  const ModelShape shape = description.shape();
  const int64_t slots = rows * shape.topK, activation = activationBytes(description);
  const int64_t biased = most(description, [&](const Block& block) {
    const bool has = block.moe() != nullptr && block.moe()->expert.bias;
    return has ? slots * block.moe()->expert.width : 0;
  });
  for (GpuView* ids : {&rowOfSlot, &routingWeights, &slotRows, &slotExperts, &places, &placeRows}) {
    *ids = allocate(slots, word);
  }
  everyRow = allocate(std::max(slots, rows), word);
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    const bool moe = description.block(layer).moe() != nullptr;
    chosen.push_back(moe ? allocate(slots, word) : GpuView{});
    for (auto* tables : {&presentExperts, &presumedExperts}) {
      tables->push_back(moe ? allocate(shape.experts, word) : GpuView{});
    }
  }
  tiles = allocate(1 + 3 * slots, word);
  gateBias = allocate(biased, word);
  upBias = allocate(biased, word);
  downBias = allocate(biased > 0 ? slots * shape.dModel : 0, word);
  inner = allocate(most(description, [&](const Block& block) { return innerElements(block, rows); }), activation);
  sharedInner =
      allocate(most(description, [&](const Block& block) { return sharedInnerElements(block, rows); }), activation);
  outputs = allocate(slots * shape.dModel, activation);
  contributed = allocate(slots * shape.dModel, activation);
  for (int32_t i = 0; i < std::max(slots, rows); ++i) hostOf<int32_t>(everyRow)[i] = i;
  for (int32_t i = 0; i < slots; ++i) hostOf<int32_t>(rowOfSlot)[i] = i / shape.topK;
}

GpuView StepMemory::allocate(int64_t count, int64_t elementBytes) {
  const int64_t bytes = std::max<int64_t>(count, 1) * elementBytes;
  buffers_.push_back(device_.allocate(bytes));
  return {buffers_.back().get(), 0, bytes};
}

BufferList StepMemory::buffers() const {
  BufferList list;
  for (const auto& buffer : buffers_) list.push_back(buffer.get());
  for (const GrowingBuffer* growing : {&blockTables, &logits}) {
    if (growing->buffer() != nullptr) list.push_back(growing->buffer());
  }
  return list;
}

}  // namespace conclave
