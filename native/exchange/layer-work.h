// One layer of a step on one member: the routing, who computes what, this member's share, and the outputs of all as
// they come together. No Redis here.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "../core/backend.h"
#include "load-policy.h"

namespace conclave {

/** Rows [first, end) of a step. */
struct RowRange {
  int32_t first, end;
  int32_t count() const { return end - first; }
};

class LayerWork {
 public:
  LayerWork(const ModelShape& shape, int32_t me);

  /** A step of this many rows begins. */
  void begin(int32_t rows);
  AttendResult attendResult(std::byte* hidden) { return {experts_.data(), weights_.data(), hidden}; }

  // After attend.

  /** Gives each slot to a member. Throws what LoadPolicy::assign throws. */
  void assign(int32_t layer, LoadPolicy& policy) { policy.assign(layer, experts_, members_); }
  /** FNV-1a over experts and the bits of their weights: whether two members routed the layer alike. */
  uint32_t digest() const;
  /**
   * Computes this member's share, and `extra` experts with the first row to no end. Throws Failure invalidArgument for
   * an expert that is not here.
   */
  void runOwn(Backend& backend, const ModelWeights& weights, int32_t layer, std::span<const int32_t> extra);
  /** Outputs of any slots, ascending: [slots, dModel]. Throws Failure invalidArgument. */
  std::vector<std::byte> run(Backend& backend, const ModelWeights& weights, int32_t layer,
                             std::span<const int32_t> slots);

  /** The share that was computed last: its outputs [slots, dModel], and how long it took. */
  std::span<const std::byte> own() const { return std::span(own_).first(ownSlots_.size() * rowBytes_); }
  double ownSeconds() const { return ownSeconds_; }

  int32_t rows() const { return rows_; }
  RowRange allRows() const { return {0, rows_}; }
  /** Expert of each slot: [rows, topK]. */
  std::span<const int32_t> experts() const { return experts_; }
  /** How many slots of `rows` a member computes. */
  int32_t slotsOf(int32_t member, RowRange rows) const;
  /** The member's slots, ascending. */
  std::vector<int32_t> slotsOf(int32_t member) const;
  size_t rowBytes() const { return rowBytes_; }

  /** Outputs of all slots as far as they have been placed: [rows, topK, dModel]. */
  const std::byte* outputs() const { return outputs_.data(); }
  /** The outputs of rows from `first` on. */
  const std::byte* outputsFrom(int32_t first) const { return outputs_.data() + slotCount(first) * rowBytes_; }
  /** Puts outputs [slots of the member in `rows`, dModel] where they belong among all. */
  void place(int32_t member, RowRange rows, const std::byte* body);
  void place(std::span<const int32_t> slots, const std::byte* body);

 private:
  void add(const ModelWeights& weights, int32_t layer, int32_t row, int32_t expert);
  size_t slotCount(int32_t rows) const { return static_cast<size_t>(rows) * static_cast<size_t>(topK_); }

  const int32_t topK_, me_;
  const size_t rowBytes_;
  int32_t rows_ = 0;
  std::vector<int32_t> experts_, members_;  // [rows, topK]: chosen, and who computes them
  std::vector<float> weights_;              // [rows, topK]
  std::vector<int32_t> runRows_, runExperts_, ownSlots_;
  std::vector<std::byte> own_;      // [own slots and extra experts, dModel]
  std::vector<std::byte> outputs_;  // [rows, topK, dModel]
  double ownSeconds_ = 0;
};

}  // namespace conclave
