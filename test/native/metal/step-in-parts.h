// A step as a group of two nodes runs it.
#pragma once
#include "../random-model.h"

namespace conclave::test {

// The leader attends, `other` runs every expert; the leader gets outputs, or their sums as a row's owner would send
// them.
inline std::vector<float> stepInParts(ModelSession& leader, ModelSession& other, StepBatch batch, bool sums) {
  const ModelShape& shape = leader.shape();
  const int32_t rows = batch.rows(), slots = rows * shape.topK;
  std::vector<int32_t> experts(static_cast<size_t>(slots)), slotRows;
  for (int32_t i = 0; i < slots; ++i) slotRows.push_back(i / shape.topK);
  std::vector<float> weights(experts.size()), summed(static_cast<size_t>(rows) * static_cast<size_t>(shape.dModel));
  std::vector<std::byte> hidden(static_cast<size_t>(rows * leader.activationBytes()));
  std::vector<std::byte> outputs(static_cast<size_t>(slots * leader.activationBytes()));
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(shape.vocab));
  Contribution before;
  leader.begin(std::move(batch));
  for (int32_t layer = 0; layer < shape.moeLayers; ++layer) {
    const AttendResult result{experts.data(), weights.data(), hidden.data()};
    await([&](ModelSession::Done done) { leader.attend(layer, before, result, std::move(done)); });
    ExpertWork work{layer, slotRows, experts, hidden.data(), rows, outputs.data()};
    await([&](ModelSession::Done done) { other.runExperts(std::move(work), std::move(done)); });
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
