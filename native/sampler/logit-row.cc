#include "logit-row.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace conclave {
namespace {

constexpr uint32_t exponentBits = 0x7f800000;

struct Scan {
  float largest;
  bool finite;
};

// On integers in the order of floats, whose largest the compiler finds in vectors: it may not reorder those of floats.
Scan scan(std::span<const float> x) {
  int32_t largest = std::numeric_limits<int32_t>::min();
  uint32_t infinite = 0;
  for (const float value : x) {
    largest = std::max(largest, orderOf(value));
    infinite |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & exponentBits) == exponentBits);
  }
  return {floatAt(largest), infinite == 0};
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
