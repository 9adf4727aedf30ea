#include "hop-probe.h"

#include <algorithm>
#include <utility>

namespace conclave {
namespace {

constexpr uint32_t epoch = 1;
constexpr int32_t keptLayers = 1;
constexpr int32_t bytesPerValue = 2;

template <typename Round>
double secondsOf(uint16_t rounds, const Round& round) {
  const Clock::time_point start = Clock::now();
  for (uint16_t index = 0; index < rounds; ++index) round(index);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

HopProbe::HopProbe(RedisAddress address, std::string name, ExchangeStreams streams,
                   std::vector<std::string> bareStreams, int32_t me, Load load)
    : others_(bareStreams.size() - 1),
      load_(load),
      body_(size_t{load.slots} * load.width * bytesPerValue),
      exchange_(address, name, epoch, std::move(streams)),
      bareStreams_(std::move(bareStreams)),
      me_(static_cast<size_t>(me)),
      writer_(address, name, interrupt_),
      reader_(address, name, interrupt_) {}

double HopProbe::exchangeSeconds(uint32_t block, uint16_t rounds) {
  exchange_.beginStep(block);
  return secondsOf(rounds, [&](uint16_t index) { exchangeRound(index); });
}

void HopProbe::exchangeRound(uint16_t layer) {
  FrameHeader header{};
  header.kind = FrameKind::outputs;
  header.dtype = FrameDtype::bf16;
  header.layer = layer;
  header.rows = header.slots = load_.slots;
  header.width = load_.width;
  exchange_.broadcast(header, body_, keptLayers);
  for (size_t missing = others_; missing > 0; --missing) {
    exchange_.next(FrameKind::outputs, layer, RedisConnection::never);
  }
}

double HopProbe::transportSeconds(uint32_t block, uint16_t rounds) {
  const auto idOf = [&](uint16_t index) { return std::to_string(block) + "-" + std::to_string(index); };
  return secondsOf(rounds,
                   [&](uint16_t index) { transportRound(idOf(static_cast<uint16_t>(index + 1)), idOf(index)); });
}

void HopProbe::transportRound(const std::string& id, const std::string& before) {
  const std::string_view body(reinterpret_cast<const char*>(body_.data()), body_.size());
  writer_.send({"XADD", bareStreams_[me_], "MAXLEN", "4", id, "b", body});
  std::vector<std::string_view> missing(bareStreams_.begin(), bareStreams_.end());
  missing.erase(missing.begin() + static_cast<ptrdiff_t>(me_));
  while (!missing.empty()) {
    std::vector<std::string_view> command{"XREAD", "BLOCK", "0", "STREAMS"};
    command.insert(command.end(), missing.begin(), missing.end());
    command.insert(command.end(), missing.size(), before);
    reader_.send(command);
    const std::optional<RespValue> reply = reader_.receive(RedisConnection::never);
    for (const RespValue& stream : reply->items) std::erase(missing, stream.items.at(0).text);
  }
  writer_.receive(RedisConnection::never);
}

}  // namespace conclave
