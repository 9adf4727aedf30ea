#include "metal-backend.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "../core/failure.h"
#include "../core/flush-denormals.h"
#include "../core/panel-layout.h"
#include "command-failure.h"
#include "gpu-limits.h"

namespace conclave {
namespace {

// A thread of the attention kernel keeps 8 of a tile's 8 x headDim outputs (kernels/attention.metal).
constexpr int32_t widestHead = 256;

constexpr int32_t noLayer = ModelWeights::noLayer;

PlainShape checked(const ModelDescription& description) {
  const PlainShape shape = plainShapeOf(description);
  require(shape.attention.headDim <= widestHead, "the GPU's attention takes heads of up to " +
                                                     std::to_string(widestHead) + " dimensions, this model's have " +
                                                     std::to_string(shape.attention.headDim));
  requireThreadgroups(shape);
  return shape;
}

ProductKind productKind(const std::string& variant, const GpuProperties& gpu) {
  require(variant.empty() || variant == "lanes" || variant == "matrices",
          "unknown kernel variant '" + variant + "'; the GPU runs lanes, matrices");
  require(variant != "matrices" || gpu.simdgroupMatrices, gpu.name + " has no simdgroup matrices: use variant lanes");
  return variant == "lanes" || !gpu.simdgroupMatrices ? ProductKind::lanes : ProductKind::matrices;
}

// Layers to a command buffer of a whole step: the GPU runs one while the next is encoded. Each costs a submission.
constexpr int32_t layersAtOnce = 4;

// Keys and values of a block of one KV head, as rotate.metal lays them out.
int64_t blockBytes(const PlainShape& shape) {
  const int32_t headDim = shape.attention.headDim;
  return matrixBytes(shape.activations, kvBlockTokens, headDim) +
         matrixBytes(shape.activations, headDim, kvBlockTokens);
}

// In the widest format that goes with the activations.
int64_t largestMatrix(const PlainShape& shape) {
  const auto bytes = [&](int64_t outputs, int64_t inputs) { return matrixBytes(shape.activations, outputs, inputs); };
  return std::max({bytes(shape.vocab, shape.dModel), bytes(shape.qWidth(), shape.dModel),
                   bytes(shape.dModel, shape.qWidth()), bytes(shape.router.experts, shape.dModel),
                   2 * bytes(shape.ffn, shape.dModel), bytes(shape.dModel, shape.ffn)});
}

GpuView whole(const GpuBuffer& buffer) { return {&buffer, 0, buffer.bytes()}; }

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
      shape_(checked(description)),
      limits_(limits),
      budget_(device_->properties().rates),
      kind_(productKind(variant, device_->properties())),
      memory_(*device_, shape_, limits),
      weightMemory_(*device_, shape_.activations, largestMatrix(shape_)),
      rotary_(*shape_.attention.rotary),
      routingCounts_(static_cast<size_t>(shape_.layers) * static_cast<size_t>(shape_.router.experts)),
      threads_(threads) {
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const int64_t bytes = int64_t{limits.kvBlocks} * shape_.attention.kvHeads * blockBytes(shape_);
    requireBuffer(device_->properties(), "a layer's KV cache", bytes, "set worker.kvTokens lower");
    cache_.push_back(device_->allocate(bytes));
  }
  holdFiles({});
}

void MetalBackend::hold(const ModelWeights& weights) {
  const std::vector<DType> formats = weights.matrixFormats();
  require(formats.size() <= 1, "the GPU's kernels take matrices of one format: use the backend cpu");
  if (!formats.empty() && (!kernels_.has_value() || format_ != formats.front())) {
    kernels_.emplace(*device_, formats.front(), kind_, budget_);
    format_ = formats.front();
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
  for (int32_t layer = 0; layer < shape_.layers; ++layer) count(layer, rows_);
  readLogits(logits);
}

void MetalBackend::submitStep(const ModelWeights& weights) {
  std::vector<std::unique_ptr<GpuCommands>> submitted;
  for (int32_t first = 0; first < shape_.layers; first += layersAtOnce) {
    auto to = commands(Submission::early);
    if (first == 0) encodeEmbedding(*to, weights);
    const int32_t end = std::min(first + layersAtOnce, shape_.layers);
    for (int32_t layer = first; layer < end; ++layer) encodeLayer(*to, weights, layer);
    if (end == shape_.layers) encodeLogits(*to, weights);
    to->submit();
    submitted.push_back(std::move(to));
  }
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
  count(layer, rows_);
  const size_t chosen = static_cast<size_t>(rows_) * static_cast<size_t>(shape_.router.topK);
  std::memcpy(result.experts, hostOf<int32_t>(chosenOf(layer)), chosen * sizeof(int32_t));
  std::memcpy(result.weights, hostOf<float>(memory_.routingWeights), chosen * sizeof(float));
  if (result.hidden == nullptr) return;
  const int64_t width = shape_.dModel * activationBytes(), stride = paddedInputs(shape_.dModel) * activationBytes();
  copyRows(result.hidden, width, hostOf<std::byte>(memory_.normalized), stride, width, rows_);
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
    encodeExperts(*to, weights, layer, {count, count, memory_.slotExperts, memory_.slotRows, x});
    finish(*to);
  });
  const int32_t* places = hostOf<int32_t>(memory_.places);
  for (int32_t i = 0; i < count; ++i) {
    std::memcpy(outputs + i * width, hostOf<std::byte>(memory_.outputs) + places[i] * width,
                static_cast<size_t>(width));
  }
}

