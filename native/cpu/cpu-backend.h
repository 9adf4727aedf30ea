// A model on this CPU: KV cache, scratch, threads, and the loop over layers.
#pragma once
#include <string>
#include <vector>

#include "../core/model-weights.h"
#include "../core/step-batch.h"
#include "../core/thread-pool.h"
#include "attention.h"
#include "experts.h"
#include "kv-cache.h"

namespace conclave {

class CpuBackend {
 public:
  /** Throws Failure for an unknown variant or too little memory. `threads` counts the one that calls step. */
  CpuBackend(const ModelShape& shape, const StepLimits& limits, int threads, const std::string& variant);

  /** Runs all layers for a checked batch; logits: [logitRows, vocab]. The weights are complete. */
  void step(const StepBatch& batch, const ModelWeights& weights, float* logits);

  /** Rows given to each expert so far: [layers, experts]. Not while a step runs. */
  const std::vector<double>& routingCounts() const { return routingCounts_; }

 private:
  void embed(const StepBatch& batch, const ModelWeights& weights);
  void attend(const StepBatch& batch, const LayerWeights& weights, int32_t layer);
  void rotateAndAppend(const StepBatch& batch, int32_t layer);
  void route(int32_t rows, const LayerWeights& weights, int32_t layer);
  void chooseExperts(int32_t row, float* probabilities);
  void project(const StepBatch& batch, const ModelWeights& weights, float* logits);
  void prepareRotation(const StepBatch& batch);

  void normalize(int32_t rows, const float* weight);
  // y = w a for all rows; w: [outputs, inputs], y: [rows, outputs].
  void multiply(const std::byte* w, int32_t outputs, int32_t inputs, const ActivationRows& a, int32_t rows, float* y);

  ModelShape shape_;
  const Kernels& kernels_;
  ThreadPool pool_;
  KvCache cache_;
  Attention attention_;
  Experts experts_;
  Routing routing_;
  std::vector<double> routingCounts_;
  std::vector<float> inverseFrequencies_;          // [headDim / 2]
  std::vector<float> cosine_, sine_;               // [rows, headDim / 2]
  ZeroedMemory x_, qkv_, projected_;               // f32: [rows, dModel], [rows, qkvWidth], [rows, dModel]
  ActivationRows normalized_, q_, kv_, attended_;  // [rows, dModel], [rows, qWidth], [rows, 2 kvWidth], [rows, qWidth]
  ZeroedMemory routerLogits_;                      // f32 [rows, experts]
  std::vector<std::vector<float>> rowScratch_;     // per thread: [dModel]
};

}  // namespace conclave
