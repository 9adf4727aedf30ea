#include "cpu-backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "../core/failure.h"
#include "../core/float-bits.h"
#include "../core/flush-denormals.h"

namespace conclave {
namespace {

// Matrix panels per item: about this many bytes, so that handing out an item costs nothing beside reading it.
constexpr int64_t bytesPerItem = 128 * 1024;
// Rows per item where a matrix has too few panels to occupy all threads.
constexpr int32_t rowsPerItem = 48;
// Rows of a row operation that a thread takes at a time.
constexpr int32_t rowsAtATime = 16;

float* floats(const ZeroedMemory& memory) { return reinterpret_cast<float*>(memory.data()); }

ZeroedMemory floatRows(int64_t rows, int64_t width) { return ZeroedMemory(rows * width * int64_t{sizeof(float)}); }

}  // namespace

CpuBackend::CpuBackend(const ModelShape& shape, const StepLimits& limits, int threads, const std::string& variant)
    : shape_(shape),
      kernels_(kernelsNamed(variant)),
      pool_(threads),
      cache_(shape, limits.kvBlocks),
      attention_(shape, kernels_, threads),
      experts_(shape, kernels_, limits.maxRows, threads),
      routingCounts_(static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.experts)),
      rotary_(shape),
      x_(floatRows(limits.maxRows, shape.dModel)),
      qkv_(floatRows(limits.maxRows, shape.qkvWidth())),
      projected_(floatRows(limits.maxRows, shape.dModel)),
      routerLogits_(floatRows(limits.maxRows, shape.experts)),
      rowScratch_(static_cast<size_t>(threads), std::vector<float>(static_cast<size_t>(shape.dModel))) {
  const DType type = activationType(shape.dtype);
  const size_t rows = static_cast<size_t>(limits.maxRows);
  normalized_ = ActivationRows(type, limits.maxRows, shape.dModel);
  received_ = ActivationRows(type, limits.maxRows, shape.dModel);
  q_ = ActivationRows(type, limits.maxRows, shape.qWidth());
  kv_ = ActivationRows(type, limits.maxRows, 2 * shape.kvWidth());
  attended_ = ActivationRows(type, limits.maxRows, shape.qWidth());
  cosine_.resize(rows * static_cast<size_t>(shape.headDim / 2));
  sine_.resize(cosine_.size());
  routing_.experts.resize(rows * static_cast<size_t>(shape.topK));
  routing_.weights.resize(routing_.experts.size());
  for (int32_t i = 0; i < limits.maxRows * shape.topK; ++i) rowOf_.push_back(i / shape.topK);
}

void CpuBackend::step(const StepBatch& batch, const ModelWeights& weights, float* logits) {
  const FlushDenormals flush;
  prepare(batch, weights);
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    runAttention(batch, weights.layer(layer), layer);
    route(batch.rows(), weights.layer(layer), layer);
    experts_.run(weights, layer, allSlots(batch.rows()), normalized_, pool_);
    addOutputs(batch.rows(), [&](size_t i) { return experts_.output(i); });
  }
  predict(batch, weights, logits);
}

void CpuBackend::begin(const StepBatch& batch, const ModelWeights& weights) {
  const FlushDenormals flush;
  prepare(batch, weights);
}

void CpuBackend::attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
                        const AttendResult& result) {
  const FlushDenormals flush;
  add(batch.rows(), before);
  runAttention(batch, weights.layer(layer), layer);
  route(batch.rows(), weights.layer(layer), layer);
  const size_t chosen = static_cast<size_t>(batch.rows()) * static_cast<size_t>(shape_.topK);
  std::copy_n(routing_.experts.data(), chosen, result.experts);
  std::copy_n(routing_.weights.data(), chosen, result.weights);
  for (int32_t row = 0; row < batch.rows() && result.hidden != nullptr; ++row) {
    std::memcpy(result.hidden + static_cast<size_t>(row) * outputBytes(), normalized_.row(row), outputBytes());
  }
}

