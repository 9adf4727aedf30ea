#include "token-vocabulary.h"

#include <algorithm>

#include "../core/failure.h"
#include "plain-text.h"

namespace conclave {
namespace {

// Runs are rounded down to these: each has a trie of its own.
constexpr uint32_t sliceLengths[] = {0, 4, 10, TokenVocabulary::longestPlain, TokenVocabulary::endless};

}  // namespace

TokenVocabulary::TokenVocabulary(int32_t vocab, std::span<const uint8_t> bytes, std::span<const uint32_t> ends,
                                 std::span<const uint8_t> control)
    : vocab_(vocab), bytes_(bytes.begin(), bytes.end()), ends_(ends.begin(), ends.end()) {
  require(vocab >= 1 && ends.size() <= static_cast<size_t>(vocab) && control.size() == ends.size(),
          "a vocabulary must have an end and a kind for each of at most `vocab` tokens");
  require(std::is_sorted(ends.begin(), ends.end()) && (ends.empty() ? 0 : ends.back()) == bytes.size(),
          "a vocabulary's ends must go up to the number of its bytes");
  control_.resize(words());
  std::vector<int32_t> sorted;
  std::vector<uint32_t> plainLengths(ends.size());
  for (int32_t id = 0; id < static_cast<int32_t>(ends.size()); ++id) {
    if (bytesOf(id).empty()) continue;
    if (control[static_cast<size_t>(id)] != 0) {
      addToken(control_, id);
    } else {
      sorted.push_back(id);
      plainLengths[static_cast<size_t>(id)] = plainLength(bytesOf(id));
      longest_ = std::max(longest_, static_cast<uint32_t>(bytesOf(id).size()));
    }
  }
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    const auto left = bytesOf(a), right = bytesOf(b);
    const auto order = std::lexicographical_compare_three_way(left.begin(), left.end(), right.begin(), right.end());
    return order == 0 ? a < b : order < 0;
  });
  for (const uint32_t most : sliceLengths) addSlice(most, sorted, plainLengths);
  plainUpTo_.assign(longestPlain + 1, TokenSet(words()));
  for (const int32_t id : sorted) {
    const uint32_t length = plainLengths[static_cast<size_t>(id)];
    for (uint32_t most = length; length > 0 && most <= longestPlain; ++most) addToken(plainUpTo_[most], id);
  }
}

void TokenVocabulary::addSlice(uint32_t most, const std::vector<int32_t>& sorted,
                               const std::vector<uint32_t>& plainLengths) {
  Slice slice{most, TokenSet(words()), {}};
  std::vector<int32_t> rest;
  for (const int32_t id : sorted) {
    const uint32_t length = plainLengths[static_cast<size_t>(id)];
    if (length > 0 && length <= most) {
      addToken(slice.plain, id);
    } else {
      rest.push_back(id);
    }
  }
  slice.rest = TokenTrie::build(rest, [&](int32_t id) { return bytesOf(id); });
  slices_.push_back(std::move(slice));
}

const TokenVocabulary::Slice& TokenVocabulary::sliceFor(uint32_t most) const {
  size_t best = 0;
  for (size_t at = 1; at < slices_.size(); ++at) {
    if (slices_[at].most <= most) best = at;
  }
  return slices_[best];
}

std::span<const uint8_t> TokenVocabulary::bytesOf(int32_t id) const {
  const size_t at = static_cast<size_t>(id);
  if (at >= ends_.size()) return {};
  const size_t begin = at == 0 ? 0 : ends_[at - 1];
  return std::span<const uint8_t>(bytes_).subspan(begin, ends_[at] - begin);
}

}  // namespace conclave
