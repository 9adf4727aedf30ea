#include "cpu-backend.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "../core/failure.h"
#include "../core/flush-denormals.h"

namespace conclave {
namespace {

// Matrix panels per item: about this many bytes, so that handing out an item costs nothing beside reading it.
constexpr int64_t bytesPerItem = 128 * 1024;
// Rows per item where a matrix has too few panels to occupy all threads.
constexpr int32_t rowsPerItem = 48;
// Rows of a row operation that a thread takes at a time.
constexpr int32_t rowsAtATime = 16;

GatedMlps::Limits limitsOf(const Block& block, const ModelShape& shape, int32_t maxRows) {
  if (const MoeMlp* moe = block.moe()) return {shape.experts, maxRows * shape.topK, moe->expert.width};
  return {1, maxRows, std::get<DenseMlp>(block.mlp).mlp.width};
}

// The rows of a buffer, as matrix products write them.
TargetRows targetOf(const FloatBuffer& rows) {
  return {reinterpret_cast<std::byte*>(rows.data), rows.width * int64_t{sizeof(float)}, DType::f32};
}

MlpWeights expertWeightsOf(const ModelWeights& weights, int32_t layer, int32_t expert) {
  const auto of = [&](WeightRole role) -> const Weight& { return weights.ofExpert(layer, expert, role); };
  return {of(WeightRole::gateUp), of(WeightRole::down), of(WeightRole::gateBias).vector(),
          of(WeightRole::upBias).vector(), of(WeightRole::downBias).vector()};
}

MlpWeights layerMlpOf(const ModelWeights& weights, int32_t layer, bool shared) {
  const auto of = [&](WeightRole role) -> const Weight& { return weights.of(layer, role); };
  if (shared) {
    return {of(WeightRole::sharedGateUp), of(WeightRole::sharedDown), of(WeightRole::sharedGateBias).vector(),
            of(WeightRole::sharedUpBias).vector(), of(WeightRole::sharedDownBias).vector()};
  }
  return {of(WeightRole::gateUp), of(WeightRole::down), of(WeightRole::gateBias).vector(),
          of(WeightRole::upBias).vector(), of(WeightRole::downBias).vector()};
}

}  // namespace

CpuBackend::CpuBackend(const ModelDescription& description, const StepLimits& limits, int threads,
                       const std::string& variant)
    : shape_(description.shape()),
      blockOfLayer_(description.blockOfLayer),
      program_(description),
      kernels_(kernelsNamed(variant)),
      pool_(threads),
      cache_(description, limits.kvBlocks),
      rows_(description, limits.maxRows),
      rowOperations_(description, kernels_, rows_, cache_, limits.maxRows, threads),
      groupSums_(limits.maxRows, rows_.widestInput()),
      dense_(static_cast<size_t>(limits.maxRows)),
      everyRow_(static_cast<size_t>(limits.maxRows)),
      routingCounts_(static_cast<size_t>(shape_.moeLayers) * static_cast<size_t>(shape_.experts)) {
  for (const Block& block : description.blocks) {
    attentions_.emplace_back(block.attention, shape_, kernels_, threads);
    mlps_.push_back({GatedMlps(shape_, kernels_, limitsOf(block, shape_, limits.maxRows), threads), std::nullopt});
    if (block.moe() == nullptr || !block.moe()->shared.has_value()) continue;
    mlps_.back().shared.emplace(shape_, kernels_, GatedMlps::Limits{1, limits.maxRows, block.moe()->shared->mlp.width},
                                threads);
  }
  std::iota(everyRow_.begin(), everyRow_.end(), 0);
  for (int32_t i = 0; i < limits.maxRows * shape_.topK; ++i) rowOf_.push_back(i / shape_.topK);
}

void CpuBackend::step(const StepBatch& batch, const ModelWeights& weights, float* logits) {
  const FlushDenormals flush;
  prepare(batch);
  rows_.setLogits(logits);
  for (int32_t i = 0; i < program_.moeLayers(); ++i) {
    runPiece(weights, i);
    computeExperts(weights, i, allSlots(), rows_.normalized);
    rowOperations_.setExpertOutputs({&mlpsOf(program_.layerOf(i)).own, {}});
  }
  runPiece(weights, program_.moeLayers());
}

void CpuBackend::begin(const StepBatch& batch, const ModelWeights&) {
  const FlushDenormals flush;
  prepare(batch);
}

void CpuBackend::attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
                        const AttendResult& result) {
  const FlushDenormals flush;
  use(batch);
  rowOperations_.setExpertOutputs({nullptr, before});
  runPiece(weights, layer);
  const Routing& routing = rowOperations_.routing();
  const size_t chosen = static_cast<size_t>(batch.rows()) * static_cast<size_t>(shape_.topK);
  std::copy_n(routing.experts.data(), chosen, result.experts);
  std::copy_n(routing.weights.data(), chosen, result.weights);
  for (int32_t row = 0; row < batch.rows() && result.hidden != nullptr; ++row) {
    std::memcpy(result.hidden + static_cast<size_t>(row) * outputBytes(), rows_.normalized.row(row), outputBytes());
  }
}

