// What it costs that the nodes of a group give each other their rows: rounds of the native exchange, and of bare
// commands with the same bytes and the same client, the yardstick for the first. A round is what a layer exchanges:
// decentralized, every node sends to all others; centralized, node 0 sends to every other, which answer it. Blocks.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "frame-exchange.h"

namespace conclave {

class HopProbe {
 public:
  struct Load {
    uint32_t slots, width;  // of every node's frame: outputs [slots, width] of 2 bytes each
    bool centralized;
  };
  /**
   * bareStreams: [nodes], the streams of bare rounds; this node writes bareStreams[me], node 0 of centralized rounds
   * those of the others with `>` behind.
   */
  HopProbe(std::string name, ExchangeStreams streams, std::vector<std::string> bareStreams, int32_t me, Load load);

  // Seconds of `rounds` rounds of this node. `block` ascends from 1. Throw Failure `exchange`.
  double exchangeSeconds(uint32_t block, uint16_t rounds);
  double transportSeconds(uint32_t block, uint16_t rounds);

 private:
  using Streams = std::vector<std::string>;

  void exchangeRound(uint16_t layer);
  void centralizedRound(uint16_t layer);
  FrameHeader header(FrameKind kind, uint16_t layer) const;
  void await(FrameKind kind, uint16_t layer, size_t frames);
  void transportRound(const std::string& id, const std::string& before);
  void add(const std::string& stream, const std::string& id, const std::vector<std::byte>& body);
  void awaitBare(Streams missing, const std::string& before);
  Streams othersBare(const std::string& suffix) const;

  const size_t others_;
  const Load load_;
  const std::vector<std::byte> outputs_, work_;  // bodies
  const RedisAddress address_;                   // of the exchange
  FrameExchange exchange_;
  const Streams bareStreams_;
  const size_t me_;
  Interrupt interrupt_;
  RedisConnection writer_, reader_;
};

}  // namespace conclave
