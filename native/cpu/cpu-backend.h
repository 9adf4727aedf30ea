// A model on this CPU: KV cache, scratch, threads, and the order of operations in a step.
#pragma once
#include <string>
#include <vector>

#include "../core/backend.h"
#include "../core/model-session.h"
#include "../core/rotary-table.h"
#include "../core/thread-pool.h"
#include "attention.h"
#include "experts.h"
#include "kv-cache.h"

namespace conclave {

class CpuBackend final : public Backend {
 public:
  /** Throws Failure for an unknown variant or too little memory. `threads` counts the one that calls step. */
  CpuBackend(const ModelShape& shape, const StepLimits& limits, int threads, const std::string& variant);

  void step(const StepBatch& batch, const ModelWeights& weights, float* logits) override;
  void begin(const StepBatch& batch, const ModelWeights& weights) override;
  void attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
              const AttendResult& result) override;
  void runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const std::byte* hidden,
                  int32_t hiddenRows, std::byte* outputs) override;
  void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) override;
  void project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) override;

  const std::vector<double>& routingCounts() const override { return routingCounts_; }

 private:
  void prepare(const StepBatch& batch, const ModelWeights& weights);
  void embed(const StepBatch& batch, const ModelWeights& weights);
  // projected = wo attention(rotate(clip(wqkv norm1(x))))
  void runAttention(const StepBatch& batch, const LayerWeights& weights, int32_t layer);
  void rotateAndAppend(const StepBatch& batch, int32_t layer);
  // x += projected; normalized = norm2(x); routing = top-k of softmax(router normalized)
  void route(int32_t rows, const LayerWeights& weights, int32_t layer);
  void chooseExperts(int32_t row, float* probabilities);
  void predict(const StepBatch& batch, const ModelWeights& weights, float* logits);
  void prepareRotation(const StepBatch& batch);

  // body(row, thread) for every row. Small steps stay on the calling thread: nobody is waked for a microsecond's work.
  template <typename Body>
  void forRows(int32_t rows, const Body& body);

  // outputOf(row * topK + rank): that expert output, [dModel] in the activation type.
  template <typename OutputOf>
  void sumRanks(int32_t row, const OutputOf& outputOf, float* sum) const;
  template <typename OutputOf>
  void addOutputs(int32_t rows, const OutputOf& outputOf);
  void add(int32_t rows, Contribution before);
  const std::byte* outputAt(const std::byte* outputs, size_t i) const { return outputs + i * outputBytes(); }
  size_t outputBytes() const;
  ExpertSlots allSlots(int32_t rows) const;

  // normalized = norm(x), row by row
  void normalize(int32_t row, const float* weight, int thread);
  // y = w a for all rows; w: [outputs, inputs], y: [rows, outputs].
  void multiply(const std::byte* w, int32_t outputs, int32_t inputs, const ActivationRows& a, int32_t rows, float* y);

  ModelShape shape_;
  const Kernels& kernels_;
  ThreadPool pool_;
  KvCache cache_;
  Attention attention_;
  Experts experts_;
  Routing routing_;
  std::vector<int32_t> rowOf_;  // [rows, topK]: the row
  std::vector<double> routingCounts_;
  RotaryTable rotary_;
  std::vector<float> cosine_, sine_;               // [rows, headDim / 2]
  ZeroedMemory x_, qkv_, projected_;               // f32: [rows, dModel], [rows, qkvWidth], [rows, dModel]
  ActivationRows normalized_, q_, kv_, attended_;  // [rows, dModel], [rows, qWidth], [rows, 2 kvWidth], [rows, qWidth]
  ActivationRows received_;                        // the experts' input from another node: [rows, dModel]
  ZeroedMemory routerLogits_;                      // f32 [rows, experts]
  std::vector<std::vector<float>> rowScratch_;     // per thread: [dModel]
};

/**
 * For a session on this CPU; `variant` '' is the fastest kernels it has. Throws Failure for a number of threads out of
 * range.
 */
ModelSession::CreateBackend createCpuBackend(int threads, const std::string& variant);

}  // namespace conclave
