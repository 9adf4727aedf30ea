// The tokens of a model as constraints see them: their bytes in tries, and sets of tokens that stay inside any text.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "token-trie.h"

namespace conclave {

/** A set of tokens, one bit each: [ceil(vocab / 64)]. */
using TokenSet = std::vector<uint64_t>;

inline size_t tokenSetWords(int32_t vocab) { return (static_cast<size_t>(vocab) + 63) / 64; }
inline void addToken(std::span<uint64_t> set, int32_t id) { set[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }
inline void removeToken(std::span<uint64_t> set, int32_t id) {
  set[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
}
inline bool hasToken(std::span<const uint64_t> set, int32_t id) {
  return (set[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
}

class TokenVocabulary {
 public:
  /** Without a limit, for runs. */
  static constexpr uint32_t endless = 0xffffffff;

  /**
   * Tokens of up to `most` characters, all of them plain: whole characters of UTF-8 that a JSON string holds as they are.
   * `rest` has all other tokens with bytes.
   */
  struct Slice {
    uint32_t most;
    TokenSet plain;
    TokenTrie rest;
  };

  /**
   * `bytes` of all tokens behind each other, that of token i up to ends[i]. Tokens with a `control` of 1 match no bytes.
   * Throws Failure invalidArgument for sizes that do not fit.
   */
  TokenVocabulary(int32_t vocab, std::span<const uint8_t> bytes, std::span<const uint32_t> ends,
                  std::span<const uint8_t> control);

  int32_t vocab() const { return vocab_; }
  size_t words() const { return tokenSetWords(vocab_); }
  uint32_t longest() const { return longest_; }
  /** Every token with bytes. */
  const TokenTrie& trie() const { return slices_.front().rest; }
  /** Plain tokens of 1 to `most` characters, and the trie of all that are not plain. `most` is at most longestPlain. */
  Slice const& endlessSlice() const { return slices_.back(); }
  const TokenSet& plainUpTo(uint32_t most) const { return plainUpTo_[most]; }
  static constexpr uint32_t longestPlain = 32;
  /** The slice with the longest plain tokens that a run of `most` plain characters holds. */
  const Slice& sliceFor(uint32_t most) const;
  const TokenSet& controlTokens() const { return control_; }
  bool isControl(int32_t id) const { return hasToken(control_, id); }
  /** None for a token without bytes, or outside the tokenizer's vocabulary. */
  std::span<const uint8_t> bytesOf(int32_t id) const;

 private:
  void addSlice(uint32_t most, const std::vector<int32_t>& sorted, const std::vector<uint32_t>& plainLengths);

  int32_t vocab_;
  uint32_t longest_ = 1;
  std::vector<uint8_t> bytes_;
  std::vector<uint32_t> ends_;
  TokenSet control_;
  std::vector<Slice> slices_;  // by `most`, from 0 to endless
  std::vector<TokenSet> plainUpTo_;  // [longestPlain + 1]
};

}  // namespace conclave
