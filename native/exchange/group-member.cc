#include "group-member.h"

#include <algorithm>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// More does not fit into a clock.
constexpr double maxWaitMs = 24 * 3600e3;

}  // namespace

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

GroupMember::GroupMember(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy,
                         std::unique_ptr<FrameExchange> exchange)
    : shape_(shape), place_(place), policy_(std::move(policy)), work_(shape, place.me), exchange_(std::move(exchange)) {
  require(place.me >= 0 && place.me < place.members && place.leader >= 0 && place.leader < place.members,
          "there is no such member");
  requireOfGroup(*policy_);
}

void GroupMember::requireOfGroup(const LoadPolicy& policy) const {
  require(
      policy.members() == place_.members && policy.experts() == shape_.experts && policy.layers() == shape_.moeLayers,
      "holders and speed must be of the model's experts and the group's members");
}

GroupStepReport GroupMember::step(Backend& backend, const ModelWeights& weights, const StepBatch& batch,
                                  const StepCommand& order, float* logits) {
  order_ = order;
  report_ = {};
  report_.members.resize(static_cast<size_t>(place_.members));
  work_.begin(batch.rows());
  begin(batch.rows());
  try {
    exchange_->beginStep(order.step);
    runLayers(backend, weights, batch);
    if (logits != nullptr) {
      const Clock::time_point start = Clock::now();
      backend.project(batch, weights, {work_.outputs(), nullptr}, logits);
      report_.projectSeconds = secondsSince(start);
    }
  } catch (StepTrouble& trouble) {
    report_.trouble = trouble.trouble;
    report_.culprits = std::move(trouble.culprits);
    report_.text = std::move(trouble.text);
  } catch (const BadFrame& bad) {
    report_.trouble = GroupStepReport::Trouble::badFrame;
    report_.culprits = {bad.from};
    report_.text = bad.what();
  }
  return std::move(report_);
}

void GroupMember::runLayers(Backend& backend, const ModelWeights& weights, const StepBatch& batch) {
  backend.begin(batch, weights);
  for (int32_t layer = 0; layer < shape_.moeLayers; ++layer) {
    const Clock::time_point start = Clock::now();
    backend.attend(batch, weights, layer, layer == 0 ? Contribution{} : contribution(), work_.attendResult(hidden()));
    assign(layer);
    report_.attendSeconds += secondsSince(start);
    runExperts({backend, weights, layer});
  }
}

void GroupMember::runOwn(const Layer& layer, const LoadPolicy& policy) {
  work_.runOwn(layer.backend, layer.weights, layer.index, policy.extraExperts(place_.me));
  report_.expertSeconds += work_.ownSeconds();
}

void GroupMember::runBeside(const Layer& layer) {
  const Clock::time_point start = Clock::now();
  layer.backend.runBeside(layer.weights, layer.index);
  report_.attendSeconds += secondsSince(start);
}

// Of what this member sends.
FrameHeader GroupMember::header(FrameKind kind, int32_t layer, int32_t rows, int32_t slots) const {
  const bool halves = kind != FrameKind::sums && shape_.activations == DType::bf16;
  FrameHeader header{};
  header.kind = kind;
  header.dtype = halves ? FrameDtype::bf16 : FrameDtype::f32;
  header.layer = static_cast<uint16_t>(layer);
  header.rows = static_cast<uint32_t>(rows);
  header.width = static_cast<uint32_t>(shape_.dModel);
  header.slots = static_cast<uint32_t>(slots);
  return header;
}

void GroupMember::refuseOtherSize(const ReceivedFrame& frame, const FrameHeader& expected) {
  const FrameHeader& got = frame.header;
  if (got.slots == expected.slots && got.rows == expected.rows && got.width == expected.width &&
      got.dtype == expected.dtype) {
    return;
  }
  const std::string what =
      "Sent " + std::to_string(got.slots) + " outputs where " + std::to_string(expected.slots) + " were expected.";
  throw StepTrouble{GroupStepReport::Trouble::refused, {frame.from}, what};
}

void GroupMember::noteSent(size_t bytes) {
  ++report_.framesSent;
  report_.bytesSent += static_cast<int64_t>(bytes);
}

void GroupMember::noteFrame(const ReceivedFrame& frame, double waitedSeconds) {
  GroupStepReport::Member& member = report_.members[static_cast<size_t>(frame.from)];
  member.expertSeconds += frame.header.expertMicros / 1e6;
  member.waitSeconds += waitedSeconds;
  member.slots += static_cast<int32_t>(frame.header.slots);
  ++member.frames;
}

Clock::time_point GroupMember::deadline() const {
  if (!order_.timeout.has_value()) return RedisConnection::never;
  const auto [floorMs, factor, normalMs] = *order_.timeout;
  const double ms = std::min(maxWaitMs, floorMs + factor * std::max(work_.ownSeconds() * 1e3, normalMs));
  return Clock::now() + std::chrono::microseconds(static_cast<int64_t>(ms * 1e3));
}

}  // namespace conclave
