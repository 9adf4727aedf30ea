#include "paper-policies.h"

#include <algorithm>
#include <map>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

void moveToEnd(std::vector<int32_t>& order, int32_t expert) {
  const auto found = std::ranges::find(order, expert);
  if (found != order.end()) std::rotate(found, found + 1, order.end());
}

}  // namespace

DealtExperts::DealtExperts(Holders holders, PaperGroup group)
    : holders_(std::move(holders)), members_(group.members), topK_(group.topK), layers_(group.layers) {
  std::map<std::vector<int32_t>, size_t> groups;
  for (const std::vector<int32_t>& of : holders_) {
    require(std::ranges::all_of(of, [&](int32_t member) { return member >= 0 && member < members_; }),
            "holders must be members");
    groupOf_.push_back(groups.emplace(of, groups.size()).first->second);
  }
  turn_.resize(groups.size());
}

void DealtExperts::assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) {
  require(layer >= 0 && layer < layers_, "there is no such layer");
  for (size_t slot = 0; slot < experts.size(); ++slot) {
    if (slot % static_cast<size_t>(topK_) == 0) std::ranges::fill(turn_, 0);
    require(experts[slot] >= 0 && experts[slot] < this->experts(), "there is no such expert");
    const size_t expert = static_cast<size_t>(experts[slot]);
    const std::vector<int32_t>& of = holders_[expert];
    if (of.empty()) throw Failure(FailureCode::unavailable, "no member holds expert " + std::to_string(expert));
    members[slot] = of[turn_[groupOf_[expert]]++ % of.size()];
  }
}

Holders DealtExperts::held() const {
  Holders held(static_cast<size_t>(members_));
  for (size_t expert = 0; expert < holders_.size(); ++expert) {
    for (const int32_t member : holders_[expert]) held[static_cast<size_t>(member)].push_back(static_cast<int32_t>(expert));
  }
  return held;
}

std::vector<std::vector<bool>> DealtExperts::given(std::span<const int32_t> experts,
                                                   std::span<const int32_t> members) const {
  std::vector<std::vector<bool>> given(static_cast<size_t>(members_), std::vector<bool>(holders_.size()));
  for (size_t slot = 0; slot < experts.size(); ++slot) {
    given[static_cast<size_t>(members[slot])][static_cast<size_t>(experts[slot])] = true;
  }
  return given;
}

BusyFull::BusyFull(Holders holders, PaperGroup group)
    : DealtExperts(std::move(holders), group), held_(held()), extra_(held_.size()) {}

void BusyFull::assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) {
  DealtExperts::assign(layer, experts, members);
  const auto given = this->given(experts, members);
  extra_ = held_;
  for (size_t member = 0; member < extra_.size(); ++member) {
    std::erase_if(extra_[member], [&](int32_t expert) { return given[member][static_cast<size_t>(expert)]; });
  }
}

LeastRecentlyUsed::LeastRecentlyUsed(Holders holders, PaperGroup group)
    : DealtExperts(std::move(holders), group),
      order_(static_cast<size_t>(group.layers), held()),
      extra_(static_cast<size_t>(group.members)) {}

void LeastRecentlyUsed::assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) {
  DealtExperts::assign(layer, experts, members);
  const auto given = this->given(experts, members);
  const auto countOf = [](const std::vector<bool>& of) { return std::ranges::count(of, true); };
  const auto busiest = countOf(*std::ranges::max_element(given, {}, countOf));
  Holders& order = order_[static_cast<size_t>(layer)];
  for (size_t member = 0; member < order.size(); ++member) {
    std::vector<int32_t>& recent = order[member];
    for (int32_t expert = 0; expert < this->experts(); ++expert) {
      if (given[member][static_cast<size_t>(expert)]) moveToEnd(recent, expert);
    }
    const auto own = countOf(given[member]), held = static_cast<ptrdiff_t>(recent.size());
    const auto count = std::min(busiest - own, held - own);
    extra_[member].assign(recent.begin(), recent.begin() + count);
    std::rotate(recent.begin(), recent.begin() + count, recent.end());
  }
}

ColdWeights::ColdWeights(Holders holders, PaperGroup group, Files files)
    : DealtExperts(std::move(holders), group), files_(std::move(files)) {}

void ColdWeights::assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) {
  for (const auto& file : files_) file->release(0, file->size());
  DealtExperts::assign(layer, experts, members);
}

}  // namespace conclave
