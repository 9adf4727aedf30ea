// What an answer must match: a pushdown automaton over bytes (infra/messages/constraint.ts), checked, in a form to be
// followed.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace conclave {

/** Constraint of infra/messages/constraint.ts; `controlTokens` are token ids here. Checked against nothing yet. */
struct ConstraintInput {
  std::span<const int32_t> flags;  // [states]
  std::span<const double> rules;   // [rules, 3]: start, least, most
  std::span<const int32_t> edges;  // [edges, 4]: from, first byte, last byte, to
  std::span<const int32_t> calls;  // [calls, 3]: from, rule, to
  std::span<const int32_t> tokens;  // [edges, 3]: from, index into controlTokens or -1, to
  std::span<const int32_t> controlTokens;
};

class ConstraintTables {
 public:
  struct Rule {
    uint32_t start, least, most;
  };
  struct Call {
    uint32_t rule, to;
  };
  struct TokenEdge {
    int32_t token;  // anyControlToken for each that no edge of the state names
    uint32_t to;
  };
  static constexpr int32_t anyControlToken = -1;
  static constexpr uint32_t none = 0xffffffff;

  /** Throws Failure invalidArgument for numbers that refer to nothing, and for sizes beyond those of the gateway. */
  ConstraintTables(const ConstraintInput& input, int32_t vocab);

  uint32_t states() const { return static_cast<uint32_t>(flags_.size()); }
  uint32_t start() const { return rules_.front().start; }
  const Rule& ruleOf(uint32_t state) const { return rules_[ruleOfState_[state]]; }
  const Rule& rule(uint32_t rule) const { return rules_[rule]; }
  bool accepts(uint32_t state) const { return (flags_[state] & acceptsFlag) != 0; }
  bool counts(uint32_t state) const { return (flags_[state] & countsFlag) != 0; }
  /** No calls, no end of a rule and no count: what a byte leads to is one state or nothing. */
  bool isSimple(uint32_t state) const { return (flags_[state] & ~tokensFlag) == 0; }

  /** Where a byte leads; `none` if nowhere. */
  uint32_t next(uint32_t state, uint8_t byte) const {
    const uint32_t row = wideRow_[state];
    if (row != none) return wide_[size_t{row} * 256 + byte];
    for (uint32_t at = edgeBegin_[state], end = edgeBegin_[state + 1]; at < end; ++at) {
      if (byte >= edges_[at].first && byte <= edges_[at].last) return edges_[at].to;
    }
    return none;
  }

  struct Edge {
    uint8_t first, last;
    uint32_t to;
  };
  std::span<const Edge> edges(uint32_t state) const { return slice(edges_, edgeBegin_, state); }
  std::span<const Call> calls(uint32_t state) const { return slice(calls_, callBegin_, state); }
  std::span<const TokenEdge> tokens(uint32_t state) const { return slice(tokens_, tokenBegin_, state); }

 private:
  static constexpr uint8_t acceptsFlag = 1, countsFlag = 2, callsFlag = 4, tokensFlag = 8;

  template <typename T>
  static std::span<const T> slice(const std::vector<T>& all, const std::vector<uint32_t>& begin, uint32_t state) {
    return std::span<const T>(all).subspan(begin[state], begin[state + 1] - begin[state]);
  }
  void readRules(const ConstraintInput& input);
  void readEdges(std::span<const int32_t> edges);
  void readCalls(std::span<const int32_t> calls);
  void readTokens(const ConstraintInput& input, int32_t vocab);
  void findRules();
  void widen();
  uint32_t stateOf(double number) const;

  std::vector<uint8_t> flags_;
  std::vector<Rule> rules_;
  std::vector<uint32_t> ruleOfState_;
  std::vector<Edge> edges_;
  std::vector<Call> calls_;
  std::vector<TokenEdge> tokens_;
  std::vector<uint32_t> edgeBegin_, callBegin_, tokenBegin_;  // [states + 1]
  std::vector<uint32_t> wideRow_;                             // [states]: row of `wide_`, or none
  std::vector<uint32_t> wide_;                                // [rows, 256]
};

}  // namespace conclave