void CpuBackend::runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots,
                            const std::byte* hidden, int32_t hiddenRows, std::byte* outputs) {
  const FlushDenormals flush;
  for (int32_t row = 0; row < hiddenRows && hidden != nullptr; ++row) {
    rows_.received.copy(row, hidden + static_cast<size_t>(row) * outputBytes(), outputBytes());
  }
  computeExperts(weights, layer, slots, hidden == nullptr ? rows_.normalized : rows_.received);
  const GatedMlps& mlps = mlpsOf(program_.layerOf(layer)).own;
  for (size_t i = 0; i < slots.rows.size(); ++i) {
    std::memcpy(outputs + i * outputBytes(), rows_.outputs.row(mlps.placeOf(i)), outputBytes());
  }
}

void CpuBackend::runBeside(const ModelWeights& weights, int32_t layer) {
  if (besideDone_ == layer) return;
  const FlushDenormals flush;
  run(program_.beside(layer), weights);
  besideDone_ = layer;
}

void CpuBackend::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) {
  const FlushDenormals flush;
  const size_t first = static_cast<size_t>(firstRow) * static_cast<size_t>(shape_.topK);
  forRows(rows, [&](int32_t row, int) {
    rowOperations_.sumRanks(
        firstRow + row, [&](size_t i) { return outputs + (i - first) * outputBytes(); },
        sums + int64_t{row} * shape_.dModel);
  });
}

void CpuBackend::project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) {
  const FlushDenormals flush;
  use(batch);
  rows_.setLogits(logits);
  rowOperations_.setExpertOutputs({nullptr, before});
  runPiece(weights, program_.moeLayers());
}

void CpuBackend::prepare(const StepBatch& batch) {
  use(batch);
  besideDone_ = -1;
  for (Attention& attention : attentions_) attention.plan(batch);
  forRows(batch.rows(), [this](int32_t row, int) { rowOperations_.computeAngles(row); });
}

void CpuBackend::use(const StepBatch& batch) {
  batch_ = &batch;
  rowOperations_.use(batch);
}

// What the layer before computes beside its experts is due now, unless it was asked for earlier.
void CpuBackend::runPiece(const ModelWeights& weights, int32_t index) {
  if (index > 0) runBeside(weights, index - 1);
  for (const Passage& passage : program_.piece(index)) run(passage, weights);
  if (index < program_.moeLayers()) countChoices(index);
}

void CpuBackend::run(const Passage& passage, const ModelWeights& weights) {
  rowOperations_.enter(passage, weights);
  for (const Operation& operation : passage.operations) {
    std::visit([&](const auto& kind) { run(kind, passage, weights); }, operation);
  }
}

void CpuBackend::run(const EachRow& each, const Passage& passage, const ModelWeights&) {
  forRows(rowsOf(passage), [&](int32_t row, int thread) { rowOperations_.apply(each.operations, row, thread); });
}

void CpuBackend::run(const Multiply& product, const Passage& passage, const ModelWeights& weights) {
  const int32_t rows = rowsOf(passage);
  for (const auto& [role, column] : product.parts) {
    const Weight& matrix = weights.of(passage.layer, role);
    multiply(matrix, inputsOf(product, matrix, rows), rows, rows_.floats(product.to), column);
  }
}

void CpuBackend::run(const Attend&, const Passage& passage, const ModelWeights& weights) {
  const size_t block = static_cast<size_t>(blockOfLayer_[static_cast<size_t>(passage.layer)]);
  const float* sinks = weights.of(passage.layer, WeightRole::sinks).vector();
  attentions_[block].run(*batch_, {passage.layer, sinks}, cache_, rows_.query, rows_.attended, pool_);
}

