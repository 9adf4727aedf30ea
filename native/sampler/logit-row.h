// The logits of one row in blocks with the largest of each, so that later passes skip the blocks that cannot matter.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace conclave {

// Tokens per block: small enough to skip most of a real model's vocabulary, large enough to vectorise.
constexpr int32_t blockTokens = 256;

inline int32_t blockCount(int32_t vocab) { return (vocab + blockTokens - 1) / blockTokens; }

/** Floats as integers in the same order, and back; -0 is 0. */
inline int32_t orderOf(float value) {
  const int32_t bits = std::bit_cast<int32_t>(value);
  return bits >= 0 ? bits : std::numeric_limits<int32_t>::min() - bits;
}
inline float floatAt(int32_t order) {
  return std::bit_cast<float>(order >= 0 ? order : std::numeric_limits<int32_t>::min() - order);
}

class LogitRow {
 public:
  /** `logits` [vocab], no NaN but where firstNotFinite says so. `largest` [blocks] is overwritten. Both outlive this.
   */
  LogitRow(std::span<const float> logits, std::vector<float>& largest);

  int32_t vocab() const { return static_cast<int32_t>(logits_.size()); }
  int32_t blocks() const { return blockCount(vocab()); }
  float operator[](int32_t id) const { return logits_[static_cast<size_t>(id)]; }

  /** Logits of tokens [block * blockTokens, ...). */
  std::span<const float> block(int32_t block) const {
    const size_t first = static_cast<size_t>(block) * blockTokens;
    return logits_.subspan(first, std::min<size_t>(blockTokens, logits_.size() - first));
  }
  std::span<const float> largestOfBlocks() const { return largest_; }
  float largestOf(int32_t block) const { return largest_[static_cast<size_t>(block)]; }

  /** Id of the first NaN or infinity; nothing when all are finite. */
  std::optional<int32_t> firstNotFinite() const;
  /** The most likely token; ties go to the lower id. */
  int32_t best() const;

 private:
  std::span<const float> logits_;
  std::vector<float>& largest_;
  bool finite_ = true;
};

}  // namespace conclave
