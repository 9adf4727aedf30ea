// A model on a GPU: KV cache and scratch in its memory, a step in a few command buffers of several layers each when
// every weight is here, in one per part when experts are elsewhere (core/backend.h). A part's commands say when the
// router is done and go on with the shared expert and this node's own (docs/decisions/0165). While the GPU runs one,
// the next is encoded (docs/decisions/0093).
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
#include "presumed-experts.h"
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
  // Commands of a piece of the program; then, behind its router, the layer's shared expert and its presumed ones.
  struct Part {
    int32_t index;
    bool sums;                                     // the contribution is sums, not outputs; none comes before piece 0
    uint64_t pieceDone = 0, behindDone = 0;        // of event_
    std::unique_ptr<SizedCommands> commands = {};  // ends before what it names does
  };
  // What a piece reads and writes, as it was before.
  struct Overwritten {
    GpuView view;
    std::vector<std::byte> bytes;
  };

  void upload(const StepBatch& batch);
  void keepGrown();
  BesideWeights besideWeights() const;
  void uploadAngles(const StepBatch& batch);
  void cutRows();
  void putContribution(Contribution before);
  template <typename Attempt>
  void untilInTime(const Attempt& attempt);
  std::unique_ptr<SizedCommands> commands(Submission submission) const;
  void submitStep(const ModelWeights& weights);
  void runPart(const ModelWeights& weights, int32_t index, Contribution before);
  Part encodedPart(const ModelWeights& weights, int32_t index, bool sums);
  void encode(GpuCommands& to, const ModelWeights& weights, const Passage& passage, ExpertResults before) const;
  void encodeOwnExperts(GpuCommands& to, int32_t index, GpuView table) const;
  void encodeBehindRouter(GpuCommands& to, const ModelWeights& weights, int32_t index) const;
  void finishBehindRouter(const ModelWeights& weights);
  void forgetCommands();
  void keepOverwritten();
  void restoreOverwritten() const;
  int32_t chosenSlot(int32_t index, int32_t row, int32_t expert) const;
  void copyOutput(int32_t slot, std::byte* to) const;
  void computeSlots(int32_t index, const ExpertSlots& slots, GpuView x, std::byte* outputs);
  EncodingContext context() const;
  void holdFiles(const std::vector<std::shared_ptr<const MappedFile>>& files);

  void finish(GpuCommands& commands);
  void count(int32_t index);
  void readLogits(float* logits) const;
  GpuView ofLayer(const std::vector<GpuView>& views, int32_t index) const {
    return views[static_cast<size_t>(program_.layerOf(index))];
  }
  GpuView chosenOf(int32_t index) const { return ofLayer(memory_.chosen, index); }
  std::span<const int32_t> chosenBy(int32_t index) const;
  int64_t activationBytes() const { return static_cast<int64_t>(bytesPerWeight(shape_.activations)); }

  std::unique_ptr<GpuDevice> device_;
  ModelDescription description_;
  ModelShape shape_;
  Program program_;
  CommandBudget budget_;
  MetalKernels kernels_;
  StepMemory memory_;
  std::vector<std::unique_ptr<GpuBuffer>> cache_;  // [layers]
  ExpertTables expertTables_;
  WeightMemory weightMemory_;                       // keeps the others resident too, so it ends before them
  std::vector<std::optional<RotaryTable>> rotary_;  // [blocks]
  StepExtent extent_;                               // of the batch at hand
  std::vector<Overwritten> overwritten_;
  PresumedExperts presumed_;
  int32_t outputsOf_ = -1;    // the MoE layer whose presumed experts' outputs are in their places
  std::vector<bool> wanted_;  // of the latest layer's slots: those that runExperts was asked for
  std::vector<double> routingCounts_;
  ThreadPool threads_;
  std::unique_ptr<GpuEvent> event_;
  uint64_t latestValue_ = 0;
  // Encoded ahead; what it is bound to must stay as it is. Then the part whose router is done, and the one before.
  std::optional<Part> next_, behind_, ended_;
};

}  // namespace conclave
