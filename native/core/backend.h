// What computes. A step runs as one call when every weight is in this process, or in parts, between which a group of
// nodes exchanges rows (docs/design.md#two-topologies): begin, then attend and the experts of each MoE layer, then
// project. Parts give the bits of the whole. Layers here are MoE layers, numbered from 0; whatever lies between two of
// them belongs to the later one's part (core/program.h). The caller has checked the arguments; nothing here throws but
// for lack of memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model-weights.h"
#include "step-batch.h"
#include "thread-pool.h"

namespace conclave {

// Which experts a step's rows chose, in the router's ranking order: [rows, topK] each.
struct Routing {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

// Expert outputs to compute: experts[i] of row rows[i].
struct ExpertSlots {
  std::span<const int32_t> rows, experts;  // [slots] each
};

// What the experts of the layer before add to x: nothing (before the first layer), the outputs of all (row, rank)
// [rows, topK, dModel] in the activation type, or their weighted sums [rows, dModel] f32.
struct Contribution {
  const std::byte* outputs = nullptr;
  const float* sums = nullptr;
};

// Where attend leaves what others need.
struct AttendResult {
  int32_t* experts;   // [rows, topK]
  float* weights;     // [rows, topK]
  std::byte* hidden;  // the experts' input [rows, dModel] in the activation type; may be null
};

class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /**
   * The weights of the next calls: a backend with memory of its own maps their packs. Throws Failure, and changes
   * nothing then.
   */
  virtual void hold(const ModelWeights& /*weights*/) {}

  /** Runs all layers for a checked batch; logits: [logitRows, vocab]. */
  virtual void step(const StepBatch& batch, const ModelWeights& weights, float* logits) = 0;

  /** Embeds the batch's rows; before layer 0. */
  virtual void begin(const StepBatch& batch, const ModelWeights& weights) = 0;
  /** Adds the contribution of the layer before, then all operations up to the router of this layer. */
  virtual void attend(const StepBatch& batch, const ModelWeights& weights, int32_t layer, Contribution before,
                      const AttendResult& result) = 0;
  /**
   * outputs[i] = experts[i](row rows[i]), [slots, dModel] in the activation type. `hidden` [hiddenRows, dModel] holds
   * the rows in the activation type, unaligned; null takes what attend left.
   */
  virtual void runExperts(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const std::byte* hidden,
                          int32_t hiddenRows, std::byte* outputs) = 0;
  /**
   * What the layer computes while its experts are elsewhere: the shared expert, if there is one. For a step in parts;
   * the next part does it where this is not called.
   */
  virtual void runBeside(const ModelWeights& weights, int32_t layer) = 0;
  /**
   * sums[r] = sum over ranks of weight * outputs[r] for rows [firstRow, firstRow + rows), by the weights of the latest
   * attend. outputs: [rows, topK, dModel] in the activation type, sums: [rows, dModel].
   */
  virtual void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums) = 0;
  /** Adds the contribution of the last layer, then all operations up to the logits [logitRows, vocab]. */
  virtual void project(const StepBatch& batch, const ModelWeights& weights, Contribution before, float* logits) = 0;

  /** Threads that compute on the host, between two calls free for others. */
  virtual ThreadPool& threads() = 0;

  /** Backends of one class give the same bits. */
  virtual std::string numericsClass() const { return "cpu"; }

  /** Rows given to each expert so far: [MoE layers, experts]. */
  virtual const std::vector<double>& routingCounts() const = 0;
};

}  // namespace conclave
