// What it costs that every node of a group gives its rows to every other: rounds of the native exchange, and of
// bare commands with the same bytes and the same client, the yardstick for the first. Blocks.
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
  };
  /** bareStreams: [nodes], the streams of bare rounds; this node writes bareStreams[me]. */
  HopProbe(RedisAddress address, std::string name, ExchangeStreams streams, std::vector<std::string> bareStreams,
           int32_t me, Load load);

  // Seconds of `rounds` rounds, in each of which this node sends and waits for all others. `block` ascends from 1.
  // Throw Failure `exchange`.
  double exchangeSeconds(uint32_t block, uint16_t rounds);
  double transportSeconds(uint32_t block, uint16_t rounds);

 private:
  void exchangeRound(uint16_t layer);
  void transportRound(const std::string& id, const std::string& before);

  const size_t others_;
  const Load load_;
  const std::vector<std::byte> body_;
  FrameExchange exchange_;
  const std::vector<std::string> bareStreams_;
  const size_t me_;
  Interrupt interrupt_;
  RedisConnection writer_, reader_;
};

}  // namespace conclave
