#include "layer-work.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

namespace conclave {

LayerWork::LayerWork(const ModelShape& shape, int32_t me)
    : topK_(shape.topK), me_(me), rowBytes_(static_cast<size_t>(shape.dModel) * bytesPerWeight(shape.activations)) {}

void LayerWork::begin(int32_t rows) {
  rows_ = rows;
  const size_t slots = slotCount(rows);
  experts_.resize(slots);
  members_.resize(slots);
  weights_.resize(slots);
  outputs_.resize(slots * rowBytes_);
}

uint32_t LayerWork::digest() const {
  constexpr uint32_t basis = 0x811c9dc5, prime = 0x01000193;
  uint32_t digest = basis;
  for (size_t slot = 0; slot < experts_.size(); ++slot) {
    digest = (digest ^ static_cast<uint32_t>(experts_[slot])) * prime;
    digest = (digest ^ std::bit_cast<uint32_t>(weights_[slot])) * prime;
  }
  return digest;
}

void LayerWork::runOwn(Backend& backend, const ModelWeights& weights, int32_t layer, std::span<const int32_t> extra) {
  const auto start = std::chrono::steady_clock::now();
  ownSlots_ = slotsOf(me_);
  runRows_.clear();
  runExperts_.clear();
  for (const int32_t slot : ownSlots_) add(weights, layer, slot / topK_, experts_[static_cast<size_t>(slot)]);
  for (const int32_t expert : extra) add(weights, layer, 0, expert);
  own_.resize(runRows_.size() * rowBytes_);
  if (!runRows_.empty()) backend.runExperts(weights, layer, {runRows_, runExperts_}, nullptr, 0, own_.data());
  ownSeconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::byte> LayerWork::run(Backend& backend, const ModelWeights& weights, int32_t layer,
                                      std::span<const int32_t> slots) {
  runRows_.clear();
  runExperts_.clear();
  for (const int32_t slot : slots) add(weights, layer, slot / topK_, experts_[static_cast<size_t>(slot)]);
  std::vector<std::byte> outputs(slots.size() * rowBytes_);
  backend.runExperts(weights, layer, {runRows_, runExperts_}, nullptr, 0, outputs.data());
  return outputs;
}

void LayerWork::add(const ModelWeights& weights, int32_t layer, int32_t row, int32_t expert) {
  weights.requireExpert(layer, expert);
  runRows_.push_back(row);
  runExperts_.push_back(expert);
}

int32_t LayerWork::slotsOf(int32_t member, RowRange rows) const {
  const auto first = members_.begin() + static_cast<ptrdiff_t>(slotCount(rows.first));
  return static_cast<int32_t>(std::count(first, first + static_cast<ptrdiff_t>(slotCount(rows.count())), member));
}

std::vector<int32_t> LayerWork::slotsOf(int32_t member) const {
  std::vector<int32_t> slots;
  for (size_t slot = 0; slot < members_.size(); ++slot) {
    if (members_[slot] == member) slots.push_back(static_cast<int32_t>(slot));
  }
  return slots;
}

void LayerWork::place(int32_t member, RowRange rows, const std::byte* body) {
  for (size_t slot = slotCount(rows.first); slot < slotCount(rows.end); ++slot) {
    if (members_[slot] != member) continue;
    std::memcpy(outputs_.data() + slot * rowBytes_, body, rowBytes_);
    body += rowBytes_;
  }
}

void LayerWork::place(std::span<const int32_t> slots, const std::byte* body) {
  for (const int32_t slot : slots) {
    std::memcpy(outputs_.data() + static_cast<size_t>(slot) * rowBytes_, body, rowBytes_);
    body += rowBytes_;
  }
}

}  // namespace conclave
