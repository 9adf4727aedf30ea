#include "metal-backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../core/failure.h"
#include "../core/flush-denormals.h"
#include "../core/panel-layout.h"
#include "command-failure.h"
#include "gpu-limits.h"
#include "passage-encoder.h"

namespace conclave {
namespace {

// A thread of the attention kernel keeps 8 of a tile's 8 x headDim outputs (kernels/attention.metal).
constexpr int32_t widestHead = 256;

const ModelDescription& checked(const ModelDescription& description) {
  for (const Block& block : description.blocks) {
    const int32_t headDim = block.attention.headDim;
    require(headDim <= widestHead, "the GPU's attention takes heads of up to " + std::to_string(widestHead) +
                                       " dimensions, this model's have " + std::to_string(headDim));
  }
  requireThreadgroups(description);
  return description;
}

ProductKind productKind(const std::string& variant, const GpuProperties& gpu) {
  require(variant.empty() || variant == "lanes" || variant == "matrices",
          "unknown kernel variant '" + variant + "'; the GPU runs lanes, matrices");
  require(variant != "matrices" || gpu.simdgroupMatrices, gpu.name + " has no simdgroup matrices: use variant lanes");
  return variant == "lanes" || !gpu.simdgroupMatrices ? ProductKind::lanes : ProductKind::matrices;
}

// Layers to a command buffer of a whole step: the GPU runs one while the next is encoded. Each costs a submission.
constexpr int32_t layersAtOnce = 4;

// Keys and values of a block of one KV head, as heads.metal lays them out.
int64_t blockBytes(DType activations, int32_t headDim) {
  return matrixBytes(activations, kvBlockTokens, headDim) + matrixBytes(activations, headDim, kvBlockTokens);
}

// In the widest format, as any matrix but an MLP's may have it.
int64_t largestMatrix(const ModelDescription& description) {
  int64_t largest = 0;
  const auto take = [&](const std::vector<RequiredWeight>& weights) {
    for (const RequiredWeight& weight : weights) {
      const int64_t halves = weight.pairedPanels ? 2 : 1;
      largest = std::max(largest, halves * matrixBytes(DType::f32, weight.outputs / halves, weight.inputs));
    }
  };
  take(modelWeights(description));
  for (const Block& block : description.blocks) {
    take(layerWeights(description, block));
    if (block.moe() != nullptr) take(expertWeights(description, *block.moe()));
  }
  return largest;
}

void put(const GpuView& view, const std::vector<int32_t>& values) {
  std::memcpy(hostOf<int32_t>(view), values.data(), values.size() * sizeof(int32_t));
}

// Rows of `width` bytes between one row stride and another.
void copyRows(std::byte* to, int64_t toStride, const std::byte* from, int64_t fromStride, int64_t width, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * toStride, from + r * fromStride, static_cast<size_t>(width));
}

}  // namespace

MetalBackend::MetalBackend(std::unique_ptr<GpuDevice> device, const ModelDescription& description,
                           const StepLimits& limits, const std::string& variant, int threads)
    : device_(std::move(device)),
      description_(checked(description)),
      shape_(description.shape()),
      program_(description),
      budget_(device_->properties().rates),
      kernels_(*device_, shape_.activations, productKind(variant, device_->properties()), budget_),
      memory_(*device_, description, limits),
      weightMemory_(*device_, shape_.activations, largestMatrix(description)),
      routingCounts_(static_cast<size_t>(shape_.moeLayers) * static_cast<size_t>(shape_.experts)),
      threads_(threads) {
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const AttentionDescription& attention = description.block(layer).attention;
    const int64_t bytes =
        int64_t{limits.kvBlocks} * attention.kvHeads * blockBytes(shape_.activations, attention.headDim);
    requireBuffer(device_->properties(), "a layer's KV cache", bytes, "set worker.kvTokens lower");
    cache_.push_back(device_->allocate(bytes));
  }
  for (const Block& block : description.blocks) {
    rotary_.emplace_back();
    if (block.attention.rotary.has_value()) rotary_.back().emplace(*block.attention.rotary);
  }
  holdFiles({});
}

