#include "constraint-state.h"

#include <algorithm>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// Ways followed and compared for one token or mask: a walk of a large vocabulary takes half a million.
constexpr uint64_t mostWork = 3'000'000;

// Longest text that is looked ahead for what is forced.
constexpr size_t mostForcedBytes = 128;

constexpr int noByte = -1;

bool isSpace(int byte) { return byte == ' ' || byte == '\n' || byte == '\t'; }

}  // namespace

ConstraintState::ConstraintState(std::shared_ptr<const TokenMasks> masks, std::vector<int32_t> endTokens)
    : masks_(std::move(masks)), endTokens_(std::move(endTokens)) {
  for (const int32_t id : endTokens_) require(id >= 0 && id < vocabulary().vocab(), "an end token is not in the vocabulary");
  ConstraintWalk walk(masks_->tables());
  walk.reset(mostWork);
  walk.ways.push_back({masks_->tables().start(), 0, Way::noFrame});
  walk.close(0);
  take(walk, 0);
}

ConstraintWalk ConstraintState::open() const {
  ConstraintWalk walk(masks_->tables());
  walk.reset(mostWork);
  walk.ways = ways_;
  walk.frames = frames_;
  return walk;
}

// Keeps the ways from `begin` on, and of the frames those that they need.
void ConstraintState::take(const ConstraintWalk& walk, size_t begin) {
  ways_.assign(walk.ways.begin() + static_cast<std::ptrdiff_t>(begin), walk.ways.end());
  std::vector<int32_t> places(walk.frames.size(), Way::noFrame);
  std::vector<bool> needed(walk.frames.size());
  for (const Way& way : ways_) {
    for (int32_t at = way.stack; at != Way::noFrame && !needed[static_cast<size_t>(at)];
         at = walk.frames[static_cast<size_t>(at)].below) {
      needed[static_cast<size_t>(at)] = true;
    }
  }
  std::vector<Frame> kept;
  for (size_t at = 0; at < walk.frames.size(); ++at) {
    if (!needed[at]) continue;
    Frame frame = walk.frames[at];
    // A caller's frame is older than those above it.
    if (frame.below != Way::noFrame) frame.below = places[static_cast<size_t>(frame.below)];
    places[at] = static_cast<int32_t>(kept.size());
    kept.push_back(frame);
  }
  for (Way& way : ways_) {
    if (way.stack != Way::noFrame) way.stack = places[static_cast<size_t>(way.stack)];
  }
  frames_ = std::move(kept);
}

bool ConstraintState::isEnd(int32_t token) const {
  return std::find(endTokens_.begin(), endTokens_.end(), token) != endTokens_.end();
}

bool ConstraintState::mayEnd() const {
  if (ended_) return false;
  const ConstraintWalk walk(masks_->tables());
  return std::any_of(ways_.begin(), ways_.end(),
                     [&](const Way& way) { return way.stack == Way::noFrame && walk.mayEnd(way); });
}

bool ConstraintState::isOver() const {
  const ConstraintWalk walk(masks_->tables());
  const auto goesOn = [&](const Way& way) {
    return walk.mayGoOn(way) && !(walk.tables().edges(way.state).empty() && walk.tables().tokens(way.state).empty());
  };
  return std::none_of(ways_.begin(), ways_.end(), goesOn);
}

// The ways behind `token` as a whole: by edges that name it, or by those for any control token.
void ConstraintState::followToken(ConstraintWalk& walk, size_t end, int32_t token) const {
  for (size_t at = 0; at < end; ++at) {
    const Way way = walk.ways[at];
    if (!walk.mayGoOn(way)) continue;
    const auto edges = walk.tables().tokens(way.state);
    const bool named = std::any_of(edges.begin(), edges.end(), [&](const auto& edge) { return edge.token == token; });
    const bool any = !named && vocabulary().isControl(token) && !isEnd(token);
    for (const auto& [id, to] : edges) {
      const bool follows = id == token || (any && id == ConstraintTables::anyControlToken);
      if (follows) walk.ways.push_back(walk.arrive(to, way.count, way.stack));
    }
  }
}

bool ConstraintState::push(int32_t token) {
  if (ended_ || token < 0 || token >= vocabulary().vocab()) return false;
  const bool ends = isEnd(token) && mayEnd();
  ConstraintWalk walk = open();
  const size_t end = walk.ways.size();
  size_t begin = 0, reached = end;
  for (const uint8_t byte : textOf(token)) {
    walk.step(begin, reached, byte);
    begin = reached;
    reached = walk.ways.size();
    habits_.note(byte);
  }
  if (begin == 0) begin = reached;
  followToken(walk, end, token);
  walk.close(reached);
  take(walk, begin);
  ended_ = ends && ways_.empty();
  return ended_ || !ways_.empty();
}

