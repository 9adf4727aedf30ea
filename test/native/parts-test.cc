// A step in parts gives the bits of the whole step, whichever session computes which expert, and a session refuses
// parts that are not at hand or out of order.
#include <cstring>
#include <memory>

#include "../../native/core/failure.h"
#include "../../native/cpu/cpu-backend.h"
#include "random-model.h"

using namespace conclave;
using namespace conclave::test;

namespace {

// A session with attention, and others that hold experts only.
struct Group {
  std::unique_ptr<ModelSession> leader;
  std::vector<std::unique_ptr<ModelSession>> members;  // without the leader, which holds the experts of `leaderHolds`
  std::vector<int32_t> holder;                         // [experts]: index of a member, -1 the leader
};

Group randomGroup(Random& random, const ModelDescription& model, const RandomPack& pack) {
  Group group;
  const auto open = [&] {
    return std::make_unique<ModelSession>(model, StepLimits{16, 256}, createCpuBackend(random.between(1, 3), ""));
  };
  group.leader = open();
  pack.attachSharedTo(*group.leader);
  for (int32_t m = 0; m < 2; ++m) group.members.push_back(open());
  for (int32_t e = 0; e < model.shape().experts; ++e) {
    group.holder.push_back(random.between(-1, 1));
    pack.attachExpertTo(
        group.holder.back() < 0 ? *group.leader : *group.members[static_cast<size_t>(group.holder.back())], e);
  }
  return group;
}

// One step as the centralized topology runs it; every other layer hands over sums instead of outputs.
std::vector<float> stepInParts(Group& group, const std::vector<Part>& parts) {
  ModelSession& leader = *group.leader;
  const ModelShape& shape = leader.shape();
  const StepBatch batch = batchOf(parts);
  const size_t rows = batch.tokens.size(), topK = static_cast<size_t>(shape.topK), slots = rows * topK;
  const size_t rowBytes = static_cast<size_t>(leader.activationBytes());
  std::vector<int32_t> experts(slots);
  std::vector<float> weights(slots), sums(rows * static_cast<size_t>(shape.dModel));
  std::vector<std::byte> hidden(rows * rowBytes), outputs(slots * rowBytes);
  Contribution before;
  leader.begin(batch);
  for (int32_t layer = 0; layer < shape.moeLayers; ++layer) {
    await([&](ModelSession::Done done) {
      leader.attend(layer, before, {experts.data(), weights.data(), hidden.data()}, std::move(done));
    });
    for (int32_t m = -1; m < 2; ++m) {
      ExpertWork work{layer, {}, {}, m < 0 ? nullptr : hidden.data(), static_cast<int32_t>(rows), nullptr};
      std::vector<size_t> taken;
      for (size_t i = 0; i < slots; ++i) {
        if (group.holder[static_cast<size_t>(experts[i])] != m) continue;
        taken.push_back(i);
        work.rows.push_back(static_cast<int32_t>(i / topK));
        work.experts.push_back(experts[i]);
      }
      // One byte off: frames come at any address.
      std::vector<std::byte> packed(taken.size() * rowBytes + 1);
      work.outputs = packed.data() + 1;
      ModelSession& session = m < 0 ? leader : *group.members[static_cast<size_t>(m)];
      await([&](ModelSession::Done done) { session.runExperts(std::move(work), std::move(done)); });
      for (size_t i = 0; i < taken.size(); ++i) {
        std::memcpy(outputs.data() + taken[i] * rowBytes, packed.data() + 1 + i * rowBytes, rowBytes);
      }
    }
    // The shared expert early, or not before the next part.
    if (layer % 2 == 0) await([&](ModelSession::Done done) { leader.runBeside(layer, std::move(done)); });
    before = {outputs.data(), nullptr};
    if (layer % 2 == 0) continue;
    // As two owners would: the rows of the first half, then those of the second.
    const int32_t half = static_cast<int32_t>(rows / 2), rest = static_cast<int32_t>(rows) - half;
    await([&](ModelSession::Done done) { leader.sumOutputs(0, half, outputs.data(), sums.data(), std::move(done)); });
    await([&](ModelSession::Done done) {
      leader.sumOutputs(half, rest, outputs.data() + static_cast<size_t>(half) * topK * rowBytes,
                        sums.data() + int64_t{half} * shape.dModel, std::move(done));
    });
    before = {nullptr, sums.data()};
  }
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(shape.vocab));
  await([&](ModelSession::Done done) { leader.project(before, logits.data(), std::move(done)); });
  return logits;
}

