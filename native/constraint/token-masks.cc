#include "token-masks.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "plain-text.h"

namespace conclave {
namespace {

// Of the states of a constraint those used last: 19 KiB each with 152k tokens.
constexpr size_t mostKnown = 256;

// How far runs of plain characters are looked for.
constexpr uint32_t longestRun = TokenVocabulary::longestPlain;

// Walks the trie's nodes [first, end), whose parents have led to the ways [begin, ways.size()) of `walk`. `visit` is
// called for each node that something leads to, with where its ways begin, and says whether to go on behind it.
template <typename Visit>
void walkTrie(ConstraintWalk& walk, const TokenTrie& trie, uint32_t first, uint32_t end, size_t begin,
              const Visit& visit) {
  struct Level {
    uint32_t end;
    size_t begin, ways, frames;
  };
  const size_t wayCount = walk.ways.size(), frameCount = walk.frames.size();
  std::vector<Level> levels = {{end, begin, wayCount, frameCount}};
  uint32_t node = first;
  while (!levels.empty()) {
    const Level level = levels.back();
    walk.ways.resize(level.ways);
    walk.frames.resize(level.frames);
    if (node >= level.end || walk.exhausted()) {
      levels.pop_back();
      continue;
    }
    const size_t reached = walk.ways.size();
    walk.step(level.begin, reached, trie[node].byte);
    const bool alive = walk.ways.size() > reached && visit(node, reached);
    if (alive && trie.hasChildren(node)) {
      levels.push_back({trie[node].subtreeEnd, reached, walk.ways.size(), walk.frames.size()});
      ++node;
    } else {
      node = trie[node].subtreeEnd;
    }
  }
  walk.ways.resize(wayCount);
  walk.frames.resize(frameCount);
}

// Walks a whole trie from one way. As long as bytes lead from one simple state to another, as inside texts, that is a
// look-up per node; from the first other state on it is walkTrie's.
template <typename Visit>
void walkStates(ConstraintWalk& walk, const TokenTrie& trie, const Way& start, const Visit& visit) {
  struct Level {
    uint32_t end, state;
  };
  const ConstraintTables& tables = walk.tables();
  if (!walk.mayGoOn(start)) return;
  std::vector<Level> levels = {{trie.size(), start.state}};
  uint32_t node = 0;
  while (!levels.empty() && !walk.exhausted()) {
    const Level level = levels.back();
    if (node >= level.end) {
      levels.pop_back();
      continue;
    }
    const uint32_t to = tables.next(level.state, trie[node].byte), behind = trie[node].subtreeEnd;
    if (to != ConstraintTables::none && tables.isSimple(to)) {
      visit(node, walk.ways.size());
      if (trie.hasChildren(node)) levels.push_back({behind, to});
      ++node;
      continue;
    }
    if (to != ConstraintTables::none) {
      walk.ways.push_back(walk.arrive(to, start.count, Way::noFrame));
      walk.close(0);
      visit(node, 0);
      if (trie.hasChildren(node)) walkTrie(walk, trie, node + 1, behind, 0, visit);
      walk.ways.clear();
      walk.frames.clear();
    }
    node = behind;
  }
}

void addAll(std::span<uint64_t> mask, const TokenSet& tokens) {
  for (size_t word = 0; word < mask.size(); ++word) mask[word] |= tokens[word];
}

void addAll(std::span<uint64_t> mask, std::span<const int32_t> tokens) {
  for (const int32_t id : tokens) addToken(mask, id);
}

}  // namespace

TokenMasks::TokenMasks(std::shared_ptr<const TokenVocabulary> vocabulary, ConstraintTables tables)
    : vocabulary_(std::move(vocabulary)), tables_(std::move(tables)) {}

TokenMasks::Key TokenMasks::keyOf(const Way& way) const {
  const auto& [start, least, most] = tables_.ruleOf(way.state);
  if (most == 0) return {way.state, 0, 0};
  const uint32_t far = vocabulary_->longest() + 1;
  const uint32_t left = std::min(most == ConstraintTables::none ? far : most - std::min(way.count, most), far);
  return {way.state, left, std::min(least - std::min(way.count, least), far)};
}

bool TokenMasks::addTokens(ConstraintWalk& walk, size_t begin, size_t end, std::span<uint64_t> mask) const {
  for (size_t at = begin; at < end; ++at) {
    const Way way = walk.ways[at];
    if (!walk.mayGoOn(way) || tables_.edges(way.state).empty()) continue;
    uint64_t work = walk.work();
    const std::shared_ptr<const StateTokens> tokens = tokensOf(way, work);
    if (tokens == nullptr) return false;
    walk.setWork(work);
    addAll(mask, tokens->inside);
    if (way.stack != Way::noFrame && !addBehind(walk, way, *tokens, mask)) return false;
  }
  return true;
}

// Tokens that end the way's rule and go on in its caller.
bool TokenMasks::addBehind(ConstraintWalk& walk, const Way& way, const StateTokens& tokens,
                           std::span<uint64_t> mask) const {
  if (tokens.leaving.empty() && !tokens.longerPlain) return true;
  const size_t begin = walk.ways.size(), frames = walk.frames.size();
  walk.ways.push_back(walk.leave(way));
  walk.close(begin);
  const TokenTrie& trie = tokens.slice->rest;
  for (const uint32_t node : tokens.leaving) {
    walkTrie(walk, trie, node + 1, trie[node].subtreeEnd, begin, [&](uint32_t reached, size_t) {
      addAll(mask, trie.tokensAt(reached));
      return true;
    });
  }
  const bool plain = tokens.longerPlain &&
                     std::any_of(walk.ways.begin() + static_cast<std::ptrdiff_t>(begin), walk.ways.end(),
                                 [&](const Way& each) { return takesPlain(tables_, each.state); });
  walk.ways.resize(begin);
  walk.frames.resize(frames);
  return !walk.exhausted() && (!plain || addAllOf(walk, way, mask));
}

// Every token that follows the way, whatever is known of its state.
bool TokenMasks::addAllOf(ConstraintWalk& walk, const Way& way, std::span<uint64_t> mask) const {
  const size_t begin = walk.ways.size();
  const TokenTrie& trie = vocabulary_->trie();
  walk.ways.push_back(way);
  walkTrie(walk, trie, 0, trie.size(), begin, [&](uint32_t reached, size_t) {
    addAll(mask, trie.tokensAt(reached));
    return true;
  });
  walk.ways.resize(begin);
  return !walk.exhausted();
}

std::shared_ptr<const TokenMasks::StateTokens> TokenMasks::tokensOf(const Way& way, uint64_t& work) const {
  const Key key = keyOf(way);
  {
    const std::shared_lock lock(mutex_);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
  }
  std::shared_ptr<const StateTokens> found = findTokens(way, key, work);
  if (found != nullptr) keep(key, found);
  return found;
}

void TokenMasks::keep(const Key& key, std::shared_ptr<const StateTokens> tokens) const {
  const std::unique_lock lock(mutex_);
  if (!known_.emplace(key, std::move(tokens)).second) return;
  order_.push_back(key);
  if (order_.size() <= mostKnown) return;
  known_.erase(order_.front());
  order_.pop_front();
}

std::shared_ptr<const TokenMasks::StateTokens> TokenMasks::findTokens(const Way& way, const Key& key,
                                                                      uint64_t& work) const {
  auto [run, ends] = plainRun(tables_, way.state, longestRun);
  if (tables_.ruleOf(way.state).most > 0 && key.left <= std::min(run, vocabulary_->longest())) {
    run = key.left;
    ends = true;
  }
  // Where a run ends for all characters, only tokens that leave the rule are longer: most callers take none of them.
  const bool cut = ends && run < longestRun;
  const TokenVocabulary::Slice& slice = cut ? vocabulary_->endlessSlice() : vocabulary_->sliceFor(run);
  const TokenSet& plain = cut ? vocabulary_->plainUpTo(run) : slice.plain;
  const auto tokens = std::make_shared<StateTokens>(StateTokens{&slice, plain, {}, cut});
  ConstraintWalk walk(tables_);
  walk.reset(work);
  const auto visit = [&](uint32_t node, size_t begin) {
    addAll(tokens->inside, slice.rest.tokensAt(node));
    const bool ruleEnds = std::any_of(walk.ways.begin() + static_cast<std::ptrdiff_t>(begin), walk.ways.end(),
                                      [&](const Way& each) { return each.stack == Way::noFrame && walk.mayEnd(each); });
    if (ruleEnds && slice.rest.hasChildren(node)) tokens->leaving.push_back(node);
    return true;
  };
  walkStates(walk, slice.rest, {way.state, way.count, Way::noFrame}, visit);
  work = walk.work();
  return walk.exhausted() ? nullptr : tokens;
}

}  // namespace conclave