void MetalBackend::hold(const ModelWeights& weights) {
  requireSameFormats(description_, weights);
  for (const WeightFormat& format : weights.matrixFormats()) {
    require(!format.packed(), "the GPU does not compute with quantised weights yet: use backend cpu");
    kernels_.compileFor(format.plain());
  }
  holdFiles(weights.files());
}

void MetalBackend::holdFiles(const std::vector<std::shared_ptr<const MappedFile>>& files) {
  next_.reset();
  BesideWeights beside{{}, memory_.buffers()};
  for (const auto& cache : cache_) beside.cache.push_back(cache.get());
  weightMemory_.hold(files, beside);
}

void MetalBackend::step(const StepBatch& batch, const ModelWeights& weights, float* logits) {
  untilInTime([&] {
    upload(batch);
    submitStep(weights);
  });
  for (int32_t index = 0; index < shape_.moeLayers; ++index) count(index);
  readLogits(logits);
}

void MetalBackend::submitStep(const ModelWeights& weights) {
  std::vector<std::unique_ptr<GpuCommands>> submitted;
  auto to = commands(Submission::early);
  int32_t next = 0;  // the layer that has not begun
  for (int32_t index = 0; index <= shape_.moeLayers; ++index) {
    if (index > 0) encode(*to, weights, program_.beside(index - 1), ExpertResults::places);
    for (const Passage& passage : program_.piece(index)) {
      const bool begins = passage.layer == next;
      if (begins) ++next;
      if (begins && passage.layer > 0 && passage.layer % layersAtOnce == 0) {
        to->submit();
        submitted.push_back(std::exchange(to, commands(Submission::early)));
      }
      encode(*to, weights, passage, ExpertResults::places);
    }
    if (index < shape_.moeLayers) encodeOwnExperts(*to, weights, index);
  }
  to->submit();
  submitted.push_back(std::move(to));
  for (const auto& each : submitted) each->wait();
}

// What the watchdog ended is run again from its beginning, in smaller pieces: rows and bits stay what they are. The
// smaller budget is kept, as this GPU is slower than predicted, or shared.
template <typename Attempt>
void MetalBackend::untilInTime(const Attempt& attempt) {
  for (;;) {
    try {
      return attempt();
    } catch (const GpuTimeout&) {
      next_.reset();
      if (!budget_.shrink()) throw;
    }
  }
}

std::unique_ptr<GpuCommands> MetalBackend::commands(Submission submission) const {
  return std::make_unique<SizedCommands>(*device_, budget_, submission);
}

void MetalBackend::begin(const StepBatch& batch, const ModelWeights& weights) {
  upload(batch);
  next_ = encodedPart(weights, 0, false);
}

void MetalBackend::attend(const StepBatch& /*batch*/, const ModelWeights& weights, int32_t layer, Contribution before,
                          const AttendResult& result) {
  runPart(weights, layer, before);
  count(layer);
  const size_t chosen = static_cast<size_t>(extent_.rows) * static_cast<size_t>(shape_.topK);
  std::memcpy(result.experts, hostOf<int32_t>(chosenOf(layer)), chosen * sizeof(int32_t));
  std::memcpy(result.weights, hostOf<float>(memory_.routingWeights), chosen * sizeof(float));
  if (result.hidden == nullptr) return;
  const int64_t width = shape_.dModel * activationBytes(), stride = paddedInputs(shape_.dModel) * activationBytes();
  copyRows(result.hidden, width, hostOf<std::byte>(memory_.normalized), stride, width, extent_.rows);
}