template <typename Call>
void checkRefused(const Call& call, const std::string& what) {
  try {
    call();
    CHECK(false, what + " was not refused");
  } catch (const Failure& failure) {
    CHECK(failure.code == FailureCode::invalidArgument, failure.what());
  }
}

}  // namespace

TEST("a step in parts gives the bits of the whole, whichever members hold the experts") {
  Random random(21);
  for (int trial = 0; trial < 20; ++trial) {
    const ModelDescription model = randomPackableModel(random);
    const RandomPack pack = packOfAnyFormats(model, random.bits());
    const Sequence sequence = randomSequence(random, model, random.of<int32_t>({2, 9, 70, 130}), 0);
    const int32_t length = static_cast<int32_t>(sequence.tokens.size()), cut = random.below(length);
    ModelSession whole(model, {16, 256}, createCpuBackend(2, ""));
    pack.attachTo(whole);
    std::vector<float> expected = step(whole, {{&sequence, 0, length}});
    Group group = randomGroup(random, model, pack);
    std::vector<float> actual;
    for (const auto& [from, to] : {std::pair{0, cut}, std::pair{cut, length}}) {
      if (from == to) continue;
      const std::vector<float> logits = stepInParts(group, {{&sequence, from, to}});
      actual.insert(actual.end(), logits.begin(), logits.end());
    }
    CHECK(equal(actual, expected), "trial " + std::to_string(trial));
  }
}

TEST("parts out of order, of rows or experts that are not there, are refused") {
  Random random(22);
  const ModelDescription model = randomModel(random, 2, 4, 2);
  const RandomPack pack(model, 3);
  const Sequence sequence = randomSequence(random, model, 3, 0);
  std::vector<int32_t> experts(256);
  std::vector<float> weights(256), logits(1000);
  std::vector<std::byte> outputs(1 << 20);
  const AttendResult result{experts.data(), weights.data(), nullptr};
  const Contribution outputsBefore{outputs.data(), nullptr};
  const auto ignore = [](const std::optional<Failure>&) {};
  const auto work = [&](int32_t layer, int32_t row, int32_t expert) {
    return ExpertWork{layer, {row}, {expert}, nullptr, 0, outputs.data()};
  };
  ModelSession session(model, {4, 64}, createCpuBackend(1, ""));
  checkRefused([&] { session.begin(batchOf({{&sequence, 0, 3}})); }, "a step without shared weights");
  pack.attachTo(session);
  checkRefused([&] { session.attend(0, {}, result, ignore); }, "a layer without a step");
  checkRefused([&] { session.runExperts(work(0, 0, 0), ignore); }, "experts without a step");
  session.begin(batchOf({{&sequence, 0, 3}}));
  checkRefused([&] { session.attend(1, outputsBefore, result, ignore); }, "a layer too early");
  checkRefused([&] { session.attend(0, outputsBefore, result, ignore); }, "a contribution before the first layer");
  checkRefused([&] { session.project(outputsBefore, logits.data(), ignore); }, "logits before any layer");
  await([&](ModelSession::Done done) { session.attend(0, {}, result, std::move(done)); });
  checkRefused([&] { session.attend(1, {}, result, ignore); }, "a layer without what the experts contribute");
  checkRefused([&] { session.runExperts(work(1, 0, 0), ignore); }, "experts of a layer too early");
  checkRefused([&] { session.runExperts(work(2, 0, 0), ignore); }, "experts of a layer that is not");
  checkRefused([&] { session.runExperts(work(0, 3, 0), ignore); }, "a row that is not");
  checkRefused([&] { session.runExperts(work(0, -1, 0), ignore); }, "a negative row");
  checkRefused([&] { session.runExperts(work(0, 0, 4), ignore); }, "an expert that is not");
  checkRefused([&] { session.sumOutputs(2, 2, outputs.data(), logits.data(), ignore); }, "sums of rows that are not");
  session.detachExperts(std::vector<int32_t>{0});
  checkRefused([&] { session.runExperts(work(0, 0, 0), ignore); }, "an expert that was detached");
  checkRefused([&] { session.detachExperts(std::vector<int32_t>{-1}); }, "detaching an expert that is not");
  pack.attachIdTo(session, 0);
  await([&](ModelSession::Done done) { session.runExperts(work(0, 0, 0), std::move(done)); });
}
