// The operations of a program on single rows, as a CPU computes them.
#pragma once
#include <span>
#include <vector>

#include "../core/backend.h"
#include "../core/program.h"
#include "../core/rotary-table.h"
#include "gated-mlps.h"
#include "kv-cache.h"
#include "step-rows.h"

namespace conclave {

/** What the experts of the MoE layer before have left: their outputs here, or what other nodes sent. */
struct ExpertOutputs {
  const GatedMlps* own = nullptr;  // its places in StepRows::outputs
  Contribution sent;
};

class RowOperations {
 public:
  RowOperations(const ModelDescription& description, const Kernels& kernels, StepRows& rows, KvCache& cache,
                int32_t maxRows, int threads);

  /** The batch of the calls that follow. */
  void use(const StepBatch& batch) { batch_ = &batch; }
  /** Before a step's first operation, for every row. */
  void computeAngles(int32_t row);

  /** Where the next passage is. */
  void enter(const Passage& passage, const ModelWeights& weights);
  void setExpertOutputs(const ExpertOutputs& outputs) { outputs_ = outputs; }

  void apply(std::span<const RowOperation> operations, int32_t row, int thread);

  /** sum = weighted outputs of a row, in ranking order; output(i) is that of slot i. sum: [dModel]. */
  template <typename OutputOf>
  void sumRanks(int32_t row, const OutputOf& outputOf, float* sum) const;

  Routing& routing() { return routing_; }
  const Routing& routing() const { return routing_; }

 private:
  struct Angles {
    RotaryTable table;
    std::vector<float> cosine, sine;  // [rows, dims / 2]
  };

  void apply(const Embed& embed, int32_t row, int thread);
  void apply(const Normalize& normalize, int32_t row, int thread);
  void apply(const AddBias& add, int32_t row, int thread);
  void apply(const NormalizeHeads& normalize, int32_t row, int thread);
  void apply(const Clip& clip, int32_t row, int thread);
  void apply(const Rotate& rotate, int32_t row, int thread);
  void apply(const StoreHeads& store, int32_t row, int thread);
  void apply(const Choose& choose, int32_t row, int thread);
  void apply(const Combine& combine, int32_t row, int thread);
  void apply(const AddShared& add, int32_t row, int thread);
  void apply(const AddMixed& add, int32_t row, int thread);
  void apply(const ScaleLogits& scale, int32_t row, int thread);
  void apply(const CapLogits& cap, int32_t row, int thread);

  void norm(const Norm& norm, const float* x, WeightRole weight, int32_t width, float* y) const;
  const Weight& weight(WeightRole role) const { return weights_->of(layer_, role); }
  float* floats(FloatRows name, int64_t row) const { return rows_.floats(name).row(row); }
  size_t outputBytes() const;

  ModelShape shape_;
  const Kernels& kernels_;
  StepRows& rows_;
  KvCache& cache_;
  std::vector<AttentionDescription> attentionOfLayer_;
  std::vector<size_t> blockOfLayer_;
  std::vector<std::optional<Angles>> angles_;  // [blocks]
  Routing routing_;
  std::vector<std::vector<float>> scratch_;  // per thread: [dModel or experts]

  const StepBatch* batch_ = nullptr;
  const ModelWeights* weights_ = nullptr;
  int32_t layer_ = ModelWeights::noLayer;
  bool ofLogitRows_ = false;
  ExpertOutputs outputs_;
};

// In the router's ranking order, whatever order the experts ran in.
template <typename OutputOf>
void RowOperations::sumRanks(int32_t row, const OutputOf& outputOf, float* sum) const {
  std::fill_n(sum, shape_.dModel, 0.0f);
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(shape_.topK);
  for (size_t i = first; i < first + static_cast<size_t>(shape_.topK); ++i) {
    kernels_.addScaled(sum, outputOf(i), rows_.outputs.type(), routing_.weights[i], shape_.dModel);
  }
}

}  // namespace conclave
