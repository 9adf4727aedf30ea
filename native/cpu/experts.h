// The experts of one layer: rows are grouped by expert, so an expert's weights are read once per step for all its rows.
#pragma once
#include <vector>

#include "../core/model-weights.h"
#include "../core/thread-pool.h"
#include "activation-rows.h"

namespace conclave {

// Which experts a step's rows chose, in the router's ranking order: [rows, topK] each.
struct Routing {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

class Experts {
 public:
  Experts(const ModelShape& shape, const Kernels& kernels, int32_t maxRows, int threads);

  /** x[r] += sum over ranks of weight * expert(h[r]); x: [rows, dModel] f32, h: [rows, dModel]. */
  void run(const ModelWeights& weights, int32_t layer, int32_t rows, const Routing& routing, const ActivationRows& h,
           float* x, ThreadPool& pool);

 private:
  // Some panels of one expert's matrix, for all its rows.
  struct Item {
    int32_t expert, firstSlot, slots, firstPanel, panels;
  };

  void groupRows(int32_t rows, const Routing& routing, const ActivationRows& h);
  std::vector<Item> itemsOf(int64_t panels, int64_t bytesPerPanel, int threads) const;
  void gateUp(const Item& item, const std::byte* panels, float* sums);
  void down(const Item& item, const std::byte* panels, float* sums);
  void combine(int32_t row, const Routing& routing, float* x, float* sum) const;

  ModelShape shape_;
  const Kernels& kernels_;
  // A slot is one (row, rank), ordered by expert, then row.
  std::vector<int32_t> slotOf_;           // [rows, topK]
  std::vector<int32_t> expertBegin_;      // [experts + 1]: first slot of each expert
  std::vector<const void*> slotInput_;    // [slots]: the row's h
  ActivationRows inner_;                  // [slots, ffn]
  ActivationRows output_;                 // [slots, dModel]: bf16 for bf16 models, as it would cross between nodes
  std::vector<std::vector<float>> sums_;  // per thread: [rowsAtOnce, panelsAtOnce * 32]
};

}  // namespace conclave
