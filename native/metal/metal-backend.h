// A model on a GPU: KV cache and scratch in its memory, a step in a few command buffers of several layers each when
// every weight is here, in one per part when experts are elsewhere (core/backend.h). While the GPU runs one, the next
// is encoded (docs/decisions/0093).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/backend.h"
#include "../core/rotary-table.h"
#include "metal-kernels.h"
#include "plain-shape.h"
#include "sized-commands.h"
#include "step-memory.h"
#include "weight-memory.h"

namespace conclave {

class MetalBackend final : public Backend {
 public:
  /**
   * `variant`: how products are computed, 'lanes' or 'matrices'; '' takes matrices where the GPU has them. `threads`:
   * for what the host computes. Throws Failure: invalidArgument for what the kernels cannot do, outOfMemory,
   * unavailable with a compiler's log.
   */
  MetalBackend(std::unique_ptr<GpuDevice> device, const ModelDescription& description, const StepLimits& limits,
               const std::string& variant, int threads = 1);

  void hold(const ModelWeights& weights) override;
  void step(const StepBatch& batch, const ModelWeights& weights, float* logits) override;
  void begin(const StepBatch& batch, const ModelWeights& weights) override;
  void attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
              const AttendResult& result) override;
  void runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const std::byte* hidden,
                  int32_t hiddenRows, std::byte* outputs) override;
  // Models with shared experts are refused.
  void runBeside(const ModelWeights& /*weights*/, int32_t /*layer*/) override {}
  void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) override;
  void project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) override;
  ThreadPool& threads() override { return threads_; }
  std::string numericsClass() const override;
  const std::vector<double>& routingCounts() const override { return routingCounts_; }

 private:
  // Slots to compute: `experts` and `rows` are i32 [slots] on the GPU, x holds the rows.
  struct SlotViews {
    int32_t slots, rows;
    GpuView experts, rowsOfSlots, x;
  };

  // Columns of f32 rows [rows, width] that a product writes.
  struct FloatTarget {
    GpuView rows;
    int32_t width, column;

    FloatTarget from(int32_t other) const { return {rows, width, other}; }
  };

  // Commands from the embedding, or the contribution of the experts before `layer`, to its router; `layer` may be one
  // beyond the last.
  struct Part {
    int32_t layer;
    bool sums;  // the contribution is sums, not outputs; none comes before layer 0
    std::unique_ptr<GpuCommands> commands;
  };

  void upload(const StepBatch& batch);
  void putContribution(Contribution before);
  template <typename Attempt>
  void untilInTime(const Attempt& attempt);
  std::unique_ptr<GpuCommands> commands(Submission submission) const;
  void submitStep(const ModelWeights& weights);
  void runPart(const ModelWeights& weights, int32_t layer, Contribution before);
  Part encodedPart(const ModelWeights& weights, int32_t layer, bool sums);
  void encodePart(GpuCommands& to, const ModelWeights& weights, int32_t layer);
  void encodeLayer(GpuCommands& to, const ModelWeights& weights, int32_t layer);
  void encodeEmbedding(GpuCommands& to, const ModelWeights& weights);
  void encodeContribution(GpuCommands& to, bool sums);
  void encodeAttention(GpuCommands& to, const ModelWeights& weights, int32_t layer);
  void encodeRouter(GpuCommands& to, const ModelWeights& weights, int32_t layer);
  void encodeExperts(GpuCommands& to, const ModelWeights& weights, int32_t layer, const SlotViews& slots);
  void encodeCombine(GpuCommands& to, int32_t firstRow, int32_t rows, GpuView places, GpuView x, bool accumulate);
  void encodeLogits(GpuCommands& to, const ModelWeights& weights);
  void encodeNorm(GpuCommands& to, int32_t rows, GpuView rowList, const Weight& weight);
  void encodeProduct(GpuCommands& to, const Weight& w, int32_t rows, GpuView x, const FloatTarget& y, bool accumulate);
  GpuView viewOf(const Weight& weight) const;
  void holdFiles(const std::vector<std::shared_ptr<const MappedFile>>& files);

  void finish(GpuCommands& commands);
  void count(int32_t layer, int32_t rows);
  void readLogits(float* logits) const;
  GpuView chosenOf(int32_t layer) const;
  int64_t slotBytes() const { return int64_t{limits_.maxRows} * shape_.router.topK * 4; }
  int64_t activationBytes() const { return static_cast<int64_t>(bytesPerWeight(shape_.activations)); }

  std::unique_ptr<GpuDevice> device_;
  PlainShape shape_;
  StepLimits limits_;
  CommandBudget budget_;
  ProductKind kind_;
  DType format_ = DType::f32;            // of the matrices
  std::optional<MetalKernels> kernels_;  // once weights are held
  StepMemory memory_;
  std::vector<std::unique_ptr<GpuBuffer>> cache_;  // [layers]
  WeightMemory weightMemory_;                      // keeps the others resident too, so it ends before them
  RotaryTable rotary_;
  // Of the batch at hand.
  int32_t rows_ = 0, logitRows_ = 0, blockTableWidth_ = 0, mostBlocks_ = 0;
  GpuView blockTables_;
  std::vector<float> xBefore_, routingBefore_;  // what a part reads and writes, before it ran
  std::optional<Part> next_;                    // encoded ahead; what it is bound to must stay as it is
  std::vector<double> routingCounts_;
  ThreadPool threads_;
};

}  // namespace conclave
