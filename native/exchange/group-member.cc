#include "group-member.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "../core/failure.h"

namespace conclave {
namespace {

// As exchange-mode.ts has it: up to this many rows every member gets every output.
constexpr int32_t allToAllRows = 16;

// Small steps: members without slots send nothing before the last layer, so that others may be a whole step behind.
// With many rows everybody says something in each layer: frames of the layer before may still be unread, nothing older
// is.
constexpr int32_t keepStep = -1, keepLayer = 1;

// More does not fit into a clock.
constexpr double mostPatienceMs = 24 * 3600e3;

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
      exchange_(std::move(exchange)) {
  require(place.me >= 0 && place.me < place.members && place.leader >= 0 && place.leader < place.members,
          "there is no such member");
  require(assigner_.members() == place.members && assigner_.experts() == shape.experts,
          "holders and speed must be of the model's experts and the group's members");
}

GroupStepReport GroupMember::step(Backend& backend, const ModelWeights& weights, const StepBatch& batch,
                                  const StepCommand& order, float* logits) {
  order_ = order;
  report_ = {};
  report_.members.resize(static_cast<size_t>(place_.members));
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
  if (haveOwners()) sums_.resize(static_cast<size_t>(rows) * static_cast<size_t>(shape_.dModel));
}

void GroupMember::runLayers(Backend& backend, const ModelWeights& weights, const StepBatch& batch) {
  backend.begin(batch, weights);
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    const Clock::time_point start = Clock::now();
    backend.attend(batch, weights, layer, contribution(layer), {experts_.data(), weights_.data(), nullptr});
    assigner_.assign(experts_, members_);
    digest_ = routingDigest();
    report_.attendSeconds += secondsSince(start);
    runOwn(backend, weights, layer);
    exchangeOutputs(backend, layer);
  }
}

// Of the layer before.
Contribution GroupMember::contribution(int32_t layer) const {
  if (layer == 0) return {};
  if (haveOwners()) return {nullptr, sums_.data()};
  return {outputs_.data(), nullptr};
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

void GroupMember::exchangeOutputs(Backend& backend, int32_t layer) {
  if (layer == shape_.layers - 1) {
    toLeader(layer);
  } else if (haveOwners()) {
    byOwners(backend, layer);
  } else {
    allToAll(layer);
  }
}

// The last layer's outputs, which nobody else needs. Everybody answers, with slots or without: who is more than a step
// behind finds frames trimmed (decision 0071).
void GroupMember::toLeader(int32_t layer) {
  if (place_.me != place_.leader) {
    exchange_->sendTo(place_.leader, header(FrameKind::outputs, layer, allRows()), own_,
                      isLarge() ? keepLayer : keepStep);
    noteSent(own_.size());
    return;
  }
  place(place_.me, allRows(), own_.data());
  expect([](int32_t) { return true; });
  gather(FrameKind::outputs, layer, allRows());
}

void GroupMember::allToAll(int32_t layer) {
  if (isLarge() || !own_.empty()) {
    exchange_->broadcast(header(FrameKind::outputs, layer, allRows()), own_, isLarge() ? keepLayer : keepStep);
    noteSent(own_.size());
  }
  place(place_.me, allRows(), own_.data());
  expect([&](int32_t member) { return isLarge() || slotsOf(member, allRows()) > 0; });
  gather(FrameKind::outputs, layer, allRows());
}

// Outputs go to the owners of their rows, who sum them; sums go to all.
void GroupMember::byOwners(Backend& backend, int32_t layer) {
  sendToOwners(layer);
  const Rows mine = owned(place_.me);
  expect([&](int32_t member) { return slotsOf(member, mine) > 0; });
  gather(FrameKind::outputs, layer, mine);
  if (mine.count() > 0) spreadSums(backend, layer, mine);
  expect([&](int32_t member) { return owned(member).count() > 0; });
  gather(FrameKind::sums, layer, allRows());
}

void GroupMember::spreadSums(Backend& backend, int32_t layer, Rows mine) {
  const size_t width = static_cast<size_t>(shape_.dModel), first = static_cast<size_t>(mine.first);
  const std::span<float> sums(sums_.data() + first * width, static_cast<size_t>(mine.count()) * width);
  backend.sumOutputs(mine.first, mine.count(), outputs_.data() + slotCount(mine.first, shape_) * rowBytes_,
                     sums.data());
  exchange_->broadcast(header(FrameKind::sums, layer, mine), std::as_bytes(sums), keepLayer);
  noteSent(sums.size_bytes());
}

// Slots ascend by row, so that those of one owner lie together.
void GroupMember::sendToOwners(int32_t layer) {
  std::span<const std::byte> rest(own_);
  for (int32_t owner = 0; owner < place_.members; ++owner) {
    const Rows rows = owned(owner);
    const auto body = rest.first(static_cast<size_t>(slotsOf(place_.me, rows)) * rowBytes_);
    rest = rest.subspan(body.size());
    if (owner == place_.me) {
      place(place_.me, rows, body.data());
    } else if (!body.empty()) {
      exchange_->sendTo(owner, header(FrameKind::outputs, layer, rows), body, keepLayer);
      noteSent(body.size());
    }
  }
}

void GroupMember::noteSent(size_t bytes) {
  ++report_.framesSent;
  report_.bytesSent += static_cast<int64_t>(bytes);
}

// As exchange-mode.ts decides: an owner's sum is spread where that takes fewer bytes than all outputs.
bool GroupMember::haveOwners() const {
  if (!isLarge()) return false;
  const double outputs = static_cast<double>(slotCount(1, shape_) * bytesPerWeight(activationType(shape_.dtype)));
  return outputs / place_.members + sizeof(float) < outputs;
}

bool GroupMember::isLarge() const { return rows_ > allToAllRows; }

// Frames are to come of the others who send one.
template <typename Sends>
void GroupMember::expect(const Sends& sends) {
  missing_.clear();
  for (int32_t member = 0; member < place_.members; ++member) {
    if (member != place_.me && sends(member)) missing_.push_back(member);
  }
}

void GroupMember::gather(FrameKind kind, int32_t layer, Rows rows) {
  if (missing_.empty()) return;
  const Clock::time_point start = Clock::now(), until = deadline();
  while (!missing_.empty()) {
    const std::optional<ReceivedFrame> frame = exchange_->next(kind, static_cast<uint16_t>(layer), until);
    if (!frame.has_value()) throw StepTrouble{GroupStepReport::Trouble::late, missing_, ""};
    take(*frame, rows, secondsSince(start));
  }
  report_.waitsMs.push_back(secondsSince(start) * 1e3);
}

void GroupMember::take(const ReceivedFrame& frame, Rows rows, double waitedSeconds) {
  if (frame.header.kind == FrameKind::failure) {
    throw StepTrouble{GroupStepReport::Trouble::failure, {frame.from}, std::string(frame.body)};
  }
  if (std::erase(missing_, frame.from) == 0) return;
  check(frame, rows);
  const std::byte* body = reinterpret_cast<const std::byte*>(frame.body.data());
  if (frame.header.kind == FrameKind::sums) {
    placeSums(frame.from, body);
  } else {
    place(frame.from, rows, body);
  }
  GroupStepReport::Member& member = report_.members[static_cast<size_t>(frame.from)];
  member.expertSeconds += frame.header.expertMicros / 1e6;
  member.waitSeconds += waitedSeconds;
  member.slots += static_cast<int32_t>(frame.header.slots);
  ++member.frames;
}

void GroupMember::check(const ReceivedFrame& frame, Rows rows) const {
  const FrameHeader& got = frame.header;
  const bool sums = got.kind == FrameKind::sums;
  const FrameHeader expected = header(got.kind, got.layer, sums ? owned(frame.from) : rows);
  if (got.digest != expected.digest) {
    throw StepTrouble{GroupStepReport::Trouble::routing, {frame.from}, std::to_string(got.layer)};
  }
  const uint32_t slots = sums ? 0 : static_cast<uint32_t>(slotsOf(frame.from, rows));
  if (got.slots == slots && got.rows == expected.rows && got.width == expected.width && got.dtype == expected.dtype) {
    return;
  }
  const std::string what =
      "Sent " + std::to_string(got.slots) + " outputs where " + std::to_string(slots) + " were expected.";
  throw StepTrouble{GroupStepReport::Trouble::refused, {frame.from}, what};
}

// Puts outputs [slots of the member in `rows`, dModel] where they belong among all.
void GroupMember::place(int32_t member, Rows rows, const std::byte* body) {
  for (size_t slot = slotCount(rows.first, shape_); slot < slotCount(rows.end, shape_); ++slot) {
    if (members_[slot] != member) continue;
    std::memcpy(outputs_.data() + slot * rowBytes_, body, rowBytes_);
    body += rowBytes_;
  }
}

void GroupMember::placeSums(int32_t member, const std::byte* body) {
  const Rows rows = owned(member);
  const size_t width = static_cast<size_t>(shape_.dModel);
  std::memcpy(sums_.data() + static_cast<size_t>(rows.first) * width, body,
              static_cast<size_t>(rows.count()) * width * sizeof(float));
}

// Of what this member sends for `rows`.
FrameHeader GroupMember::header(FrameKind kind, int32_t layer, Rows rows) const {
  const bool sums = kind == FrameKind::sums, halves = activationType(shape_.dtype) == DType::bf16;
  FrameHeader header{};
  header.kind = kind;
  header.dtype = halves && !sums ? FrameDtype::bf16 : FrameDtype::f32;
  header.layer = static_cast<uint16_t>(layer);
  header.rows = static_cast<uint32_t>(rows.count());
  header.width = static_cast<uint32_t>(shape_.dModel);
  header.slots = sums ? 0 : static_cast<uint32_t>(slotsOf(place_.me, rows));
  header.digest = digest_;
  header.expertMicros = sums ? 0 : static_cast<uint32_t>(ownSeconds_ * 1e6);
  return header;
}

int32_t GroupMember::slotsOf(int32_t member, Rows rows) const {
  const auto first = members_.begin() + static_cast<ptrdiff_t>(slotCount(rows.first, shape_));
  return static_cast<int32_t>(
      std::count(first, first + static_cast<ptrdiff_t>(slotCount(rows.count(), shape_)), member));
}

GroupMember::Rows GroupMember::owned(int32_t member) const {
  const int64_t rows = rows_;
  return {static_cast<int32_t>(member * rows / place_.members),
          static_cast<int32_t>((member + 1) * rows / place_.members)};
}

Clock::time_point GroupMember::deadline() const {
  if (!order_.timeout.has_value()) return RedisConnection::never;
  const auto [floorMs, factor, normalMs] = *order_.timeout;
  const double ms = std::min(mostPatienceMs, floorMs + factor * std::max(ownSeconds_ * 1e3, normalMs));
  return Clock::now() + std::chrono::microseconds(static_cast<int64_t>(ms * 1e3));
}

}  // namespace conclave
