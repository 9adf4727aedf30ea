#include "constraint-walk.h"

#include <algorithm>

namespace conclave {
namespace {

// Beyond these, ways are dropped: what is left still matches, a grammar that needs more is cut.
constexpr size_t mostWays = 256;
constexpr uint32_t deepest = 1'000;

}  // namespace

Way ConstraintWalk::arrive(uint32_t state, uint32_t count, int32_t stack) const {
  if (!tables_.counts(state)) return {state, count, stack};
  // Beyond `least`, a count without a limit tells nothing.
  const auto& [start, least, most] = tables_.ruleOf(state);
  return {state, std::min(count + 1, most == ConstraintTables::none ? least : most), stack};
}

Way ConstraintWalk::leave(const Way& way) const {
  const Frame& frame = frames[static_cast<size_t>(way.stack)];
  return arrive(frame.state, frame.count, frame.below);
}

void ConstraintWalk::step(size_t begin, size_t end, uint8_t byte) {
  const size_t first = ways.size();
  for (size_t at = begin; at < end; ++at) {
    const Way way = ways[at];
    if (!spend() || !mayGoOn(way)) continue;
    const uint32_t to = tables_.next(way.state, byte);
    if (to == ConstraintTables::none) continue;
    if (end - begin == 1 && tables_.isSimple(to)) {
      ways.push_back({to, way.count, way.stack});
      return;
    }
    add(first, arrive(to, way.count, way.stack));
  }
  close(first);
}

void ConstraintWalk::close(size_t begin) {
  for (size_t at = begin; at < ways.size(); ++at) {
    const Way way = ways[at];
    if (tables_.isSimple(way.state)) continue;
    if (exhausted()) return;
    if (way.stack != Way::noFrame && mayEnd(way)) add(begin, leave(way));
    if (!mayGoOn(way)) continue;
    const uint32_t depth = way.stack == Way::noFrame ? 0 : frames[static_cast<size_t>(way.stack)].depth;
    if (depth >= deepest) continue;
    for (const auto& [rule, to] : tables_.calls(way.state)) {
      if (!spend()) return;
      const Frame frame{to, way.count, way.stack, depth + 1, hashOf(to, way)};
      const bool known = !frames.empty() && frames.back().state == to && frames.back().count == way.count &&
                         frames.back().below == way.stack;
      if (!known) frames.push_back(frame);
      add(begin, {tables_.rule(rule).start, 0, static_cast<int32_t>(frames.size()) - 1});
    }
  }
}

void ConstraintWalk::add(size_t begin, const Way& way) {
  for (size_t at = begin; at < ways.size(); ++at) {
    const Way& known = ways[at];
    if (known.state != way.state || known.count != way.count || !sameStack(known.stack, way.stack)) continue;
    (void)spend(1 + (at - begin) / 4);
    return;
  }
  if (ways.size() - begin < mostWays && spend(1 + (ways.size() - begin) / 4)) ways.push_back(way);
}

// Stacks with the same hash are the same for all that it matters: a way that is taken for another one is dropped.
bool ConstraintWalk::sameStack(int32_t a, int32_t b) const {
  if (a == b) return true;
  if (a == Way::noFrame || b == Way::noFrame) return false;
  return frames[static_cast<size_t>(a)].hash == frames[static_cast<size_t>(b)].hash;
}

uint64_t ConstraintWalk::hashOf(uint32_t to, const Way& caller) const {
  constexpr uint64_t factor = 0x9e3779b97f4a7c15;
  const uint64_t below = caller.stack == Way::noFrame ? 0 : frames[static_cast<size_t>(caller.stack)].hash;
  uint64_t hash = (below ^ (uint64_t{to} << 32 | caller.count)) * factor;
  hash ^= hash >> 29;
  return (hash + 1) * factor;
}

}  // namespace conclave