void MetalBackend::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) {
  if (rows == 0) return;
  const int64_t slots = int64_t{rows} * shape_.router.topK;
  std::memcpy(hostOf<std::byte>(memory_.outputs), outputs,
              static_cast<size_t>(slots * shape_.dModel * activationBytes()));
  untilInTime([&] {
    const auto to = commands(Submission::early);
    encodeCombine(*to, firstRow, rows, memory_.everyRow, memory_.sums, false);
    finish(*to);
  });
  std::memcpy(sums, hostOf<float>(memory_.sums), static_cast<size_t>(rows) * static_cast<size_t>(shape_.dModel) * 4);
}

void MetalBackend::project(const StepBatch& /*batch*/, const ModelWeights& weights, Contribution before,
                           float* logits) {
  runPart(weights, shape_.layers, before);
  readLogits(logits);
}

// Runs what begins with the contribution of the experts before `layer`, and encodes the part after it meanwhile:
// between the two lies an exchange with other nodes, which the GPU's host should not lengthen.
void MetalBackend::runPart(const ModelWeights& weights, int32_t layer, Contribution before) {
  const bool sums = before.sums != nullptr;
  putContribution(before);
  // A part adds to x and ends with the next routing weights: one that was ended may have done so already.
  float* x = hostOf<float>(memory_.x);
  float* routing = hostOf<float>(memory_.routingWeights);
  xBefore_.assign(x, x + int64_t{rows_} * shape_.dModel);
  routingBefore_.assign(routing, routing + int64_t{rows_} * shape_.router.topK);
  untilInTime([&] {
    std::copy(xBefore_.begin(), xBefore_.end(), x);
    std::copy(routingBefore_.begin(), routingBefore_.end(), routing);
    if (!next_.has_value() || next_->layer != layer || next_->sums != sums) next_ = encodedPart(weights, layer, sums);
    const auto commands = std::move(next_->commands);
    next_.reset();
    commands->submit();
    // Whether the next contribution will be outputs or sums, this one says.
    if (layer < shape_.layers) next_ = encodedPart(weights, layer + 1, sums);
    commands->wait();
  });
}

MetalBackend::Part MetalBackend::encodedPart(const ModelWeights& weights, int32_t layer, bool sums) {
  Part part{layer, sums, commands(Submission::together)};
  if (layer == 0) {
    encodeEmbedding(*part.commands, weights);
  } else {
    encodeContribution(*part.commands, sums);
  }
  encodePart(*part.commands, weights, layer);
  return part;
}

// Attention and router of a layer; after the last layer the logits.
void MetalBackend::encodePart(GpuCommands& to, const ModelWeights& weights, int32_t layer) {
  if (layer == shape_.layers) return encodeLogits(to, weights);
  encodeAttention(to, weights, layer);
  encodeRouter(to, weights, layer);
}

void MetalBackend::encodeLayer(GpuCommands& to, const ModelWeights& weights, int32_t layer) {
  encodePart(to, weights, layer);
  encodeExperts(to, weights, layer,
                {rows_ * shape_.router.topK, rows_, chosenOf(layer), memory_.rowOfSlot, memory_.normalized});
  encodeCombine(to, 0, rows_, memory_.places, memory_.x, true);
}

std::string MetalBackend::numericsClass() const {
  const std::string products = kind_ == ProductKind::lanes ? "lanes" : "matrices";
  return "metal-" + device_->properties().className + "-" + products;
}

