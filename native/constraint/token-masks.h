// Which tokens may follow a set of ways. What a way allows within its rule depends on its state alone, so that is found
// once per state by a walk of the vocabulary's trie and kept; only tokens that leave the rule are walked again, from where
// they leave it.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <shared_mutex>
#include <span>
#include <unordered_map>

#include "constraint-walk.h"
#include "token-vocabulary.h"

namespace conclave {

/** For one constraint and vocabulary; used by several threads. */
class TokenMasks {
 public:
  TokenMasks(std::shared_ptr<const TokenVocabulary> vocabulary, ConstraintTables tables);

  const TokenVocabulary& vocabulary() const { return *vocabulary_; }
  const ConstraintTables& tables() const { return tables_; }

  /**
   * Adds to `mask` [words] every token whose bytes may follow the walk's ways of [begin, end), which are closed; the walk
   * is left as it was. False when that would take too much work.
   */
  bool addTokens(ConstraintWalk& walk, size_t begin, size_t end, std::span<uint64_t> mask) const;

 private:
  // What tokens a state allows: those that stay in its rule or end with it, and the nodes of the trie of `slice` behind
  // which the rule has ended but tokens go on. `longerPlain`: plain tokens that leave the rule are not among these.
  struct StateTokens {
    const TokenVocabulary::Slice* slice;
    TokenSet inside;
    std::vector<uint32_t> leaving;
    bool longerPlain;
  };
  // A count matters only as far as a token reaches.
  struct Key {
    uint32_t state, left, missing;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return (size_t{key.state} * 0x9e3779b97f4a7c15u) ^ (size_t{key.left} << 32) ^ key.missing;
    }
  };

  std::shared_ptr<const StateTokens> tokensOf(const Way& way, uint64_t& work) const;
  std::shared_ptr<const StateTokens> findTokens(const Way& way, const Key& key, uint64_t& work) const;
  bool addAllOf(ConstraintWalk& walk, const Way& way, std::span<uint64_t> mask) const;
  bool addBehind(ConstraintWalk& walk, const Way& way, const StateTokens& tokens, std::span<uint64_t> mask) const;
  Key keyOf(const Way& way) const;
  void keep(const Key& key, std::shared_ptr<const StateTokens> tokens) const;

  const std::shared_ptr<const TokenVocabulary> vocabulary_;
  const ConstraintTables tables_;
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<Key, std::shared_ptr<const StateTokens>, KeyHash> known_;
  mutable std::list<Key> order_;  // oldest first
};

}  // namespace conclave