// The bytes that a token matches by.
std::span<const uint8_t> ConstraintState::textOf(int32_t token) const {
  if (vocabulary().isControl(token) || isEnd(token)) return {};
  return vocabulary().bytesOf(token);
}

bool ConstraintState::mask(std::span<uint64_t> mask) const {
  std::fill(mask.begin(), mask.end(), uint64_t{0});
  ConstraintWalk walk = open();
  const size_t end = walk.ways.size();
  if (!masks_->addTokens(walk, 0, end, mask)) return false;
  addControlTokens(mask, true);
  const bool ending = mayEnd();
  for (const int32_t id : endTokens_) {
    if (ending) {
      addToken(mask, id);
    } else {
      removeToken(mask, id);
    }
  }
  addControlTokens(mask, false);
  return true;
}

// Adds the control tokens that the ways' edges take: those that are named, or all where any may.
void ConstraintState::addControlTokens(std::span<uint64_t> mask, bool any) const {
  const ConstraintWalk walk(masks_->tables());
  for (const Way& way : ways_) {
    if (!walk.mayGoOn(way)) continue;
    for (const auto& [id, to] : masks_->tables().tokens(way.state)) {
      if (any != (id == ConstraintTables::anyControlToken)) continue;
      if (!any) addToken(mask, id);
      const TokenSet& control = vocabulary().controlTokens();
      for (size_t word = 0; any && word < mask.size(); ++word) mask[word] |= control[word];
    }
  }
}

void ConstraintState::Habits::note(uint8_t byte) {
  if (before == ':') spaced[0] = byte == ' ';
  if (before == ',' && byte != '\n') spaced[1] = byte == ' ';
  before = byte;
}

// The only byte that may follow, or the one that is guessed where there is a choice of white space; noByte otherwise.
int ConstraintState::forcedByte(const ConstraintWalk& walk, size_t begin, const Habits& habits) const {
  int byte = noByte;
  bool space = false;
  for (size_t at = begin; at < walk.ways.size(); ++at) {
    const Way& way = walk.ways[at];
    const bool ends = way.stack == Way::noFrame && walk.mayEnd(way);
    if (ends || !walk.tables().tokens(way.state).empty()) return noByte;
    if (!walk.mayGoOn(way)) continue;
    for (const auto& [first, last, to] : walk.tables().edges(way.state)) {
      if (isSpace(first) && first == last) {
        space = true;
        continue;
      }
      if (first != last || (byte != noByte && byte != first)) return noByte;
      byte = first;
    }
  }
  const bool spaced = (habits.before == ':' && habits.spaced[0]) || (habits.before == ',' && habits.spaced[1]);
  return space && (spaced || byte == noByte) ? ' ' : byte;
}

std::vector<uint8_t> ConstraintState::forcedBytes() const {
  std::vector<uint8_t> bytes;
  ConstraintWalk walk = open();
  Habits habits = habits_;
  size_t begin = 0;
  while (bytes.size() < mostForcedBytes) {
    const int byte = forcedByte(walk, begin, habits);
    if (byte == noByte) break;
    const size_t end = walk.ways.size();
    walk.step(begin, end, static_cast<uint8_t>(byte));
    if (walk.ways.size() == end) break;
    begin = end;
    bytes.push_back(static_cast<uint8_t>(byte));
    habits.note(static_cast<uint8_t>(byte));
  }
  return bytes;
}

std::vector<int32_t> ConstraintState::forced(size_t most) const {
  std::vector<int32_t> tokens;
  if (ended_) return tokens;
  const std::vector<uint8_t> bytes = forcedBytes();
  const TokenTrie& trie = vocabulary().trie();
  for (size_t at = 0; at < bytes.size() && tokens.size() < most;) {
    int32_t best = -1;
    size_t length = 0;
    uint32_t node = 0, end = trie.size();
    for (size_t depth = at; depth < bytes.size(); ++depth) {
      while (node < end && trie[node].byte != bytes[depth]) node = trie[node].subtreeEnd;
      if (node >= end) break;
      const auto here = trie.tokensAt(node);
      if (!here.empty() && !isEnd(here.front())) {
        best = here.front();
        length = depth + 1 - at;
      }
      end = trie[node].subtreeEnd;
      ++node;
    }
    if (best < 0) break;
    tokens.push_back(best);
    at += length;
  }
  return tokens;
}

}  // namespace conclave