void CpuBackend::runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots,
                            const std::byte* hidden, int32_t hiddenRows, std::byte* outputs) {
  const FlushDenormals flush;
  for (int32_t row = 0; row < hiddenRows && hidden != nullptr; ++row) {
    received_.copy(row, hidden + static_cast<size_t>(row) * outputBytes(), outputBytes());
  }
  experts_.run(weights, layer, slots, hidden == nullptr ? normalized_ : received_, pool_);
  for (size_t i = 0; i < slots.rows.size(); ++i) {
    std::memcpy(outputs + i * outputBytes(), experts_.output(i), outputBytes());
  }
}

void CpuBackend::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) {
  const FlushDenormals flush;
  const size_t first = static_cast<size_t>(firstRow) * static_cast<size_t>(shape_.topK);
  forRows(rows, [&](int32_t row, int) {
    float* sum = sums + int64_t{row} * shape_.dModel;
    sumRanks(
        firstRow + row, [&](size_t i) { return outputAt(outputs, i - first); }, sum);
  });
}

void CpuBackend::project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) {
  const FlushDenormals flush;
  add(batch.rows(), before);
  predict(batch, weights, logits);
}

void CpuBackend::prepare(const StepBatch& batch, const ModelWeights& weights) {
  attention_.plan(batch);
  prepareRotation(batch);
  embed(batch, weights);
}

size_t CpuBackend::outputBytes() const {
  return static_cast<size_t>(shape_.dModel) * bytesPerWeight(activationType(shape_.dtype));
}

ExpertSlots CpuBackend::allSlots(int32_t rows) const {
  const size_t slots = static_cast<size_t>(rows) * static_cast<size_t>(shape_.topK);
  return {{rowOf_.data(), slots}, {routing_.experts.data(), slots}};
}

// In the router's ranking order, whatever order the experts ran in.
template <typename OutputOf>
void CpuBackend::sumRanks(int32_t row, const OutputOf& outputOf, float* sum) const {
  std::fill_n(sum, shape_.dModel, 0.0f);
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(shape_.topK);
  for (size_t i = first; i < first + static_cast<size_t>(shape_.topK); ++i) {
    kernels_.addScaled(sum, outputOf(i), experts_.outputType(), routing_.weights[i], shape_.dModel);
  }
}

template <typename OutputOf>
void CpuBackend::addOutputs(int32_t rows, const OutputOf& outputOf) {
  forRows(rows, [&](int32_t row, int thread) {
    float* sum = rowScratch_[static_cast<size_t>(thread)].data();
    sumRanks(row, outputOf, sum);
    kernels_.add(floats(x_) + int64_t{row} * shape_.dModel, sum, shape_.dModel);
  });
}

void CpuBackend::add(int32_t rows, Contribution before) {
  if (before.outputs != nullptr) {
    addOutputs(rows, [&](size_t i) { return outputAt(before.outputs, i); });
  } else if (before.sums != nullptr) {
    forRows(rows, [&](int32_t row, int) {
      const int64_t first = int64_t{row} * shape_.dModel;
      kernels_.add(floats(x_) + first, before.sums + first, shape_.dModel);
    });
  }
}

void CpuBackend::prepareRotation(const StepBatch& batch) {
  const int64_t half = shape_.headDim / 2;
  forRows(batch.rows(), [&](int32_t row, int) {
    rotary_.at(batch.positions[static_cast<size_t>(row)], cosine_.data() + row * half, sine_.data() + row * half);
  });
}