void MetalBackend::upload(const StepBatch& batch) {
  next_.reset();
  // As the CPU computes them: the same bits.
  const FlushDenormals flush;
  rows_ = batch.rows();
  logitRows_ = static_cast<int32_t>(batch.logitRows.size());
  put(memory_.tokens, batch.tokens);
  put(memory_.positions, batch.positions);
  put(memory_.sequences, batch.sequences);
  put(memory_.logitRows, batch.logitRows);
  blockTables_ = memory_.blockTables.of(static_cast<int64_t>(batch.blockTables.size() * sizeof(int32_t)));
  put(blockTables_, batch.blockTables);
  blockTableWidth_ = batch.blockTableWidth;
  mostBlocks_ = *std::max_element(batch.positions.begin(), batch.positions.end()) / kvBlockTokens + 1;
  const int64_t half = shape_.attention.headDim / 2;
  for (int32_t row = 0; row < batch.rows(); ++row) {
    rotary_.at(batch.positions[static_cast<size_t>(row)], hostOf<float>(memory_.cosines) + row * half,
               hostOf<float>(memory_.sines) + row * half);
  }
}

void MetalBackend::encodeEmbedding(GpuCommands& to, const ModelWeights& weights) {
  kernels_->embed(to, {shape_.dModel}, rows_, memory_.tokens, viewOf(weights.of(noLayer, WeightRole::embedding)),
                  memory_.x);
}

// Not while commands run that use outputs or sums.
void MetalBackend::putContribution(Contribution before) {
  const size_t width = static_cast<size_t>(rows_) * static_cast<size_t>(shape_.dModel);
  if (before.sums != nullptr) std::memcpy(hostOf<float>(memory_.sums), before.sums, width * sizeof(float));
  if (before.outputs == nullptr) return;
  std::memcpy(hostOf<std::byte>(memory_.outputs), before.outputs,
              width * static_cast<size_t>(shape_.router.topK * activationBytes()));
}

void MetalBackend::encodeContribution(GpuCommands& to, bool sums) {
  if (sums) {
    kernels_->add(to, {shape_.dModel}, rows_, memory_.sums, memory_.x);
  } else {
    encodeCombine(to, 0, rows_, memory_.everyRow, memory_.x, true);
  }
}

// x += wo attention(rotate(clip(wqkv norm1(x))))
void MetalBackend::encodeAttention(GpuCommands& to, const ModelWeights& weights, int32_t layer) {
  const int32_t rows = rows_;
  const GpuView cache = whole(*cache_[static_cast<size_t>(layer)]);
  encodeNorm(to, rows, memory_.everyRow, weights.of(layer, WeightRole::attentionNorm));
  const FloatTarget queries{memory_.qkv, shape_.qkvWidth(), 0};
  encodeProduct(to, weights.of(layer, WeightRole::query), rows, memory_.normalized, queries, false);
  encodeProduct(to, weights.of(layer, WeightRole::key), rows, memory_.normalized, queries.from(shape_.qWidth()), false);
  encodeProduct(to, weights.of(layer, WeightRole::value), rows, memory_.normalized,
                queries.from(shape_.qWidth() + shape_.kvWidth()), false);
  kernels_->rotateAndAppend(
      to,
      {shape_.attention.heads, shape_.attention.kvHeads, shape_.attention.headDim, shape_.qWidth(), blockTableWidth_,
       shape_.attention.clip.value_or(std::numeric_limits<float>::infinity())},
      rows,
      {memory_.positions, memory_.sequences, blockTables_, memory_.cosines, memory_.sines, memory_.qkv, memory_.q,
       cache});
  const AttendArguments arguments{shape_.attention.heads, shape_.attention.kvHeads, shape_.attention.headDim,
                                  shape_.qWidth(),        blockTableWidth_,         mostBlocks_,
                                  shape_.attention.scale};
  std::vector<GpuView> buffers{memory_.positions, memory_.sequences, blockTables_, memory_.q, cache};
  if (rows <= splitAttentionRows && mostBlocks_ > 1) {
    kernels_->attendBlocks(to, arguments, rows, mostBlocks_, buffers, memory_.partial, memory_.attended);
  } else {
    buffers.push_back(memory_.attended);
    kernels_->attendRows(to, arguments, rows, buffers);
  }
  encodeProduct(to, weights.of(layer, WeightRole::attentionOutput), rows, memory_.attended,
                {memory_.x, shape_.dModel, 0}, true);
}

void MetalBackend::encodeRouter(GpuCommands& to, const ModelWeights& weights, int32_t layer) {
  const int32_t rows = rows_;
  encodeNorm(to, rows, memory_.everyRow, weights.of(layer, WeightRole::mlpNorm));
  encodeProduct(to, weights.of(layer, WeightRole::router), rows, memory_.normalized,
                {memory_.routerLogits, shape_.router.experts, 0}, false);
  const int32_t normalize = shape_.router.normalizationEpsilon.has_value() ? 1 : 0;
  kernels_->chooseExperts(to, {shape_.router.experts, shape_.router.topK, normalize}, rows, memory_.routerLogits,
                          chosenOf(layer), memory_.routingWeights);
}

