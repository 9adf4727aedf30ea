#include "philox.h"

namespace conclave {
namespace {

constexpr int rounds = 10;
constexpr uint64_t multipliers[] = {0xd2511f53, 0xcd9e8d57};
// The golden ratio and sqrt(3) - 1 as binary fractions: what is added to the key each round.
constexpr uint32_t keySteps[] = {0x9e3779b9, 0xbb67ae85};

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  auto [a, b, c, d] = counter;
  for (int round = 0; round < rounds; ++round) {
    const uint64_t product0 = multipliers[0] * a, product1 = multipliers[1] * c;
    a = static_cast<uint32_t>(product1 >> 32) ^ b ^ key[0];
    c = static_cast<uint32_t>(product0 >> 32) ^ d ^ key[1];
    b = static_cast<uint32_t>(product1);
    d = static_cast<uint32_t>(product0);
    key = {key[0] + keySteps[0], key[1] + keySteps[1]};
  }
  return {a, b, c, d};
}

double uniform(const RandomKey& key) {
  const auto words = philox4x32({key.position, key.choice, key.purpose, 0}, {key.seedLow, key.seedHigh});
  return ((words[0] >> 5) * 0x1p26 + (words[1] >> 6)) * 0x1p-53;
}

}  // namespace conclave