void CpuBackend::embed(const StepBatch& batch, const ModelWeights& weights) {
  const int32_t width = shape_.dModel;
  const size_t rowBytes = static_cast<size_t>(width) * bytesPerWeight(shape_.dtype);
  forRows(batch.rows(), [&](int32_t row, int) {
    const std::byte* from =
        weights.embedding() + static_cast<size_t>(batch.tokens[static_cast<size_t>(row)]) * rowBytes;
    float* x = floats(x_) + int64_t{row} * width;
    if (shape_.dtype == DType::f32) {
      std::memcpy(x, from, rowBytes);
      return;
    }
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(from);
    const bool brain = shape_.dtype == DType::bf16;
    for (int32_t i = 0; i < width; ++i) x[i] = brain ? bf16ToF32(halves[i]) : f16ToF32(halves[i]);
  });
}

void CpuBackend::runAttention(const StepBatch& batch, const LayerWeights& weights, int32_t layer) {
  const int32_t rows = batch.rows();
  forRows(rows, [&](int32_t row, int thread) { normalize(row, weights.norm1, thread); });
  multiply(weights.wqkv, shape_.qkvWidth(), shape_.dModel, normalized_, rows, floats(qkv_));
  rotateAndAppend(batch, layer);
  attention_.run(batch, layer, cache_, q_, attended_, pool_);
  multiply(weights.wo, shape_.dModel, shape_.qWidth(), attended_, rows, floats(projected_));
}

void CpuBackend::rotateAndAppend(const StepBatch& batch, int32_t layer) {
  const int32_t half = shape_.headDim / 2, width = shape_.headDim;
  forRows(batch.rows(), [&](int32_t row, int) {
    float* qkv = floats(qkv_) + int64_t{row} * shape_.qkvWidth();
    const int64_t angles = int64_t{row} * half;
    kernels_.clip(qkv, shape_.qkvWidth(), shape_.clipQkv);
    for (int32_t head = 0; head < shape_.heads + shape_.kvHeads; ++head) {
      kernels_.rotate(qkv + int64_t{head} * width, cosine_.data() + angles, sine_.data() + angles, half);
    }
    q_.set(kernels_, row, 0, qkv, shape_.qWidth());
    kv_.set(kernels_, row, 0, qkv + shape_.qWidth(), 2 * shape_.kvWidth());
    const int32_t position = batch.positions[static_cast<size_t>(row)];
    const int32_t block = batch.blockOf(batch.sequences[static_cast<size_t>(row)], position / kvBlockTokens);
    for (int32_t kvHead = 0; kvHead < shape_.kvHeads; ++kvHead) {
      cache_.append({layer, block, kvHead}, position % kvBlockTokens, kv_.at(row, int64_t{kvHead} * width),
                    kv_.at(row, int64_t{shape_.kvHeads + kvHead} * width));
    }
  });
}

void CpuBackend::route(int32_t rows, const LayerWeights& weights, int32_t layer) {
  forRows(rows, [&](int32_t row, int thread) {
    const int64_t first = int64_t{row} * shape_.dModel;
    kernels_.add(floats(x_) + first, floats(projected_) + first, shape_.dModel);
    normalize(row, weights.norm2, thread);
  });
  multiply(weights.router, shape_.experts, shape_.dModel, normalized_, rows, floats(routerLogits_));
  forRows(rows, [&](int32_t row, int) {
    float* probabilities = floats(routerLogits_) + int64_t{row} * shape_.experts;
    kernels_.softmax(probabilities, shape_.experts);
    chooseExperts(row, probabilities);
  });
  const size_t chosen = static_cast<size_t>(rows) * static_cast<size_t>(shape_.topK);
  double* counts = routingCounts_.data() + int64_t{layer} * shape_.experts;
  for (size_t i = 0; i < chosen; ++i) counts[routing_.experts[i]] += 1;
}

