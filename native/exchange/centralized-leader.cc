#include "centralized-leader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// A frame's id has four bits for it.
constexpr uint16_t maxAttempts = 16;

// A member that answers has read all work before, so earlier layers need not be kept.
constexpr int32_t keepNothing = 0;

CentralizedLeader::Holders without(CentralizedLeader::Holders holders, const std::vector<int32_t>& members) {
  for (std::vector<int32_t>& of : holders) {
    std::erase_if(of, [&](int32_t holder) { return std::ranges::binary_search(members, holder); });
  }
  return holders;
}

template <typename T>
void append(std::vector<std::byte>& bytes, const T* values, size_t count) {
  const auto* const from = reinterpret_cast<const std::byte*>(values);
  bytes.insert(bytes.end(), from, from + count * sizeof(T));
}

}  // namespace

CentralizedLeader::CentralizedLeader(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy,
                                     Holders holders, std::vector<double> speed,
                                     std::unique_ptr<FrameExchange> exchange)
    : GroupMember(shape, place, std::move(policy), std::move(exchange)),
      holders_(std::move(holders)),
      speed_(std::move(speed)),
      withoutSuspects_(holders_, speed_, shape.moeLayers) {
  requireOfGroup(withoutSuspects_);
}

void CentralizedLeader::begin(int32_t rows) {
  hidden_.resize(static_cast<size_t>(rows) * work_.rowBytes());
  avoid(order_.suspects);
}

void CentralizedLeader::assign(int32_t layer) {
  withHolders([&] { work_.assign(layer, policy()); });
}

void CentralizedLeader::runExperts(const Layer& layer) {
  giveOut(layer.index);
  runOwn(layer, policy());
  runBeside(layer);
  work_.place(place_.me, work_.allRows(), work_.own().data());
  gather(layer);
}

void CentralizedLeader::giveOut(int32_t layer) {
  open_.clear();
  attempt_ = 0;
  for (int32_t member = 0; member < place_.members; ++member) {
    if (member == place_.me) continue;
    std::vector<int32_t> slots = work_.slotsOf(member);
    const std::span<const int32_t> extra = policy().extraExperts(member);
    if (!slots.empty() || !extra.empty()) send(layer, member, std::move(slots), extra);
  }
}

void CentralizedLeader::send(int32_t layer, int32_t member, std::vector<int32_t> slots,
                             std::span<const int32_t> extra) {
  const int32_t rows = encodeWork(slots, extra), outputs = static_cast<int32_t>(slots.size() + extra.size());
  FrameHeader frame = header(FrameKind::work, layer, rows, outputs);
  frame.attempt = attempt_;
  exchange_->sendTo(member, frame, body_, keepNothing);
  noteSent(body_.size());
  open_.push_back({member, attempt_, std::move(slots), rows, outputs});
}

// The body of a work frame: rows and experts of its slots, i32 each, then the experts' input of every row that occurs.
// Returns how many those are. Slots ascend; extra experts come last, with the first of the rows.
int32_t CentralizedLeader::encodeWork(std::span<const int32_t> slots, std::span<const int32_t> extra) {
  std::vector<int32_t> rows, experts, sent;
  for (const int32_t slot : slots) {
    const int32_t row = slot / shape_.topK;
    if (sent.empty() || sent.back() != row) sent.push_back(row);
    rows.push_back(static_cast<int32_t>(sent.size()) - 1);
    experts.push_back(work_.experts()[static_cast<size_t>(slot)]);
  }
  if (sent.empty()) sent.push_back(0);
  rows.resize(rows.size() + extra.size(), 0);
  experts.insert(experts.end(), extra.begin(), extra.end());
  body_.clear();
  append(body_, rows.data(), rows.size());
  append(body_, experts.data(), experts.size());
  for (const int32_t row : sent)
    append(body_, hidden_.data() + static_cast<size_t>(row) * work_.rowBytes(), work_.rowBytes());
  return static_cast<int32_t>(sent.size());
}

