// A step as a group of two nodes runs it.
#pragma once
#include "../random-model.h"

namespace conclave::test {

using IsOwn = std::function<bool(int32_t row, int32_t expert)>;

// Slots of a layer, and where their outputs belong.
struct Share {
  std::vector<int32_t> slots, rows, experts;
  std::vector<std::byte> outputs;

  void placeIn(std::vector<std::byte>& all, size_t width) const {
    for (size_t i = 0; i < slots.size(); ++i) {
      std::copy_n(&outputs[i * width], width, &all[static_cast<size_t>(slots[i]) * width]);
    }
  }
};

inline Share shareOf(const std::vector<int32_t>& experts, int32_t topK, size_t width, const IsOwn& isOwn) {
  Share share;
  for (int32_t slot = 0; slot < static_cast<int32_t>(experts.size()); ++slot) {
    const int32_t row = slot / topK, expert = experts[static_cast<size_t>(slot)];
    if (!isOwn(row, expert)) continue;
    share.slots.push_back(slot);
    share.rows.push_back(row);
    share.experts.push_back(expert);
  }
  share.outputs.resize(share.slots.size() * width);
  return share;
}

// The leader attends and runs its own experts, `other` runs the rest; the leader gets outputs, or their sums as a row's
// owner would send them.
inline std::vector<float> stepInParts(
    ModelSession& leader, ModelSession& other, StepBatch batch, bool sums,
    const IsOwn& isOwn = [](int32_t, int32_t) { return false; }) {
  const ModelShape& shape = leader.shape();
  const int32_t rows = batch.rows(), slots = rows * shape.topK;
  const size_t width = static_cast<size_t>(leader.activationBytes());
  std::vector<int32_t> experts(static_cast<size_t>(slots));
  std::vector<float> weights(experts.size()), summed(static_cast<size_t>(rows) * static_cast<size_t>(shape.dModel));
  std::vector<std::byte> hidden(static_cast<size_t>(rows * leader.activationBytes()));
  std::vector<std::byte> outputs(static_cast<size_t>(slots * leader.activationBytes()));
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(shape.vocab));
  Contribution before;
  leader.begin(std::move(batch));
  for (int32_t layer = 0; layer < shape.moeLayers; ++layer) {
    const AttendResult result{experts.data(), weights.data(), hidden.data()};
    await([&](ModelSession::Done done) { leader.attend(layer, before, result, std::move(done)); });
    const auto run = [&](ModelSession& session, const std::byte* x, const IsOwn& chosen) {
      Share share = shareOf(experts, shape.topK, width, chosen);
      if (share.slots.empty()) return;
      ExpertWork work{layer, share.rows, share.experts, x, x == nullptr ? 0 : rows, share.outputs.data()};
      await([&](ModelSession::Done done) { session.runExperts(std::move(work), std::move(done)); });
      share.placeIn(outputs, width);
    };
    run(leader, nullptr, isOwn);
    run(other, hidden.data(), [&](int32_t row, int32_t expert) { return !isOwn(row, expert); });
    // The shared expert early, or not before the next part.
    if (layer % 2 == 0) await([&](ModelSession::Done done) { leader.runBeside(layer, std::move(done)); });
    before = {outputs.data(), nullptr};
    if (!sums) continue;
    await([&](ModelSession::Done done) { leader.sumOutputs(0, rows, outputs.data(), summed.data(), std::move(done)); });
    before = {nullptr, summed.data()};
  }
  await([&](ModelSession::Done done) { leader.project(before, logits.data(), std::move(done)); });
  return logits;
}

}  // namespace conclave::test
