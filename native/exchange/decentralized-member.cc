#include "decentralized-member.h"

#include <cstring>
#include <utility>

namespace conclave {
namespace {

// Up to this many rows every member gets every output; above, rows may have owners.
constexpr int32_t allToAllRows = 16;

// Small steps: members without slots send nothing before the last layer, so that others may be a whole step behind.
// With many rows every member sends in each layer: frames of the layer before may still be unread, nothing older is.
constexpr int32_t keepStep = -1, keepLayer = 1;

}  // namespace

DecentralizedMember::DecentralizedMember(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy,
                                         std::unique_ptr<FrameExchange> exchange)
    : GroupMember(shape, place, std::move(policy), std::move(exchange)) {}

void DecentralizedMember::begin(int32_t rows) {
  if (haveOwners()) sums_.resize(static_cast<size_t>(rows) * static_cast<size_t>(shape_.dModel));
}

Contribution DecentralizedMember::contribution() const {
  if (haveOwners()) return {nullptr, sums_.data()};
  return GroupMember::contribution();
}

void DecentralizedMember::assign(int32_t layer) {
  work_.assign(layer, *policy_);
  digest_ = work_.digest();
}

void DecentralizedMember::runExperts(const Layer& layer) {
  runOwn(layer, *policy_);
  if (isLast(layer.index)) {
    toLeader(layer);
  } else if (haveOwners()) {
    byOwners(layer);
  } else {
    allToAll(layer);
  }
}

// No member but the leader needs the last layer's outputs. Every member answers, with slots or without: one that is
// more than a step behind finds frames trimmed (decision 0071).
void DecentralizedMember::toLeader(const Layer& layer) {
  if (place_.me != place_.leader) {
    exchange_->sendTo(place_.leader, outputsHeader(layer.index, work_.allRows()), work_.own(),
                      isLarge() ? keepLayer : keepStep);
    noteSent(work_.own().size());
    return;
  }
  runBeside(layer);
  placeOwn();
  expect([](int32_t) { return true; });
  gather(FrameKind::outputs, layer.index, work_.allRows());
}

void DecentralizedMember::allToAll(const Layer& layer) {
  if (isLarge() || !work_.own().empty()) {
    exchange_->broadcast(outputsHeader(layer.index, work_.allRows()), work_.own(), isLarge() ? keepLayer : keepStep);
    noteSent(work_.own().size());
  }
  runBeside(layer);
  placeOwn();
  expect([&](int32_t member) { return isLarge() || work_.slotsOf(member, work_.allRows()) > 0; });
  gather(FrameKind::outputs, layer.index, work_.allRows());
}

// Outputs go to the owners of their rows, who sum them; sums go to all.
void DecentralizedMember::byOwners(const Layer& layer) {
  sendToOwners(layer.index);
  runBeside(layer);
  const RowRange mine = owned(place_.me);
  expect([&](int32_t member) { return work_.slotsOf(member, mine) > 0; });
  gather(FrameKind::outputs, layer.index, mine);
  if (mine.count() > 0) spreadSums(layer.backend, layer.index, mine);
  expect([&](int32_t member) { return owned(member).count() > 0; });
  gather(FrameKind::sums, layer.index, work_.allRows());
}

void DecentralizedMember::spreadSums(Backend& backend, int32_t layer, RowRange mine) {
  const size_t width = static_cast<size_t>(shape_.dModel), first = static_cast<size_t>(mine.first);
  const std::span<float> sums(sums_.data() + first * width, static_cast<size_t>(mine.count()) * width);
  backend.sumOutputs(mine.first, mine.count(), work_.outputsFrom(mine.first), sums.data());
  FrameHeader frame = header(FrameKind::sums, layer, mine.count(), 0);
  frame.digest = digest_;
  exchange_->broadcast(frame, std::as_bytes(sums), keepLayer);
  noteSent(sums.size_bytes());
}

// Slots ascend by row, so that those of one owner lie together.
void DecentralizedMember::sendToOwners(int32_t layer) {
  std::span<const std::byte> rest = work_.own();
  for (int32_t owner = 0; owner < place_.members; ++owner) {
    const RowRange rows = owned(owner);
    const auto body = rest.first(static_cast<size_t>(work_.slotsOf(place_.me, rows)) * work_.rowBytes());
    rest = rest.subspan(body.size());
    if (owner == place_.me) {
      work_.place(place_.me, rows, body.data());
    } else if (!body.empty()) {
      exchange_->sendTo(owner, outputsHeader(layer, rows), body, keepLayer);
      noteSent(body.size());
    }
  }
}

// An owner's sum is spread where that takes fewer bytes than all outputs: per row and value, what one of the other
// members gets is its share of outputs to sum, then all sums.
bool DecentralizedMember::haveOwners() const {
  if (!isLarge()) return false;
  const double outputs = static_cast<double>(shape_.topK) * static_cast<double>(bytesPerWeight(shape_.activations));
  return outputs / place_.members + sizeof(float) < outputs;
}

bool DecentralizedMember::isLarge() const { return work_.rows() > allToAllRows; }

// Frames are to come of the others that send one.
template <typename Sends>
void DecentralizedMember::expect(const Sends& sends) {
  missing_.clear();
  for (int32_t member = 0; member < place_.members; ++member) {
    if (member != place_.me && sends(member)) missing_.push_back(member);
  }
}

void DecentralizedMember::gather(FrameKind kind, int32_t layer, RowRange rows) {
  if (missing_.empty()) return;
  const Clock::time_point start = Clock::now(), until = deadline();
  while (!missing_.empty()) {
    const std::optional<ReceivedFrame> frame = exchange_->next(kind, static_cast<uint16_t>(layer), until);
    if (!frame.has_value()) throw StepTrouble{GroupStepReport::Trouble::late, missing_, ""};
    take(*frame, rows, secondsSince(start));
  }
  report_.waitsMs.push_back(secondsSince(start) * 1e3);
}

void DecentralizedMember::take(const ReceivedFrame& frame, RowRange rows, double waitedSeconds) {
  if (frame.header.kind == FrameKind::failure) {
    throw StepTrouble{GroupStepReport::Trouble::failure, {frame.from}, std::string(frame.body)};
  }
  if (std::erase(missing_, frame.from) == 0) return;
  check(frame, rows);
  const std::byte* body = reinterpret_cast<const std::byte*>(frame.body.data());
  if (frame.header.kind == FrameKind::sums) {
    placeSums(frame.from, body);
  } else {
    work_.place(frame.from, rows, body);
  }
  noteFrame(frame, waitedSeconds);
}

void DecentralizedMember::check(const ReceivedFrame& frame, RowRange rows) const {
  const FrameHeader& got = frame.header;
  const bool sums = got.kind == FrameKind::sums;
  if (got.digest != digest_) {
    throw StepTrouble{GroupStepReport::Trouble::routing, {frame.from}, std::to_string(got.layer)};
  }
  refuseOtherSize(frame, header(got.kind, got.layer, sums ? owned(frame.from).count() : rows.count(),
                                sums ? 0 : work_.slotsOf(frame.from, rows)));
}

void DecentralizedMember::placeOwn() { work_.place(place_.me, work_.allRows(), work_.own().data()); }

void DecentralizedMember::placeSums(int32_t member, const std::byte* body) {
  const RowRange rows = owned(member);
  const size_t width = static_cast<size_t>(shape_.dModel);
  std::memcpy(sums_.data() + static_cast<size_t>(rows.first) * width, body,
              static_cast<size_t>(rows.count()) * width * sizeof(float));
}

// Of this member's outputs for `rows`.
FrameHeader DecentralizedMember::outputsHeader(int32_t layer, RowRange rows) const {
  FrameHeader frame = header(FrameKind::outputs, layer, rows.count(), work_.slotsOf(place_.me, rows));
  frame.digest = digest_;
  frame.expertMicros = static_cast<uint32_t>(work_.ownSeconds() * 1e6);
  return frame;
}

RowRange DecentralizedMember::owned(int32_t member) const {
  const int64_t rows = work_.rows();
  return {static_cast<int32_t>(member * rows / place_.members),
          static_cast<int32_t>((member + 1) * rows / place_.members)};
}

}  // namespace conclave