void MetalBackend::runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots,
                              const std::byte* hidden, int32_t hiddenRows, std::byte* outputs) {
  const int32_t count = static_cast<int32_t>(slots.rows.size());
  if (count == 0) return;
  const int64_t width = shape_.dModel * activationBytes(), stride = paddedInputs(shape_.dModel) * activationBytes();
  std::copy(slots.rows.begin(), slots.rows.end(), hostOf<int32_t>(memory_.slotRows));
  std::copy(slots.experts.begin(), slots.experts.end(), hostOf<int32_t>(memory_.slotExperts));
  if (hidden != nullptr) copyRows(hostOf<std::byte>(memory_.received), stride, hidden, width, width, hiddenRows);
  const GpuView x = hidden == nullptr ? memory_.normalized : memory_.received;
  untilInTime([&] {
    const auto to = commands(Submission::early);
    encodeExperts(context(), *to, weights, program_.layerOf(layer),
                  {count, count, memory_.slotExperts, memory_.slotRows, x});
    finish(*to);
  });
  const int32_t* places = hostOf<int32_t>(memory_.places);
  for (int32_t i = 0; i < count; ++i) {
    std::memcpy(outputs + i * width, hostOf<std::byte>(memory_.outputs) + places[i] * width,
                static_cast<size_t>(width));
  }
}

// What it reads stays until the next part, and running it again writes the same.
void MetalBackend::runBeside(const ModelWeights& weights, int32_t layer) {
  const Passage passage = program_.beside(layer);
  if (besideDone_ == layer || passage.operations.empty()) return;
  untilInTime([&] {
    const auto to = commands(Submission::early);
    encode(*to, weights, passage, ExpertResults::places);
    finish(*to);
  });
  besideDone_ = layer;
}

void MetalBackend::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) {
  if (rows == 0) return;
  const int64_t slots = int64_t{rows} * shape_.topK, skipped = int64_t{firstRow} * shape_.topK * 4;
  const GpuView weights = memory_.routingWeights.part(skipped, memory_.routingWeights.bytes - skipped);
  std::memcpy(hostOf<std::byte>(memory_.outputs), outputs,
              static_cast<size_t>(slots * shape_.dModel * activationBytes()));
  untilInTime([&] {
    const auto to = commands(Submission::early);
    kernels_.sumOutputs(*to, {shape_.dModel, shape_.topK}, rows, memory_.everyRow, weights, memory_.outputs,
                        memory_.sums);
    finish(*to);
  });
  std::memcpy(sums, hostOf<float>(memory_.sums), static_cast<size_t>(rows) * static_cast<size_t>(shape_.dModel) * 4);
}

void MetalBackend::project(const StepBatch& /*batch*/, const ModelWeights& weights, Contribution before,
                           float* logits) {
  runPart(weights, shape_.moeLayers, before);
  readLogits(logits);
}

// Runs a piece of the program, and encodes the one after it meanwhile: between the two lies an exchange with other
// nodes, which the GPU's host should not lengthen.
void MetalBackend::runPart(const ModelWeights& weights, int32_t index, Contribution before) {
  if (index > 0) runBeside(weights, index - 1);
  const bool sums = before.sums != nullptr;
  putContribution(before);
  // A part adds to the residual rows and ends with the next routing weights: one that was ended may have done so
  // already.
  float* residual = hostOf<float>(memory_.residual);
  float* routing = hostOf<float>(memory_.routingWeights);
  residualBefore_.assign(residual, residual + int64_t{extent_.rows} * shape_.dModel);
  routingBefore_.assign(routing, routing + int64_t{extent_.rows} * shape_.topK);
  untilInTime([&] {
    std::copy(residualBefore_.begin(), residualBefore_.end(), residual);
    std::copy(routingBefore_.begin(), routingBefore_.end(), routing);
    if (!next_.has_value() || next_->index != index || next_->sums != sums) next_ = encodedPart(weights, index, sums);
    const auto commands = std::move(next_->commands);
    next_.reset();
    commands->submit();
    // Whether the next contribution will be outputs or sums, this one says.
    if (index < shape_.moeLayers) next_ = encodedPart(weights, index + 1, sums);
    commands->wait();
  });
}

MetalBackend::Part MetalBackend::encodedPart(const ModelWeights& weights, int32_t index, bool sums) {
  Part part{index, sums, commands(Submission::together)};
  for (const Passage& passage : program_.piece(index)) {
    encode(*part.commands, weights, passage, sums ? ExpertResults::sums : ExpertResults::slots);
  }
  return part;
}

void MetalBackend::encode(GpuCommands& to, const ModelWeights& weights, const Passage& passage,
                          ExpertResults before) const {
  const EncodingContext with = context();
  PassageEncoder(with, to, weights, passage, before).encode();
}

