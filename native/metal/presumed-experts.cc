#include "presumed-experts.h"

namespace conclave {

void PresumedExperts::hold(const std::function<bool(int32_t layer, int32_t expert)>& isHere) {
  bool changed = false;
  std::vector<State> fresh(state_.size());
  for (size_t i = 0; i < fresh.size(); ++i) {
    const int32_t index = static_cast<int32_t>(i);
    fresh[i] = isHere(index / experts_, index % experts_) ? State::alone : State::absent;
    changed = changed || (fresh[i] == State::absent) != (state_[i] == State::absent);
  }
  if (changed) state_ = std::move(fresh);
}

bool PresumedExperts::any(int32_t layer) const {
  for (int32_t expert = 0; expert < experts_; ++expert) {
    if (has(layer, expert)) return true;
  }
  return false;
}

void PresumedExperts::learn(int32_t layer, std::span<const int32_t> chosen, const std::vector<bool>& wanted) {
  for (size_t slot = 0; slot < chosen.size(); ++slot) {
    State& state = state_[at(layer, chosen[slot])];
    if (state == State::alone && !wanted[slot]) state = State::shared;
  }
}

}  // namespace conclave