void MetalBackend::encodeExperts(GpuCommands& to, const ModelWeights& weights, int32_t layer, const SlotViews& slots) {
  const int32_t tileRows = kernels_->tileRows(slots.rows);
  // Every expert may have one tile that is not full.
  const int32_t tiles = std::min(slots.slots, slots.slots / tileRows + std::min(shape_.router.experts, slots.slots));
  kernels_->groupSlots(to, {slots.slots, shape_.router.experts, tileRows},
                       {slots.experts, slots.rowsOfSlots, memory_.places, memory_.placeRows, memory_.tiles});
  const int32_t inputs = static_cast<int32_t>(paddedInputs(shape_.dModel));
  const int32_t innerInputs = static_cast<int32_t>(paddedInputs(shape_.ffn));
  for (int32_t first = 0; first < shape_.router.experts; first += expertsPerDispatch) {
    std::vector<GpuView> gateUp{memory_.tiles, memory_.placeRows, slots.x, memory_.inner};
    std::vector<GpuView> down{memory_.tiles, memory_.everyRow, memory_.inner, memory_.outputs};
    for (int32_t e = first; e < first + expertsPerDispatch; ++e) {
      const bool exists = e < shape_.router.experts;
      gateUp.push_back(viewOf(exists ? weights.ofExpert(layer, e, WeightRole::gateUp) : Weight{}));
      down.push_back(viewOf(exists ? weights.ofExpert(layer, e, WeightRole::down) : Weight{}));
    }
    kernels_->gateUp(to, {inputs, shape_.ffn, inputs, innerInputs, first}, tileRows, tiles, gateUp);
    kernels_->down(to, {innerInputs, shape_.dModel, innerInputs, shape_.dModel, first}, tileRows, tiles, down);
  }
}

void MetalBackend::encodeCombine(GpuCommands& to, int32_t firstRow, int32_t rows, GpuView places, GpuView x,
                                 bool accumulate) {
  const int64_t skipped = int64_t{firstRow} * shape_.router.topK * 4;
  const GpuView weights = memory_.routingWeights.part(skipped, memory_.routingWeights.bytes - skipped);
  kernels_->combine(to, {shape_.dModel, shape_.router.topK, shape_.dModel, accumulate ? 1 : 0}, rows, places, weights,
                    memory_.outputs, x);
}

void MetalBackend::encodeLogits(GpuCommands& to, const ModelWeights& weights) {
  if (logitRows_ == 0) return;
  encodeNorm(to, logitRows_, memory_.logitRows, weights.of(noLayer, WeightRole::finalNorm));
  const GpuView logits = memory_.logits.of(int64_t{logitRows_} * shape_.vocab * 4);
  encodeProduct(to, weights.of(noLayer, WeightRole::lmHead), logitRows_, memory_.normalized, {logits, shape_.vocab, 0},
                false);
}

void MetalBackend::encodeNorm(GpuCommands& to, int32_t rows, GpuView rowList, const Weight& weight) {
  const int32_t stride = static_cast<int32_t>(paddedInputs(shape_.dModel));
  kernels_->layerNorm(to, {shape_.dModel, stride, shape_.norm.epsilon}, rows, rowList, memory_.x, viewOf(weight),
                      memory_.normalized);
}

void MetalBackend::encodeProduct(GpuCommands& to, const Weight& w, int32_t rows, GpuView x, const FloatTarget& y,
                                 bool accumulate) {
  const int32_t padded = static_cast<int32_t>(paddedInputs(w.inputs));
  const int64_t skipped = int64_t{y.column} * 4;
  kernels_->multiply(to, {padded, w.outputs, rows, padded, y.width, accumulate ? 1 : 0}, memory_.everyRow, x, viewOf(w),
                     y.rows.part(skipped, y.rows.bytes - skipped));
}

GpuView MetalBackend::viewOf(const Weight& weight) const { return weightMemory_.view(weight.data, weight.bytes); }

void MetalBackend::finish(GpuCommands& commands) {
  commands.submit();
  commands.wait();
}

void MetalBackend::count(int32_t layer, int32_t rows) {
  const int32_t* chosen = hostOf<int32_t>(chosenOf(layer));
  double* counts = routingCounts_.data() + int64_t{layer} * shape_.router.experts;
  for (int32_t i = 0; i < rows * shape_.router.topK; ++i) counts[chosen[i]] += 1;
}

void MetalBackend::readLogits(float* logits) const {
  if (logitRows_ == 0) return;
  std::memcpy(logits, memory_.logits.contents(),
              static_cast<size_t>(logitRows_) * static_cast<size_t>(shape_.vocab) * 4);
}

GpuView MetalBackend::chosenOf(int32_t layer) const { return memory_.chosen.part(layer * slotBytes(), slotBytes()); }

}  // namespace conclave
