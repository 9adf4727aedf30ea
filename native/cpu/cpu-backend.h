// A program on this CPU: runs its operations over the rows of a step, on the engine's threads.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/backend.h"
#include "../core/model-session.h"
#include "../core/program.h"
#include "../core/thread-pool.h"
#include "attention.h"
#include "gated-mlps.h"
#include "group-sums.h"
#include "kv-cache.h"
#include "row-operations.h"
#include "step-rows.h"

namespace conclave {

class CpuBackend final : public Backend {
 public:
  /** Throws Failure for an unknown variant or too little memory. `threads` counts the one that calls step. */
  CpuBackend(const ModelDescription& description, const StepLimits& limits, int threads, const std::string& variant);

  void step(const StepBatch& batch, const ModelWeights& weights, float* logits) override;
  void begin(const StepBatch& batch, const ModelWeights& weights) override;
  void attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
              const AttendResult& result) override;
  void runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const std::byte* hidden,
                  int32_t hiddenRows, std::byte* outputs) override;
  void runBeside(const ModelWeights& weights, int32_t layer) override;
  void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) override;
  void project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) override;

  ThreadPool& threads() override { return pool_; }
  const std::vector<double>& routingCounts() const override { return routingCounts_; }

 private:
  // The MLPs of one kind of block.
  struct BlockMlps {
    GatedMlps own;  // the experts, or the dense one
    std::optional<GatedMlps> shared;
  };

  void prepare(const StepBatch& batch);
  void use(const StepBatch& batch);
  void runPiece(const ModelWeights& weights, int32_t index);
  void run(const Passage& passage, const ModelWeights& weights);
  void run(const EachRow& each, const Passage& passage, const ModelWeights& weights);
  void run(const Multiply& multiply, const Passage& passage, const ModelWeights& weights);
  void run(const Attend& attend, const Passage& passage, const ModelWeights& weights);
  void run(const RunMlp& mlp, const Passage& passage, const ModelWeights& weights);
  void countChoices(int32_t layer);

  // outputs[slot] = its expert's, in StepRows::outputs.
  void computeExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const ActivationRows& h);
  const ActivationRows& inputsOf(const Multiply& multiply, const Weight& matrix, int32_t rows);
  // y = w a for all rows, at a column of y.
  void multiply(const Weight& w, const ActivationRows& a, int32_t rows, const FloatBuffer& y, int32_t column);

  // body(row, thread) for every row. Small steps stay on the calling thread: waking another costs more than their work.
  template <typename Body>
  void forRows(int32_t rows, const Body& body);
  int32_t rowsOf(const Passage& passage) const;
  ExpertSlots allSlots() const;
  BlockMlps& mlpsOf(int32_t layer) { return mlps_[static_cast<size_t>(blockOfLayer_[static_cast<size_t>(layer)])]; }
  size_t outputBytes() const;

  ModelShape shape_;
  std::vector<int32_t> blockOfLayer_;
  Program program_;
  const Kernels& kernels_;
  ThreadPool pool_;
  KvCache cache_;
  StepRows rows_;
  RowOperations rowOperations_;
  std::vector<Attention> attentions_;  // [blocks]
  std::vector<BlockMlps> mlps_;        // [blocks]
  std::vector<int32_t> rowOf_;         // [slots]: the row
  GroupSums groupSums_;                // of the product at hand
  std::vector<int32_t> dense_;         // [rows]: expert 0 of the only MLP
  std::vector<int32_t> everyRow_;      // [rows]
  std::vector<double> routingCounts_;
  const StepBatch* batch_ = nullptr;  // of the part that runs
  int32_t besideDone_ = -1;           // the last MoE layer whose beside-program has run in this step
};

/** For a session on this CPU; `variant` '' is the fastest kernels it has. `threads`: see checkThreads. */
ModelSession::CreateBackend createCpuBackend(int threads, const std::string& variant);

}  // namespace conclave