void CentralizedLeader::gather(const Layer& layer) {
  if (open_.empty()) return;
  const Clock::time_point start = Clock::now();
  Clock::time_point until = deadline();
  while (!open_.empty()) {
    const auto frame = exchange_->next(FrameKind::outputs, static_cast<uint16_t>(layer.index), until);
    if (frame.has_value()) {
      take(layer, *frame, secondsSince(start));
    } else {
      handOver(layer, asked(), "");
      until = deadline();
    }
  }
  report_.waitsMs.push_back(secondsSince(start) * 1e3);
}

void CentralizedLeader::take(const Layer& layer, const ReceivedFrame& frame, double waitedSeconds) {
  if (frame.header.kind == FrameKind::failure) {
    if (std::ranges::count(asked(), frame.from) > 0) handOver(layer, {frame.from}, std::string(frame.body));
    return;
  }
  const auto share = std::ranges::find_if(
      open_, [&](const Share& open) { return open.member == frame.from && open.attempt == frame.header.attempt; });
  if (share == open_.end()) return;
  refuseOtherSize(frame, header(FrameKind::outputs, layer.index, share->rows, share->outputs));
  work_.place(share->slots, reinterpret_cast<const std::byte*>(frame.body.data()));
  noteFrame(frame, waitedSeconds);
  open_.erase(share);
}

// Gives what the members have not answered to other holders.
void CentralizedLeader::handOver(const Layer& layer, const std::vector<int32_t>& late, const std::string& why) {
  std::vector<int32_t> suspects = suspects_;
  for (const int32_t member : late) {
    report_.replaced.push_back({member, why});
    suspects.push_back(member);
  }
  avoid(std::move(suspects));
  if (++attempt_ >= maxAttempts) throw StepTrouble{GroupStepReport::Trouble::late, suspects_, ""};
  reassign(layer, takeSharesOf(late));
}

void CentralizedLeader::reassign(const Layer& layer, const std::vector<int32_t>& slots) {
  std::vector<int32_t> experts, members(slots.size());
  for (const int32_t slot : slots) experts.push_back(work_.experts()[static_cast<size_t>(slot)]);
  withHolders([&] { policy().assign(layer.index, experts, members); });
  for (int32_t member = 0; member < place_.members; ++member) {
    std::vector<int32_t> share;
    for (size_t i = 0; i < slots.size(); ++i) {
      if (members[i] == member) share.push_back(slots[i]);
    }
    if (share.empty()) continue;
    if (member != place_.me) {
      send(layer.index, member, std::move(share), {});
      continue;
    }
    work_.place(share, work_.run(layer.backend, layer.weights, layer.index, share).data());
  }
}

// Slots of the open shares of these members, ascending; the shares are open no more.
std::vector<int32_t> CentralizedLeader::takeSharesOf(const std::vector<int32_t>& members) {
  std::vector<int32_t> slots;
  std::erase_if(open_, [&](const Share& share) {
    if (std::ranges::count(members, share.member) == 0) return false;
    slots.insert(slots.end(), share.slots.begin(), share.slots.end());
    return true;
  });
  std::ranges::sort(slots);
  return slots;
}

// Members that have not answered, ascending.
std::vector<int32_t> CentralizedLeader::asked() const {
  std::vector<int32_t> members;
  for (const Share& share : open_) members.push_back(share.member);
  std::ranges::sort(members);
  members.erase(std::unique(members.begin(), members.end()), members.end());
  return members;
}

void CentralizedLeader::avoid(std::vector<int32_t> suspects) {
  std::ranges::sort(suspects);
  suspects.erase(std::unique(suspects.begin(), suspects.end()), suspects.end());
  if (suspects == suspects_) return;
  suspects_ = std::move(suspects);
  withoutSuspects_ = ExpertAssigner(without(holders_, suspects_), speed_, shape_.moeLayers);
}

template <typename Assign>
void CentralizedLeader::withHolders(const Assign& assign) {
  try {
    assign();
  } catch (const Failure& failure) {
    if (failure.code != FailureCode::unavailable) throw;
    throw StepTrouble{GroupStepReport::Trouble::noHolder, suspects_, failure.what()};
  }
}

}  // namespace conclave
