#include "logit-row.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace conclave {
namespace {

constexpr int lanes = 16;
constexpr uint32_t exponentBits = 0x7f800000;

struct Scan {
  float largest;
  bool finite;
};

// Lanes leave the compiler something to vectorise; the largest does not depend on their order.
Scan scan(std::span<const float> x) {
  float largest[lanes];
  uint32_t bad[lanes] = {};
  std::fill_n(largest, lanes, -std::numeric_limits<float>::infinity());
  const size_t whole = x.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes) {
    for (int l = 0; l < lanes; ++l) {
      const float value = x[i + static_cast<size_t>(l)];
      largest[l] = value > largest[l] ? value : largest[l];
      bad[l] |= (std::bit_cast<uint32_t>(value) & exponentBits) == exponentBits ? 1u : 0u;
    }
  }
  for (size_t i = whole; i < x.size(); ++i) {
    largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    bad[0] |= std::isfinite(x[i]) ? 0u : 1u;
  }
  return {*std::max_element(largest, largest + lanes), std::count(bad, bad + lanes, 0u) == lanes};
}

}  // namespace

LogitRow::LogitRow(std::span<const float> logits, std::vector<float>& largest) : logits_(logits), largest_(largest) {
  largest_.resize(static_cast<size_t>(blocks()));
  for (int32_t b = 0; b < blocks(); ++b) {
    const Scan scanned = scan(block(b));
    largest_[static_cast<size_t>(b)] = scanned.largest;
    finite_ = finite_ && scanned.finite;
  }
}

std::optional<int32_t> LogitRow::firstNotFinite() const {
  if (finite_) return std::nullopt;
  const auto at = std::find_if(logits_.begin(), logits_.end(), [](float logit) { return !std::isfinite(logit); });
  return static_cast<int32_t>(at - logits_.begin());
}

int32_t LogitRow::best() const {
  const auto block = std::max_element(largest_.begin(), largest_.end());
  const auto first = logits_.begin() + (block - largest_.begin()) * blockTokens;
  return static_cast<int32_t>(std::find(first, logits_.end(), *block) - logits_.begin());
}

}  // namespace conclave
