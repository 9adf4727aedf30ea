// A model on a GPU: KV cache and scratch in its memory, a step in a few command buffers of several layers each when
// every weight is here, in one per part when experts are elsewhere (core/backend.h). While the GPU runs one, the next
// is encoded (docs/decisions/0093).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/backend.h"
#include "../core/program.h"
#include "../core/rotary-table.h"
#include "encode-mlps.h"
#include "encoding-context.h"
#include "sized-commands.h"

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
  void runBeside(const ModelWeights& weights, int32_t layer) override;
  void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) override;
  void project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) override;
  ThreadPool& threads() override { return threads_; }
  std::string numericsClass() const override;
  const std::vector<double>& routingCounts() const override { return routingCounts_; }

 private:
  // Commands of a piece of the program, but for what the layer before it computes beside its experts.
  struct Part {
    int32_t index;
    bool sums;  // the contribution is sums, not outputs; none comes before piece 0
    std::unique_ptr<GpuCommands> commands;
  };

  void upload(const StepBatch& batch);
  void uploadAngles(const StepBatch& batch);
  void cutRows();
  void putContribution(Contribution before);
  template <typename Attempt>
  void untilInTime(const Attempt& attempt);
  std::unique_ptr<GpuCommands> commands(Submission submission) const;
  void submitStep(const ModelWeights& weights);
  void runPart(const ModelWeights& weights, int32_t index, Contribution before);
  Part encodedPart(const ModelWeights& weights, int32_t index, bool sums);
  void encode(GpuCommands& to, const ModelWeights& weights, const Passage& passage, ExpertResults before) const;
  void encodeOwnExperts(GpuCommands& to, const ModelWeights& weights, int32_t index) const;
  EncodingContext context() const;
  void holdFiles(const std::vector<std::shared_ptr<const MappedFile>>& files);

  void finish(GpuCommands& commands);
  void count(int32_t index);
  void readLogits(float* logits) const;
  GpuView chosenOf(int32_t index) const { return memory_.chosen[static_cast<size_t>(program_.layerOf(index))]; }
  int64_t activationBytes() const { return static_cast<int64_t>(bytesPerWeight(shape_.activations)); }

  std::unique_ptr<GpuDevice> device_;
  ModelDescription description_;
  ModelShape shape_;
  Program program_;
  CommandBudget budget_;
  MetalKernels kernels_;
  StepMemory memory_;
  std::vector<std::unique_ptr<GpuBuffer>> cache_;   // [layers]
  WeightMemory weightMemory_;                       // keeps the others resident too, so it ends before them
  std::vector<std::optional<RotaryTable>> rotary_;  // [blocks]
  StepExtent extent_;                               // of the batch at hand
  // What a part reads and writes, before it ran.
  std::vector<float> residualBefore_, routingBefore_;
  std::optional<Part> next_;  // encoded ahead; what it is bound to must stay as it is
  int32_t besideDone_ = -1;   // the last MoE layer whose beside-program has run in this step
  std::vector<double> routingCounts_;
  ThreadPool threads_;
};

}  // namespace conclave
