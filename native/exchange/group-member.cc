#include "group-member.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "../core/failure.h"

namespace conclave {
namespace {

// Members without slots send nothing before the last layer, so that others may be a whole step behind.
constexpr int32_t keepStep = -1;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

size_t slotCount(int32_t rows, const ModelShape& shape) {
  return static_cast<size_t>(rows) * static_cast<size_t>(shape.topK);
}

struct StepTrouble {
  GroupStepReport::Trouble trouble;
  std::vector<int32_t> culprits;
  std::string text;
};

}  // namespace

GroupMember::GroupMember(const ModelShape& shape, Place place, ExpertAssigner assigner,
                         std::unique_ptr<FrameExchange> exchange)
    : shape_(shape),
      place_(place),
      rowBytes_(static_cast<size_t>(shape.dModel) * bytesPerWeight(activationType(shape.dtype))),
      assigner_(std::move(assigner)),
      exchange_(std::move(exchange)),
      counts_(static_cast<size_t>(place.members)) {
  require(place.me >= 0 && place.me < place.members && place.leader >= 0 && place.leader < place.members,
          "there is no such member");
  const size_t slots = slotCount(mostRows, shape);
  for (std::vector<int32_t>* each : {&experts_, &members_, &ownRows_, &ownExperts_}) each->reserve(slots);
  weights_.reserve(slots);
}

GroupStepReport GroupMember::step(Backend& backend, const ModelWeights& weights, const StepBatch& batch,
                                  const StepOrder& order, float* logits) {
  require(batch.rows() <= mostRows, "a step with more rows goes another way");
  order_ = order;
  report_ = {};
  report_.members.resize(counts_.size());
  begin(batch.rows());
  try {
    exchange_->beginStep(order.step);
    runLayers(backend, weights, batch);
    if (logits != nullptr) {
      const Clock::time_point start = Clock::now();
      backend.project(batch, weights, {outputs_.data(), nullptr}, logits);
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

void GroupMember::begin(int32_t rows) {
  rows_ = rows;
  const size_t slots = slotCount(rows, shape_);
  experts_.resize(slots);
  members_.resize(slots);
  weights_.resize(slots);
  outputs_.resize(slots * rowBytes_);
}

void GroupMember::runLayers(Backend& backend, const ModelWeights& weights, const StepBatch& batch) {
  backend.begin(batch, weights);
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const Clock::time_point start = Clock::now();
    const Contribution before{layer == 0 ? nullptr : outputs_.data(), nullptr};
    backend.attend(batch, weights, layer, before, {experts_.data(), weights_.data(), nullptr});
    assign();
    digest_ = routingDigest();
    report_.attendSeconds += secondsSince(start);
    runOwn(backend, weights, layer);
    exchangeOutputs(layer);
  }
}

void GroupMember::assign() {
  assigner_.assign(experts_, members_);
  std::fill(counts_.begin(), counts_.end(), 0);
  for (const int32_t member : members_) ++counts_[static_cast<size_t>(member)];
}

// FNV-1a over experts and the bits of their weights, as routing-digest.ts has it.
uint32_t GroupMember::routingDigest() const {
  constexpr uint32_t basis = 0x811c9dc5, prime = 0x01000193;
  uint32_t digest = basis;
  for (size_t slot = 0; slot < experts_.size(); ++slot) {
    digest = (digest ^ static_cast<uint32_t>(experts_[slot])) * prime;
    digest = (digest ^ std::bit_cast<uint32_t>(weights_[slot])) * prime;
  }
  return digest;
}

void GroupMember::runOwn(Backend& backend, const ModelWeights& weights, int32_t layer) {
  const Clock::time_point start = Clock::now();
  ownRows_.clear();
  ownExperts_.clear();
  for (size_t slot = 0; slot < members_.size(); ++slot) {
    if (members_[slot] != place_.me) continue;
    weights.requireExpert(experts_[slot]);
    ownRows_.push_back(static_cast<int32_t>(slot) / shape_.topK);
    ownExperts_.push_back(experts_[slot]);
  }
  own_.resize(ownRows_.size() * rowBytes_);
  if (!ownRows_.empty()) backend.runExperts(weights, layer, {ownRows_, ownExperts_}, nullptr, 0, own_.data());
  ownSeconds_ = secondsSince(start);
  report_.expertSeconds += ownSeconds_;
}

// After the last layer everybody answers the leader, slots or not (decision 0071), and nobody else needs its outputs.
void GroupMember::exchangeOutputs(int32_t layer) {
  const bool last = layer == shape_.layers - 1, leads = place_.me == place_.leader;
  if (last ? !leads : countOf(place_.me) > 0) send(layer, last);
  if (last && !leads) return;
  place(place_.me, own_.data());
  missing_.clear();
  for (int32_t member = 0; member < place_.members; ++member) {
    if (member != place_.me && (last || countOf(member) > 0)) missing_.push_back(member);
  }
  gather(layer);
}

void GroupMember::send(int32_t layer, bool toLeader) {
  if (toLeader) {
    exchange_->sendTo(place_.leader, header(layer), own_, keepStep);
  } else {
    exchange_->broadcast(header(layer), own_, keepStep);
  }
  ++report_.framesSent;
  report_.bytesSent += static_cast<int64_t>(own_.size());
}

void GroupMember::gather(int32_t layer) {
  if (missing_.empty()) return;
  const Clock::time_point start = Clock::now(), until = deadline();
  while (!missing_.empty()) {
    const std::optional<ReceivedFrame> frame = exchange_->next(FrameKind::outputs, static_cast<uint16_t>(layer), until);
    if (!frame.has_value()) throw StepTrouble{GroupStepReport::Trouble::late, missing_, ""};
    take(*frame, secondsSince(start));
  }
  report_.waitsMs.push_back(secondsSince(start) * 1e3);
}

void GroupMember::take(const ReceivedFrame& frame, double waitedSeconds) {
  if (frame.header.kind == FrameKind::failure) {
    throw StepTrouble{GroupStepReport::Trouble::failure, {frame.from}, std::string(frame.body)};
  }
  if (std::erase(missing_, frame.from) == 0) return;
  check(frame);
  place(frame.from, reinterpret_cast<const std::byte*>(frame.body.data()));
  GroupStepReport::Member& member = report_.members[static_cast<size_t>(frame.from)];
  member.expertSeconds += frame.header.expertMicros / 1e6;
  member.waitSeconds += waitedSeconds;
  member.slots += static_cast<int32_t>(frame.header.slots);
  ++member.frames;
}

void GroupMember::check(const ReceivedFrame& frame) const {
  const FrameHeader expected = header(frame.header.layer), &got = frame.header;
  if (got.digest != expected.digest) {
    throw StepTrouble{GroupStepReport::Trouble::routing, {frame.from}, std::to_string(got.layer)};
  }
  const uint32_t slots = static_cast<uint32_t>(countOf(frame.from));
  if (got.slots == slots && got.rows == expected.rows && got.width == expected.width && got.dtype == expected.dtype)
    return;
  const std::string what =
      "Sent " + std::to_string(got.slots) + " outputs where " + std::to_string(slots) + " were expected.";
  throw StepTrouble{GroupStepReport::Trouble::refused, {frame.from}, what};
}

// Puts outputs [slots of the member, dModel] where they belong among all.
void GroupMember::place(int32_t member, const std::byte* body) {
  for (size_t slot = 0; slot < members_.size(); ++slot) {
    if (members_[slot] != member) continue;
    std::memcpy(outputs_.data() + slot * rowBytes_, body, rowBytes_);
    body += rowBytes_;
  }
}

// Of this member's outputs.
FrameHeader GroupMember::header(int32_t layer) const {
  FrameHeader header{};
  header.kind = FrameKind::outputs;
  header.dtype = activationType(shape_.dtype) == DType::bf16 ? FrameDtype::bf16 : FrameDtype::f32;
  header.layer = static_cast<uint16_t>(layer);
  header.rows = static_cast<uint32_t>(rows_);
  header.width = static_cast<uint32_t>(shape_.dModel);
  header.slots = static_cast<uint32_t>(countOf(place_.me));
  header.digest = digest_;
  header.expertMicros = static_cast<uint32_t>(ownSeconds_ * 1e6);
  return header;
}

int32_t GroupMember::countOf(int32_t member) const { return counts_[static_cast<size_t>(member)]; }

Clock::time_point GroupMember::deadline() const {
  if (!order_.patience.has_value()) return RedisConnection::never;
  const auto [floorMs, factor, normalMs] = *order_.patience;
  const double ms = floorMs + factor * std::max(ownSeconds_ * 1e3, normalMs);
  return Clock::now() + std::chrono::microseconds(static_cast<int64_t>(ms * 1e3));
}

}  // namespace conclave
