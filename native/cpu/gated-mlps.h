// Gated MLPs of one layer, a MoE layer's experts or a single dense or shared one: rows are grouped by expert, so an
// expert's weights are read once per step for all its rows.
#pragma once
#include <vector>

#include "../core/backend.h"
#include "../core/thread-pool.h"
#include "activation-rows.h"
#include "group-sums.h"

namespace conclave {

/** Of one MLP; biases are null where there are none. */
struct MlpWeights {
  Weight gateUp, down;
  const float *gateBias = nullptr, *upBias = nullptr, *downBias = nullptr;
};

class GatedMlps {
 public:
  /** For at most `slots` rows among `experts` MLPs of up to `width`. */
  struct Limits {
    int32_t experts, slots, width;
  };

  GatedMlps(const ModelShape& shape, const Kernels& kernels, const Limits& limits, int threads);

  /**
   * Computes expert(h[row]) of every slot into the rows of `out`, in places (placeOf); h: [rows, dModel].
   * weightsOf(expert) gives the weights of those that have rows.
   */
  template <typename WeightsOf>
  void run(const GatedMlp& mlp, const WeightsOf& weightsOf, const ExpertSlots& slots, const ActivationRows& h,
           const TargetRows& out, ThreadPool& pool) {
    if (slots.rows.empty()) return;
    groupByExpert(slots, h);
    for (size_t e = 0; e < weights_.size(); ++e) {
      if (expertBegin_[e] < expertBegin_[e + 1]) weights_[e] = weightsOf(static_cast<int32_t>(e));
    }
    compute(mlp, weights_[static_cast<size_t>(slots.experts.front())].gateUp.format, out, pool);
  }

  /** The row of the latest `out` that has slot i. Slots of a single expert keep their order. */
  int64_t placeOf(size_t i) const { return placeOf_[i]; }

 private:
  // Some panels of one expert's matrix, for all its rows.
  struct Item {
    int32_t expert, firstPlace, places, firstPanel, panels;
  };

  void groupByExpert(const ExpertSlots& slots, const ActivationRows& h);
  // Items are cut for matrices of `format`; each is computed in its own.
  void compute(const GatedMlp& mlp, const WeightFormat& format, const TargetRows& out, ThreadPool& pool);
  // groupSums_ of the rows that the experts' `matrix` multiplies.
  void sumGroups(Weight MlpWeights::*matrix, const void* const* rows, int32_t inputs, ThreadPool& pool);
  void cutItems(int64_t panels, int64_t bytesPerPanel, int threads);
  void gateUp(const GatedMlp& mlp, const Item& item, float* sums);
  void addGateBias(const Item& item, int32_t width, int32_t rows, float* sums) const;
  void down(const GatedMlp& mlp, const Item& item, const TargetRows& out, float* sums);

  int32_t dModel_;
  const Kernels& kernels_;
  // Slots have places, ordered by expert.
  std::vector<int32_t> placeOf_;          // [slots]
  std::vector<int32_t> expertOf_;         // [places]
  std::vector<int32_t> expertBegin_;      // [experts + 1]: first place of each expert
  std::vector<int32_t> next_;             // [experts]: the place its next row gets
  std::vector<const void*> input_;        // [places]: the row's h
  std::vector<MlpWeights> weights_;       // [experts]: of those with rows
  ActivationRows inner_;                  // [places, width]
  GroupSums groupSums_;                   // of the places, for the matrix at hand
  std::vector<Item> items_;               // of the matrix at hand
  std::vector<std::vector<float>> sums_;  // per thread: [rowsAtOnce, panelsAtOnce * 32]
};

}  // namespace conclave
