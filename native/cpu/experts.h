// The experts of one layer: rows are grouped by expert, so an expert's weights are read once per step for all its rows.
#pragma once
#include <vector>

#include "../core/backend.h"
#include "../core/thread-pool.h"
#include "activation-rows.h"

namespace conclave {

class Experts {
 public:
  Experts(const ModelShape& shape, const Kernels& kernels, int32_t maxRows, int threads);

  /** Computes expert(h[row]) of every slot; h: [rows, dModel]. At most maxRows * topK slots. */
  void run(const ModelWeights& weights, int32_t layer, const ExpertSlots& slots, const ActivationRows& h,
           ThreadPool& pool);

  /** What run computed for its i-th slot: [dModel] in outputType(). */
  const void* output(size_t i) const { return output_.row(placeOf_[i]); }
  DType outputType() const { return output_.type(); }

 private:
  // Some panels of one expert's matrix, for all its rows.
  struct Item {
    int32_t expert, firstPlace, places, firstPanel, panels;
  };

  void groupByExpert(const ExpertSlots& slots, const ActivationRows& h);
  void cutItems(int64_t panels, int64_t bytesPerPanel, int threads);
  void gateUp(const Item& item, const std::byte* panels, float* sums);
  void down(const Item& item, const std::byte* panels, float* sums);

  ModelShape shape_;
  const Kernels& kernels_;
  // Slots have places, ordered by expert.
  std::vector<int32_t> placeOf_;          // [slots]
  std::vector<int32_t> expertBegin_;      // [experts + 1]: first place of each expert
  std::vector<int32_t> next_;             // [experts]: the place its next row gets
  std::vector<const void*> input_;        // [places]: the row's h
  ActivationRows inner_;                  // [places, ffn]
  ActivationRows output_;                 // [places, dModel]: bf16 for bf16 models, as it would cross between nodes
  std::vector<Item> items_;               // of the matrix at hand
  std::vector<std::vector<float>> sums_;  // per thread: [rowsAtOnce, panelsAtOnce * 32]
};

}  // namespace conclave
