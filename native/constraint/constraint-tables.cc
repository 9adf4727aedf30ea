#include "constraint-tables.h"

#include <cmath>

#include "../core/failure.h"

namespace conclave {
namespace {

// As the gateway has them (infra/messages/constraint.ts).
constexpr size_t mostStates = 60'000, mostEdges = 200'000;

// A state with more edges than this gets a row for all bytes, as long as there is room.
constexpr size_t fewEdges = 3, mostWideRows = 4'096;

// Where each state's entries begin; they must come in the order of states.
template <typename Of>
std::vector<uint32_t> beginsOf(size_t states, size_t entries, const Of& of) {
  std::vector<uint32_t> begins(states + 1, static_cast<uint32_t>(entries));
  size_t state = 0;
  for (size_t at = 0; at < entries; ++at) {
    const size_t from = of(at);
    require(from >= (state == 0 ? 0 : state - 1), "a constraint's entries must be in the order of their states");
    while (state <= from) begins[state++] = static_cast<uint32_t>(at);
  }
  return begins;
}

}  // namespace

ConstraintTables::ConstraintTables(const ConstraintInput& input, int32_t vocab) {
  require(!input.flags.empty() && input.flags.size() <= mostStates, "a constraint must have 1 to 60000 states");
  require(input.edges.size() % 4 == 0 && input.calls.size() % 3 == 0 && input.tokens.size() % 3 == 0,
          "a constraint's lists have the wrong length");
  require(input.edges.size() / 4 + input.calls.size() / 3 + input.tokens.size() / 3 <= mostEdges,
          "a constraint has too many edges");
  for (const int32_t flags : input.flags) {
    require(flags >= 0 && flags <= 3, "a constraint's flags must be 0 to 3");
    flags_.push_back(static_cast<uint8_t>(flags));
  }
  readRules(input);
  readEdges(input.edges);
  readCalls(input.calls);
  readTokens(input, vocab);
  findRules();
  widen();
}

uint32_t ConstraintTables::stateOf(double number) const {
  require(number >= 0 && number < static_cast<double>(flags_.size()), "a constraint has no such state");
  return static_cast<uint32_t>(number);
}

void ConstraintTables::readRules(const ConstraintInput& input) {
  require(!input.rules.empty() && input.rules.size() % 3 == 0 && input.rules.size() / 3 <= flags_.size(),
          "a constraint must have rules, and no more than states");
  const auto whole = [](double number) {
    require(number >= 0 && number <= 4294967295.0 && std::trunc(number) == number, "a rule's numbers are out of range");
    return static_cast<uint32_t>(number);
  };
  for (size_t at = 0; at < input.rules.size(); at += 3) {
    rules_.push_back({stateOf(input.rules[at]), whole(input.rules[at + 1]), whole(input.rules[at + 2])});
  }
}

void ConstraintTables::readEdges(std::span<const int32_t> edges) {
  edgeBegin_ = beginsOf(flags_.size(), edges.size() / 4, [&](size_t at) { return stateOf(edges[4 * at]); });
  for (size_t at = 0; at < edges.size(); at += 4) {
    const int32_t first = edges[at + 1], last = edges[at + 2];
    require(first >= 0 && first <= last && last <= 255, "a constraint's edges must be of bytes");
    const bool follows = at > 0 && edges[at - 4] == edges[at];
    require(!follows || edges[at - 2] < first, "a state's edges must be in the order of their bytes");
    edges_.push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(last), stateOf(edges[at + 3])});
  }
}

void ConstraintTables::readCalls(std::span<const int32_t> calls) {
  callBegin_ = beginsOf(flags_.size(), calls.size() / 3, [&](size_t at) { return stateOf(calls[3 * at]); });
  for (size_t at = 0; at < calls.size(); at += 3) {
    const int32_t rule = calls[at + 1];
    require(rule >= 0 && static_cast<size_t>(rule) < rules_.size(), "a constraint has no such rule");
    flags_[stateOf(calls[at])] |= callsFlag;
    calls_.push_back({static_cast<uint32_t>(rule), stateOf(calls[at + 2])});
  }
}

void ConstraintTables::readTokens(const ConstraintInput& input, int32_t vocab) {
  const std::span<const int32_t> tokens = input.tokens;
  tokenBegin_ = beginsOf(flags_.size(), tokens.size() / 3, [&](size_t at) { return stateOf(tokens[3 * at]); });
  for (const int32_t id : input.controlTokens) require(id >= 0 && id < vocab, "a control token is not in the vocabulary");
  for (size_t at = 0; at < tokens.size(); at += 3) {
    const int32_t index = tokens[at + 1];
    require(index >= anyControlToken && index < static_cast<int64_t>(input.controlTokens.size()),
            "a constraint has no such control token");
    const int32_t id = index == anyControlToken ? anyControlToken : input.controlTokens[static_cast<size_t>(index)];
    flags_[stateOf(tokens[at])] |= tokensFlag;
    tokens_.push_back({id, stateOf(tokens[at + 2])});
  }
}

// The rule of each state is that from whose start it is reached; a state of two rules would mix their counts.
void ConstraintTables::findRules() {
  ruleOfState_.assign(flags_.size(), none);
  std::vector<uint32_t> waiting;
  for (uint32_t rule = 0; rule < rules_.size(); ++rule) {
    const auto reach = [&](uint32_t state) {
      if (ruleOfState_[state] == none) {
        ruleOfState_[state] = rule;
        waiting.push_back(state);
      }
      require(ruleOfState_[state] == rule, "a state belongs to two rules");
    };
    reach(rules_[rule].start);
    while (!waiting.empty()) {
      const uint32_t state = waiting.back();
      waiting.pop_back();
      for (const Edge& edge : edges(state)) reach(edge.to);
      for (const Call& call : calls(state)) reach(call.to);
      for (const TokenEdge& edge : tokens(state)) reach(edge.to);
    }
  }
  for (uint32_t& rule : ruleOfState_) {
    if (rule == none) rule = 0;
  }
  for (uint32_t state = 0; state < flags_.size(); ++state) {
    require(!counts(state) || ruleOf(state).most > 0, "a state counts in a rule that does not");
  }
}

void ConstraintTables::widen() {
  wideRow_.assign(flags_.size(), none);
  for (uint32_t state = 0; state < flags_.size() && wide_.size() < mostWideRows * 256; ++state) {
    if (edges(state).size() <= fewEdges) continue;
    wideRow_[state] = static_cast<uint32_t>(wide_.size() / 256);
    wide_.resize(wide_.size() + 256, none);
    for (const auto& [first, last, to] : edges(state)) {
      for (int byte = first; byte <= last; ++byte) wide_[size_t{wideRow_[state]} * 256 + static_cast<size_t>(byte)] = to;
    }
  }
}

}  // namespace conclave
