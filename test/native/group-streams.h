// Names of the streams of a group's members, for the C++ tests.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../../native/exchange/frame-exchange.h"
#include "fake-redis.h"

namespace conclave::test {

using Holders = std::vector<std::vector<int32_t>>;

// holders: [experts] -> [layers * experts].
inline Holders inEveryLayer(const Holders& holders, int32_t layers) {
  Holders all;
  for (int32_t layer = 0; layer < layers; ++layer) all.insert(all.end(), holders.begin(), holders.end());
  return all;
}

inline std::string broadcastOf(int32_t member) { return std::to_string(member) + ">all"; }
inline std::string directOf(int32_t from, int32_t to) { return std::to_string(from) + ">" + std::to_string(to); }

inline ExchangeStreams streamsOf(const FakeRedis& server, int32_t me, int32_t members) {
  ExchangeStreams streams{{server.address()}, {{0, broadcastOf(me)}}, {}, {}};
  for (int32_t member = 0; member < members; ++member) {
    streams.toMember.push_back({0, directOf(me, member)});
    if (member == me) continue;
    streams.incoming.push_back({broadcastOf(member), member});
    streams.incoming.push_back({directOf(member, me), member});
  }
  return streams;
}

/** Id of the only piece of a frame. */
inline std::string idOf(const FrameHeader& header) {
  return std::to_string(uint64_t{header.epoch} << 32 | header.step) + "-" +
         std::to_string((header.layer + 1) * 0x10000 + header.attempt * 0x1000);
}

/** Writes a frame of one piece, or a failure, as if a member had. */
inline void write(FakeRedis& server, const std::string& stream, const FrameHeader& header, const std::string& body) {
  const auto bytes = encodeFrameHeader(header);
  if (header.kind == FrameKind::failure) return server.add(stream, idOf(header), {"failure", body});
  server.add(stream, idOf(header), {"h", {bytes.data(), bytes.size()}, "b", body});
}

}  // namespace conclave::test
