// How far one answer has come in its constraint. A value that follows from the tokens alone: a worker that takes over
// pushes them again.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "token-masks.h"

namespace conclave {

class ConstraintState {
 public:
  /** Tokens of `endTokens` end the answer, wherever the constraint lets it end. */
  ConstraintState(std::shared_ptr<const TokenMasks> masks, std::vector<int32_t> endTokens);

  /** Goes on by a token. False if it may not follow; then nothing may any more. */
  bool push(int32_t token);

  /** Writes which tokens may follow to `mask` [vocabulary().words()]. False when that would take too much work. */
  bool mask(std::span<uint64_t> mask) const;

  /** Whether the answer may end here. */
  bool mayEnd() const;

  /** Whether it must: nothing may follow but a token that ends it. */
  bool isOver() const;

  /**
   * Tokens that spell the bytes which must follow, up to `most`, by longest match: guesses, since a model may part the
   * same bytes differently. Where only white space is free, it guesses what the answer has done so far.
   */
  std::vector<int32_t> forced(size_t most) const;

  const TokenVocabulary& vocabulary() const { return masks_->vocabulary(); }

 private:
  // What has stood behind a character so far.
  struct Habits {
    uint8_t before = 0;       // the last byte
    bool spaced[2] = {true, true};  // one space behind colons, commas
    void note(uint8_t byte);
  };

  ConstraintWalk open() const;
  void take(const ConstraintWalk& walk, size_t begin);
  void followToken(ConstraintWalk& walk, size_t end, int32_t token) const;
  int forcedByte(const ConstraintWalk& walk, size_t begin, const Habits& habits) const;
  std::vector<uint8_t> forcedBytes() const;
  std::span<const uint8_t> textOf(int32_t token) const;
  void addControlTokens(std::span<uint64_t> mask, bool any) const;
  bool isEnd(int32_t token) const;

  std::shared_ptr<const TokenMasks> masks_;
  std::vector<int32_t> endTokens_;
  std::vector<Way> ways_;  // closed
  std::vector<Frame> frames_;
  Habits habits_;
  bool ended_ = false;
};

}  // namespace conclave
