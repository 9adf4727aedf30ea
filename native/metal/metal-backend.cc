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

// 0 where `has`, else -1.
template <typename Has>
void fillTable(const GpuView& table, int32_t experts, const Has& has) {
  for (int32_t e = 0; e < experts; ++e) hostOf<int32_t>(table)[e] = has(e) ? 0 : -1;
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
      expertTables_(*device_, description),
      weightMemory_(*device_, shape_.activations, largestMatrix(description)),
      presumed_(shape_.moeLayers, shape_.experts),
      routingCounts_(static_cast<size_t>(shape_.moeLayers) * static_cast<size_t>(shape_.experts)),
      threads_(threads),
      event_(device_->event()) {
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
  for (const WeightFormat& format : weights.matrixFormats()) kernels_.compileFor(format);
  holdFiles(weights.files());
  expertTables_.fill(weights, weightMemory_);
  const auto isHere = [&](int32_t index, int32_t expert) {
    return weights.ofExpert(program_.layerOf(index), expert, WeightRole::gateUp).data != nullptr;
  };
  presumed_.hold(isHere);
  for (int32_t index = 0; index < shape_.moeLayers; ++index) {
    fillTable(ofLayer(memory_.presentExperts, index), shape_.experts, [&](int32_t e) { return isHere(index, e); });
  }
}

void MetalBackend::holdFiles(const std::vector<std::shared_ptr<const MappedFile>>& files) {
  forgetCommands();
  weightMemory_.hold(files, besideWeights());
}

BesideWeights MetalBackend::besideWeights() const {
  BesideWeights beside{{}, memory_.buffers()};
  for (const auto& cache : cache_) beside.cache.push_back(cache.get());
  beside.step.push_back(&expertTables_.buffer());
  return beside;
}

// Waits for those that run.
void MetalBackend::forgetCommands() {
  next_.reset();
  behind_.reset();
  ended_.reset();
  outputsOf_ = -1;
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
    for (const Passage& passage : program_.piece(index)) {
      const bool begins = passage.layer == next;
      if (begins) ++next;
      if (begins && passage.layer > 0 && passage.layer % layersAtOnce == 0) {
        to->submit();
        submitted.push_back(std::exchange(to, commands(Submission::early)));
      }
      encode(*to, weights, passage, ExpertResults::places);
    }
    if (index == shape_.moeLayers) break;
    // Before the experts, as much of it may run while slots are sorted.
    encode(*to, weights, program_.beside(index), ExpertResults::places);
    encodeOwnExperts(*to, index, ofLayer(memory_.presentExperts, index));
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

std::unique_ptr<SizedCommands> MetalBackend::commands(Submission submission) const {
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
  if (slots.rows.empty()) return;
  const int64_t width = shape_.dModel * activationBytes(), stride = paddedInputs(shape_.dModel) * activationBytes();
  if (hidden != nullptr) {
    copyRows(hostOf<std::byte>(memory_.received), stride, hidden, width, width, hiddenRows);
    return computeSlots(layer, slots, memory_.received, outputs);
  }
  finishBehindRouter(weights);
  std::vector<int32_t> rows, experts;
  std::vector<size_t> missing;
  for (size_t i = 0; i < slots.rows.size(); ++i) {
    const int32_t slot = chosenSlot(layer, slots.rows[i], slots.experts[i]);
    if (slot >= 0) wanted_[static_cast<size_t>(slot)] = true;
    const bool isThere = slot >= 0 && outputsOf_ == layer &&
                         hostOf<int32_t>(ofLayer(memory_.presumedExperts, layer))[slots.experts[i]] >= 0;
    if (isThere) {
      copyOutput(slot, outputs + static_cast<int64_t>(i) * width);
      continue;
    }
    rows.push_back(slots.rows[i]);
    experts.push_back(slots.experts[i]);
    missing.push_back(i);
  }
  if (missing.empty()) return;
  std::vector<std::byte> computed(missing.size() * static_cast<size_t>(width));
  computeSlots(layer, {rows, experts}, memory_.normalized, computed.data());
  for (size_t i = 0; i < missing.size(); ++i) {
    std::memcpy(outputs + static_cast<int64_t>(missing[i]) * width, computed.data() + static_cast<int64_t>(i) * width,
                static_cast<size_t>(width));
  }
}

// The place of an expert of a row among the layer's slots, or -1 where the router has not chosen it.
int32_t MetalBackend::chosenSlot(int32_t index, int32_t row, int32_t expert) const {
  const std::span<const int32_t> chosen = chosenBy(index);
  for (int32_t slot = row * shape_.topK; slot < (row + 1) * shape_.topK; ++slot) {
    if (chosen[static_cast<size_t>(slot)] == expert) return slot;
  }
  return -1;
}

void MetalBackend::copyOutput(int32_t slot, std::byte* to) const {
  const int64_t width = shape_.dModel * activationBytes();
  const int32_t place = hostOf<int32_t>(memory_.places)[slot];
  std::memcpy(to, hostOf<std::byte>(memory_.outputs) + place * width, static_cast<size_t>(width));
}

void MetalBackend::computeSlots(int32_t index, const ExpertSlots& slots, GpuView x, std::byte* outputs) {
  outputsOf_ = -1;
  const int32_t count = static_cast<int32_t>(slots.rows.size());
  std::copy(slots.rows.begin(), slots.rows.end(), hostOf<int32_t>(memory_.slotRows));
  std::copy(slots.experts.begin(), slots.experts.end(), hostOf<int32_t>(memory_.slotExperts));
  untilInTime([&] {
    const auto to = commands(Submission::early);
    encodeExperts(context(), *to, program_.layerOf(index),
                  {count, count, memory_.slotExperts, memory_.slotRows, ofLayer(memory_.presentExperts, index), x});
    finish(*to);
  });
  for (int32_t i = 0; i < count; ++i) copyOutput(i, outputs + i * shape_.dModel * activationBytes());
}

// It runs behind the router of the layer's part.
void MetalBackend::runBeside(const ModelWeights& /*weights*/, int32_t /*layer*/) {}

void MetalBackend::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) {
  if (rows == 0) return;
  const int64_t slots = int64_t{rows} * shape_.topK, skipped = int64_t{firstRow} * shape_.topK * 4;
  const GpuView weights = memory_.routingWeights.part(skipped, memory_.routingWeights.bytes - skipped);
  std::memcpy(hostOf<std::byte>(memory_.contributed), outputs,
              static_cast<size_t>(slots * shape_.dModel * activationBytes()));
  untilInTime([&] {
    const auto to = commands(Submission::early);
    kernels_.sumOutputs(*to, {shape_.dModel, shape_.topK}, rows, memory_.everyRow, weights, memory_.contributed,
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
  finishBehindRouter(weights);
  outputsOf_ = -1;
  if (index > 0) presumed_.learn(index - 1, chosenBy(index - 1), wanted_);
  wanted_.assign(static_cast<size_t>(extent_.rows) * static_cast<size_t>(shape_.topK), false);
  const bool sums = before.sums != nullptr;
  putContribution(before);
  keepOverwritten();
  untilInTime([&] {
    restoreOverwritten();
    if (!next_.has_value() || next_->index != index || next_->sums != sums) next_ = encodedPart(weights, index, sums);
    Part part = std::move(*next_);
    next_.reset();
    part.commands->submit();
    // Whether the next contribution will be outputs or sums, this one says.
    if (index < shape_.moeLayers) next_ = encodedPart(weights, index + 1, sums);
    part.commands->awaitSignal(*event_, part.pieceDone);
    behind_ = std::move(part);
  });
}

// A piece adds to the residual rows with what is computed behind the router before it, and its own part overwrites
// that: one that was ended may have done so already.
void MetalBackend::keepOverwritten() {
  const int64_t rows = extent_.rows;
  const std::pair<GpuView, int64_t> views[] = {{memory_.residual, rows * shape_.dModel},
                                               {memory_.routingWeights, rows * shape_.topK},
                                               {memory_.shared, rows * shape_.dModel},
                                               {memory_.sharedGate, rows}};
  overwritten_.clear();
  for (const auto& [view, count] : views) {
    const std::byte* bytes = hostOf<std::byte>(view);
    overwritten_.push_back({view, {bytes, bytes + count * int64_t{sizeof(float)}}});
  }
}

void MetalBackend::restoreOverwritten() const {
  for (const Overwritten& each : overwritten_) {
    std::copy(each.bytes.begin(), each.bytes.end(), hostOf<std::byte>(each.view));
  }
}

// Commands that signalled their end are let go a part later, when they have nothing left to wait for. What the watchdog
// ended behind the router runs again alone: it reads what is still there.
void MetalBackend::finishBehindRouter(const ModelWeights& weights) {
  if (!behind_.has_value()) return;
  ended_ = std::exchange(behind_, std::nullopt);
  if (ended_->index == shape_.moeLayers) return;
  bool again = false;
  untilInTime([&] {
    if (!std::exchange(again, true)) return ended_->commands->awaitSignal(*event_, ended_->behindDone);
    const auto to = commands(Submission::early);
    encodeBehindRouter(*to, weights, ended_->index);
    finish(*to);
  });
  outputsOf_ = ended_->index;
}

MetalBackend::Part MetalBackend::encodedPart(const ModelWeights& weights, int32_t index, bool sums) {
  Part part{index, sums, ++latestValue_, ++latestValue_, commands(Submission::together)};
  for (const Passage& passage : program_.piece(index)) {
    encode(*part.commands, weights, passage, sums ? ExpertResults::sums : ExpertResults::slots);
  }
  part.commands->signal(*event_, part.pieceDone);
  if (index == shape_.moeLayers) return part;
  fillTable(ofLayer(memory_.presumedExperts, index), shape_.experts,
            [&](int32_t e) { return presumed_.has(index, e); });
  encodeBehindRouter(*part.commands, weights, index);
  part.commands->signal(*event_, part.behindDone);
  return part;
}

void MetalBackend::encodeBehindRouter(GpuCommands& to, const ModelWeights& weights, int32_t index) const {
  encode(to, weights, program_.beside(index), ExpertResults::places);
  if (presumed_.any(index)) encodeOwnExperts(to, index, ofLayer(memory_.presumedExperts, index));
}

void MetalBackend::encode(GpuCommands& to, const ModelWeights& weights, const Passage& passage,
                          ExpertResults before) const {
  const EncodingContext with = context();
  PassageEncoder(with, to, weights, passage, before).encode();
}

// Slots of the experts that the router has chosen and the table has.
void MetalBackend::encodeOwnExperts(GpuCommands& to, int32_t index, GpuView table) const {
  encodeExperts(
      context(), to, program_.layerOf(index),
      {extent_.rows * shape_.topK, extent_.rows, chosenOf(index), memory_.rowOfSlot, table, memory_.normalized});
}

EncodingContext MetalBackend::context() const {
  return {description_, kernels_, memory_, weightMemory_, expertTables_, cache_, extent_};
}

std::string MetalBackend::numericsClass() const {
  const std::string products = kernels_.kind() == ProductKind::lanes ? "lanes" : "matrices";
  return "metal-" + device_->properties().className + "-" + products;
}

void MetalBackend::upload(const StepBatch& batch) {
  forgetCommands();
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
  keepGrown();
  uploadAngles(batch);
  cutRows();
}

// A buffer that replaces a smaller one takes its place in the residency sets before that is freed.
void MetalBackend::keepGrown() {
  if (!memory_.blockTables.hasGrown() && !memory_.logits.hasGrown()) return;
  weightMemory_.keepBeside(besideWeights());
  memory_.blockTables.forgetSmaller();
  memory_.logits.forgetSmaller();
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
  std::memcpy(hostOf<std::byte>(memory_.contributed), before.outputs,
              width * static_cast<size_t>(shape_.topK * activationBytes()));
}

void MetalBackend::finish(GpuCommands& commands) {
  commands.submit();
  commands.wait();
}

std::span<const int32_t> MetalBackend::chosenBy(int32_t index) const {
  return {hostOf<int32_t>(chosenOf(index)), static_cast<size_t>(extent_.rows) * static_cast<size_t>(shape_.topK)};
}

void MetalBackend::count(int32_t index) {
  double* counts = routingCounts_.data() + int64_t{index} * shape_.experts;
  for (const int32_t expert : chosenBy(index)) counts[expert] += 1;
}

void MetalBackend::readLogits(float* logits) const {
  if (extent_.logitRows == 0) return;
  std::memcpy(logits, memory_.logits.contents(),
              static_cast<size_t>(extent_.logitRows) * static_cast<size_t>(shape_.vocab) * 4);
}

}  // namespace conclave
