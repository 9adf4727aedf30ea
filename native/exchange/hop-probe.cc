#include "hop-probe.h"

#include <algorithm>
#include <utility>

namespace conclave {
namespace {

constexpr uint32_t epoch = 1;
// As the members of a group keep them.
constexpr int32_t keptLayers = 1, keptByDirect = 0;
constexpr size_t bytesPerValue = 2, bytesPerSlot = 8;

template <typename Round>
double secondsOf(uint16_t rounds, const Round& round) {
  const Clock::time_point start = Clock::now();
  for (uint16_t index = 0; index < rounds; ++index) round(index);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

HopProbe::HopProbe(std::string name, ExchangeStreams streams, std::vector<std::string> bareStreams, int32_t me,
                   Load load)
    : others_(bareStreams.size() - 1),
      load_(load),
      outputs_(size_t{load.slots} * load.width * bytesPerValue),
      work_(outputs_.size() + size_t{load.slots} * bytesPerSlot),
      address_(streams.exchanges.at(0)),
      exchange_(name, epoch, std::move(streams)),
      bareStreams_(std::move(bareStreams)),
      me_(static_cast<size_t>(me)),
      writer_(address_, name, interrupt_),
      reader_(address_, name, interrupt_) {}

double HopProbe::exchangeSeconds(uint32_t block, uint16_t rounds) {
  exchange_.beginStep(block);
  return secondsOf(rounds, [&](uint16_t layer) { load_.centralized ? centralizedRound(layer) : exchangeRound(layer); });
}

void HopProbe::exchangeRound(uint16_t layer) {
  exchange_.broadcast(header(FrameKind::outputs, layer), outputs_, keptLayers);
  await(FrameKind::outputs, layer, others_);
}

void HopProbe::centralizedRound(uint16_t layer) {
  if (me_ != 0) {
    await(FrameKind::work, layer, 1);
    exchange_.sendTo(0, header(FrameKind::outputs, layer), outputs_, keptByDirect);
    return;
  }
  for (size_t other = 1; other <= others_; ++other) {
    exchange_.sendTo(static_cast<int32_t>(other), header(FrameKind::work, layer), work_, keptByDirect);
  }
  await(FrameKind::outputs, layer, others_);
}

FrameHeader HopProbe::header(FrameKind kind, uint16_t layer) const {
  FrameHeader header{};
  header.kind = kind;
  header.dtype = FrameDtype::bf16;
  header.layer = layer;
  header.rows = header.slots = load_.slots;
  header.width = load_.width;
  return header;
}

void HopProbe::await(FrameKind kind, uint16_t layer, size_t frames) {
  for (; frames > 0; --frames) exchange_.next(kind, layer, RedisConnection::never);
}

double HopProbe::transportSeconds(uint32_t block, uint16_t rounds) {
  const auto idOf = [&](uint16_t index) { return std::to_string(block) + "-" + std::to_string(index); };
  return secondsOf(rounds,
                   [&](uint16_t index) { transportRound(idOf(static_cast<uint16_t>(index + 1)), idOf(index)); });
}

void HopProbe::transportRound(const std::string& id, const std::string& before) {
  const std::string& own = bareStreams_[me_];
  if (!load_.centralized) {
    add(own, id, outputs_);
    awaitBare(othersBare(""), before);
    writer_.receive(RedisConnection::never);
  } else if (me_ != 0) {
    awaitBare({own + ">"}, before);
    add(own, id, outputs_);
    writer_.receive(RedisConnection::never);
  } else {
    for (const std::string& stream : othersBare(">")) add(stream, id, work_);
    awaitBare(othersBare(""), before);
    for (size_t other = 0; other < others_; ++other) writer_.receive(RedisConnection::never);
  }
}

void HopProbe::add(const std::string& stream, const std::string& id, const std::vector<std::byte>& body) {
  const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
  writer_.send({"XADD", stream, "MAXLEN", "4", id, "b", bytes});
}

void HopProbe::awaitBare(Streams missing, const std::string& before) {
  while (!missing.empty()) {
    std::vector<std::string_view> command{"XREAD", "BLOCK", "0", "STREAMS"};
    command.insert(command.end(), missing.begin(), missing.end());
    command.insert(command.end(), missing.size(), before);
    reader_.send(command);
    const std::optional<RespValue> reply = reader_.receive(RedisConnection::never);
    for (const RespValue& stream : reply->items) std::erase(missing, stream.items.at(0).text);
  }
}

HopProbe::Streams HopProbe::othersBare(const std::string& suffix) const {
  Streams streams;
  for (size_t node = 0; node < bareStreams_.size(); ++node) {
    if (node != me_) streams.push_back(bareStreams_[node] + suffix);
  }
  return streams;
}

}  // namespace conclave
