// Which experts a node computes behind the router, before its host has said who computes what: those that are here and
// whose rows have never gone to another node, as those of an expert with a replica soon do. A wrong guess costs time,
// no bits: the host takes what it wanted.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace conclave {

class PresumedExperts {
 public:
  PresumedExperts(int32_t moeLayers, int32_t experts)
      : experts_(experts), state_(static_cast<size_t>(moeLayers) * static_cast<size_t>(experts), State::absent) {}

  /** Other weights are here: forgets what was learnt where that changes which. */
  void hold(const std::function<bool(int32_t layer, int32_t expert)>& isHere);

  bool has(int32_t layer, int32_t expert) const { return state_[at(layer, expert)] == State::alone; }
  bool any(int32_t layer) const;

  /** chosen: the layer's slots; wanted: whether each was to be computed here. */
  void learn(int32_t layer, std::span<const int32_t> chosen, const std::vector<bool>& wanted);

 private:
  enum class State : uint8_t { absent, alone, shared };

  size_t at(int32_t layer, int32_t expert) const {
    return static_cast<size_t>(layer) * static_cast<size_t>(experts_) + static_cast<size_t>(expert);
  }

  int32_t experts_;
  std::vector<State> state_;  // [MoE layers, experts]
};

}  // namespace conclave
