// Follows a constraint byte by byte, all ways at once. Stacks of callers are linked frames in an arena; a set of ways is
// a range of a vector, so that a walk of a trie goes back by cutting both. Nothing recurses, and whatever a grammar is,
// the number of ways, the depth of stacks and the work are bounded.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "constraint-tables.h"

namespace conclave {

/** One way to have come here: a state of a rule, the rule's count, and its callers. */
struct Way {
  uint32_t state, count;
  int32_t stack;  // index of a Frame, or noFrame

  static constexpr int32_t noFrame = -1;
};

/** A caller: where it goes on, and its count. */
struct Frame {
  uint32_t state, count;
  int32_t below;
  uint32_t depth;
  uint64_t hash;  // of all of the stack
};

class ConstraintWalk {
 public:
  explicit ConstraintWalk(const ConstraintTables& tables) : tables_(tables) {}

  /** Ways of the walk; a set of ways is a range of them. */
  std::vector<Way> ways;
  std::vector<Frame> frames;

  /** Forgets everything. `work`: ways that may be followed and compared until `exhausted`. */
  void reset(uint64_t work) {
    ways.clear();
    frames.clear();
    work_ = work;
  }
  bool exhausted() const { return work_ == 0; }
  uint64_t work() const { return work_; }
  void setWork(uint64_t work) { work_ = work; }

  /** Adds the ways on which `byte` follows those of [begin, end), closed. */
  void step(size_t begin, size_t end, uint8_t byte);

  /** Adds what the ways from `begin` on reach without a byte: rules that are entered, callers of rules that end. */
  void close(size_t begin);

  /** Arrives at `state`, whose rule is at `count` before. */
  Way arrive(uint32_t state, uint32_t count, int32_t stack) const;

  /** Where a way goes on whose rule has ended; it has a frame. */
  Way leave(const Way& way) const;

  /** Whether the way's rule may end here. */
  bool mayEnd(const Way& way) const {
    return tables_.accepts(way.state) && (!tables_.counts(way.state) || way.count >= tables_.ruleOf(way.state).least);
  }
  /** Whether the way's state may be left by edges and calls. */
  bool mayGoOn(const Way& way) const {
    return !tables_.counts(way.state) || way.count < tables_.ruleOf(way.state).most;
  }
  const ConstraintTables& tables() const { return tables_; }

 private:
  void add(size_t begin, const Way& way);
  bool sameStack(int32_t a, int32_t b) const;
  uint64_t hashOf(uint32_t to, const Way& caller) const;
  bool spend(uint64_t work = 1) {
    work_ -= std::min(work_, work);
    return work_ > 0;
  }

  const ConstraintTables& tables_;
  uint64_t work_ = 0;
};

}  // namespace conclave