// The largest first; ties go to the lower id. Chosen probabilities are struck out; even if all are NaN, ids are valid.
void CpuBackend::chooseExperts(int32_t row, float* probabilities) {
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(shape_.topK);
  constexpr float taken = -std::numeric_limits<float>::infinity();
  float sum = 0;
  for (size_t rank = first; rank < first + static_cast<size_t>(shape_.topK); ++rank) {
    int32_t best = 0;
    while (probabilities[best] == taken) ++best;
    for (int32_t e = best + 1; e < shape_.experts; ++e) {
      if (probabilities[e] > probabilities[best]) best = e;
    }
    routing_.experts[rank] = best;
    routing_.weights[rank] = probabilities[best];
    sum = sum + probabilities[best];
    probabilities[best] = taken;
  }
  if (shape_.routerNormalization == RouterNormalization::l1) {
    kernels_.divide(routing_.weights.data() + first, shape_.topK, sum);
  }
}

void CpuBackend::predict(const StepBatch& batch, const ModelWeights& weights, float* logits) {
  const int32_t rows = static_cast<int32_t>(batch.logitRows.size());
  forRows(rows, [&](int32_t i, int thread) {
    float* y = rowScratch_[static_cast<size_t>(thread)].data();
    const float* x = floats(x_) + int64_t{batch.logitRows[static_cast<size_t>(i)]} * shape_.dModel;
    kernels_.layerNorm(x, weights.finalNorm(), shape_.dModel, shape_.normEpsilon, y);
    normalized_.set(kernels_, i, 0, y, shape_.dModel);
  });
  multiply(weights.lmHead(), shape_.vocab, shape_.dModel, normalized_, rows, logits);
}

template <typename Body>
void CpuBackend::forRows(int32_t rows, const Body& body) {
  pool_.run((rows + rowsAtATime - 1) / rowsAtATime, [&](int32_t item, int thread) {
    const int32_t end = std::min(rows, (item + 1) * rowsAtATime);
    for (int32_t row = item * rowsAtATime; row < end; ++row) body(row, thread);
  });
}

void CpuBackend::normalize(int32_t row, const float* weight, int thread) {
  float* y = rowScratch_[static_cast<size_t>(thread)].data();
  kernels_.layerNorm(floats(x_) + int64_t{row} * shape_.dModel, weight, shape_.dModel, shape_.normEpsilon, y);
  normalized_.set(kernels_, row, 0, y, shape_.dModel);
}

void CpuBackend::multiply(const std::byte* w, int32_t outputs, int32_t inputs, const ActivationRows& a, int32_t rows,
                          float* y) {
  const int64_t stride = panelBytes(shape_.dtype, inputs), panels = panelCount(outputs);
  const int64_t panelsAtOnce =
      std::clamp<int64_t>(bytesPerItem / stride, 1, std::max<int64_t>(1, panels / pool_.threads()));
  const int32_t columns = static_cast<int32_t>((panels + panelsAtOnce - 1) / panelsAtOnce);
  const int32_t rowsAtOnce = columns < pool_.threads() ? rowsPerItem : std::max(rows, 1);
  const int32_t bands = (rows + rowsAtOnce - 1) / rowsAtOnce;
  pool_.run(columns * bands, [&](int32_t item, int) {
    const int64_t panel = item % columns * panelsAtOnce, output = panel * panelOutputs;
    const int32_t row = item / columns * rowsAtOnce;
    const Panels part{w + panel * stride, shape_.dtype, stride, static_cast<int32_t>(paddedInputs(inputs)),
                      static_cast<int32_t>(std::min(panelsAtOnce * panelOutputs, outputs - output))};
    kernels_.matmul(part, a.rows() + row, std::min(rowsAtOnce, rows - row), y + int64_t{row} * outputs + output,
                    outputs);
  });
}

ModelSession::CreateBackend createCpuBackend(int threads, const std::string& variant) {
  constexpr int maxThreads = 1024;
  require(threads >= 1 && threads <= maxThreads, "threads must be 1 to " + std::to_string(maxThreads));
  return [=](const ModelShape& shape, const StepLimits& limits) {
    return std::make_unique<CpuBackend>(shape, limits, threads, variant);
  };
}

}  // namespace conclave