// All slots, in the experts that the router has chosen.
void MetalBackend::encodeOwnExperts(GpuCommands& to, const ModelWeights& weights, int32_t index) const {
  encodeExperts(context(), to, weights, program_.layerOf(index),
                {extent_.rows * shape_.topK, extent_.rows, chosenOf(index), memory_.rowOfSlot, memory_.normalized});
}

EncodingContext MetalBackend::context() const {
  return {description_, kernels_, memory_, weightMemory_, cache_, extent_};
}

std::string MetalBackend::numericsClass() const {
  const std::string products = kernels_.kind() == ProductKind::lanes ? "lanes" : "matrices";
  return "metal-" + device_->properties().className + "-" + products;
}

void MetalBackend::upload(const StepBatch& batch) {
  next_.reset();
  besideDone_ = -1;
  extent_.rows = batch.rows();
  extent_.logitRows = static_cast<int32_t>(batch.logitRows.size());
  put(memory_.tokens, batch.tokens);
  put(memory_.positions, batch.positions);
  put(memory_.sequences, batch.sequences);
  put(memory_.logitRows, batch.logitRows);
  extent_.blockTables = memory_.blockTables.of(static_cast<int64_t>(batch.blockTables.size() * sizeof(int32_t)));
  put(extent_.blockTables, batch.blockTables);
  extent_.blockTableWidth = batch.blockTableWidth;
  extent_.mostBlocks = *std::max_element(batch.positions.begin(), batch.positions.end()) / kvBlockTokens + 1;
  if (extent_.logitRows > 0) extent_.logits = memory_.logits.of(int64_t{extent_.logitRows} * shape_.vocab * 4);
  uploadAngles(batch);
  cutRows();
}

// As the CPU computes them: the same bits.
void MetalBackend::uploadAngles(const StepBatch& batch) {
  const FlushDenormals flush;
  for (size_t block = 0; block < rotary_.size(); ++block) {
    if (!rotary_[block].has_value()) continue;
    const int64_t pairs = rotary_[block]->pairs();
    float *cosines = hostOf<float>(memory_.angles[block].cosines), *sines = hostOf<float>(memory_.angles[block].sines);
    for (int32_t row = 0; row < batch.rows(); ++row) {
      rotary_[block]->at(batch.positions[static_cast<size_t>(row)], cosines + row * pairs, sines + row * pairs);
    }
  }
}

// The tiles of an MLP that all rows go through, as group_slots would make them.
void MetalBackend::cutRows() {
  const int32_t rows = extent_.rows, most = kernels_.tileRows(rows);
  int32_t* tiles = hostOf<int32_t>(memory_.rowTiles);
  *tiles++ = (rows + most - 1) / most;
  for (int32_t first = 0; first < rows; first += most) {
    *tiles++ = 0;
    *tiles++ = first;
    *tiles++ = std::min(most, rows - first);
  }
}

// Not while commands run that use outputs or sums.
void MetalBackend::putContribution(Contribution before) {
  const size_t width = static_cast<size_t>(extent_.rows) * static_cast<size_t>(shape_.dModel);
  if (before.sums != nullptr) std::memcpy(hostOf<float>(memory_.sums), before.sums, width * sizeof(float));
  if (before.outputs == nullptr) return;
  std::memcpy(hostOf<std::byte>(memory_.outputs), before.outputs,
              width * static_cast<size_t>(shape_.topK * activationBytes()));
}

void MetalBackend::finish(GpuCommands& commands) {
  commands.submit();
  commands.wait();
}

void MetalBackend::count(int32_t index) {
  const int32_t* chosen = hostOf<int32_t>(chosenOf(index));
  double* counts = routingCounts_.data() + int64_t{index} * shape_.experts;
  for (int32_t i = 0; i < extent_.rows * shape_.topK; ++i) counts[chosen[i]] += 1;
}

void MetalBackend::readLogits(float* logits) const {
  if (extent_.logitRows == 0) return;
  std::memcpy(logits, memory_.logits.contents(),
              static_cast<size_t>(extent_.logitRows) * static_cast<size_t>(shape_.vocab) * 4);
}

}  // namespace conclave