void CpuBackend::run(const RunMlp& run, const Passage& passage, const ModelWeights& weights) {
  BlockMlps& mlps = mlpsOf(passage.layer);
  const size_t rows = static_cast<size_t>(rowsOf(passage));
  (run.shared ? *mlps.shared : mlps.own)
      .run(
          run.mlp, [&](int32_t) { return layerMlpOf(weights, passage.layer, run.shared); },
          {{everyRow_.data(), rows}, {dense_.data(), rows}}, rows_.normalized, targetOf(rows_.floats(run.to)), pool_);
}

void CpuBackend::countChoices(int32_t layer) {
  double* counts = routingCounts_.data() + int64_t{layer} * shape_.experts;
  const size_t chosen = static_cast<size_t>(batch_->rows()) * static_cast<size_t>(shape_.topK);
  for (size_t i = 0; i < chosen; ++i) counts[rowOperations_.routing().experts[i]] += 1;
}

void CpuBackend::computeExperts(const ModelWeights& weights, int32_t index, const ExpertSlots& slots,
                                const ActivationRows& h) {
  const int32_t layer = program_.layerOf(index);
  mlpsOf(layer).own.run(
      program_.expertOf(index), [&](int32_t expert) { return expertWeightsOf(weights, layer, expert); }, slots, h,
      rows_.outputs.target(0, 0), pool_);
}

size_t CpuBackend::outputBytes() const {
  return static_cast<size_t>(shape_.dModel) * bytesPerWeight(shape_.activations);
}

ExpertSlots CpuBackend::allSlots() const {
  const size_t slots = static_cast<size_t>(batch_->rows()) * static_cast<size_t>(shape_.topK);
  return {{rowOf_.data(), slots}, {rowOperations_.routing().experts.data(), slots}};
}

int32_t CpuBackend::rowsOf(const Passage& passage) const {
  return passage.ofLogitRows ? static_cast<int32_t>(batch_->logitRows.size()) : batch_->rows();
}

// A matrix of f32 or f16 takes rows of f32: in a bf16 model, such rows are its activations, widened.
const ActivationRows& CpuBackend::inputsOf(const Multiply& product, const Weight& matrix, int32_t rows) {
  const ActivationRows& inputs = rows_.activations(product.from);
  if (takesAsTheyAre(matrix.format, inputs.type())) return inputs;
  forRows(rows, [&](int32_t row, int) { rows_.widen(inputs, row, matrix.inputs); });
  return rows_.widened;
}

template <typename Body>
void CpuBackend::forRows(int32_t rows, const Body& body) {
  pool_.run((rows + rowsAtATime - 1) / rowsAtATime, [&](int32_t item, int thread) {
    const int32_t end = std::min(rows, (item + 1) * rowsAtATime);
    for (int32_t row = item * rowsAtATime; row < end; ++row) body(row, thread);
  });
}

void CpuBackend::multiply(const Weight& w, const ActivationRows& a, int32_t rows, const FloatBuffer& y,
                          int32_t column) {
  if (w.format.affine()) {
    forRows(rows, [&](int32_t row, int) { groupSums_.set(kernels_, row, a.row(row), a.type(), w.inputs, w.format); });
  }
  const int64_t stride = panelBytes(w.format, w.inputs), panels = panelCount(w.outputs);
  const int64_t panelsAtOnce =
      std::clamp<int64_t>(bytesPerItem / stride, 1, std::max<int64_t>(1, panels / pool_.threads()));
  const int32_t columns = static_cast<int32_t>((panels + panelsAtOnce - 1) / panelsAtOnce);
  const int32_t rowsAtOnce = columns < pool_.threads() ? rowsPerItem : std::max(rows, 1);
  const int32_t bands = (rows + rowsAtOnce - 1) / rowsAtOnce;
  pool_.run(columns * bands, [&](int32_t item, int) {
    const int64_t panel = item % columns * panelsAtOnce, output = panel * panelOutputs;
    const int32_t row = item / columns * rowsAtOnce;
    const Panels part{w.data + panel * stride, w.format, stride, static_cast<int32_t>(paddedInputs(w.inputs)),
                      static_cast<int32_t>(std::min(panelsAtOnce * panelOutputs, w.outputs - output))};
    kernels_.matmul(part, {a.rows() + row, a.type(), groupSums_.rows(row)}, std::min(rowsAtOnce, rows - row),
                    y.row(row) + column + output, y.width);
  });
}

ModelSession::CreateBackend createCpuBackend(int threads, const std::string& variant) {
  return [=](const ModelDescription& description, const StepLimits& limits) {
    return std::make_unique<CpuBackend>(description, limits, threads, variant);
  };
}

}  // namespace conclave
