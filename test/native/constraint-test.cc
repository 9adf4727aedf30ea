// Constraints from anywhere: whatever tables say, they are refused or followed within bounds. Masks themselves are held
// against a plain walk in test/unit/native/token-constraint.test.ts.
#include "../../native/constraint/constraint-state.h"

#include <algorithm>
#include <string>

#include "../../native/core/failure.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

constexpr int32_t endToken = 300;
constexpr int32_t vocab = endToken + 1;

// All bytes, and words of a few letters.
std::shared_ptr<const TokenVocabulary> smallVocabulary() {
  std::vector<uint8_t> bytes, control(static_cast<size_t>(vocab));
  std::vector<uint32_t> ends;
  for (int32_t id = 0; id < vocab; ++id) {
    const std::string word = id < 256 ? std::string(1, static_cast<char>(id)) : "a\"b{" + std::to_string(id % 7);
    bytes.insert(bytes.end(), word.begin(), word.end());
    ends.push_back(static_cast<uint32_t>(bytes.size()));
  }
  control.back() = 1;
  return std::make_shared<TokenVocabulary>(vocab, bytes, ends, control);
}

struct Tables {
  std::vector<int32_t> flags, edges, calls, tokens, named;
  std::vector<double> rules;

  ConstraintInput input() const { return {flags, rules, edges, calls, tokens, named}; }
};

// Numbers that mostly fit: rules that call each other from anywhere, loops without a byte among them.
Tables randomTables(Random& random) {
  Tables tables;
  const int32_t rules = random.between(1, 4), perRule = random.between(1, 4), states = rules * perRule;
  const auto stateOf = [&](int32_t rule) { return rule * perRule + random.below(perRule); };
  for (int32_t rule = 0; rule < rules; ++rule) {
    const double most = random.of<double>({0, 0, 3, 4294967295.0});
    tables.rules.insert(tables.rules.end(),
                        {static_cast<double>(stateOf(rule)), most > 0 ? random.of<double>({0, 2}) : 0, most});
    for (int32_t state = rule * perRule; state < (rule + 1) * perRule; ++state) {
      tables.flags.push_back(random.below(2) + (most > 0 ? 2 * random.below(2) : 0));
      int32_t first = random.below(100);
      for (int32_t edge = random.below(5); edge > 0 && first < 256; --edge) {
        const int32_t last = std::min(255, first + random.below(90));
        tables.edges.insert(tables.edges.end(), {state, first, last, stateOf(rule)});
        first = last + 1;
      }
      for (int32_t call = random.below(3); call > 0; --call) {
        tables.calls.insert(tables.calls.end(), {state, random.below(rules), stateOf(rule)});
      }
      if (random.below(4) == 0)
        tables.tokens.insert(tables.tokens.end(), {state, random.between(-1, 0), stateOf(rule)});
    }
  }
  tables.named = {random.below(vocab)};
  if (random.below(3) == 0) {
    std::vector<int32_t>& broken =
        *random.of<std::vector<int32_t>*>({&tables.flags, &tables.edges, &tables.calls, &tables.tokens});
    if (!broken.empty())
      broken[static_cast<size_t>(random.below(static_cast<int32_t>(broken.size())))] = random.between(-3, states + 300);
    if (random.below(3) == 0) broken.push_back(random.below(9));
  }
  return tables;
}

// Goes on by tokens that the mask allows; each must be accepted.
void follow(ConstraintState& state, Random& random) {
  std::vector<uint64_t> mask(state.vocabulary().words());
  for (int32_t step = 0; step < 4 && state.mask(mask); ++step) {
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < vocab; ++id) {
      if (hasToken(mask, id)) allowed.push_back(id);
    }
    (void)state.forced(8);
    if (allowed.empty()) return;
    const int32_t id = random.of(allowed);
    CHECK(state.push(id), "a token that the mask allows is accepted");
    if (id == endToken) return;
  }
}

}  // namespace

TEST("constraints of any tables are refused or followed") {
  const std::shared_ptr<const TokenVocabulary> vocabulary = smallVocabulary();
  Random random(173);
  int32_t followed = 0;
  for (int32_t round = 0; round < 40; ++round) {
    const Tables tables = randomTables(random);
    try {
      const auto masks = std::make_shared<TokenMasks>(vocabulary, ConstraintTables(tables.input(), vocab));
      ConstraintState state(masks, {endToken});
      follow(state, random);
      ++followed;
    } catch (const Failure& failure) {
      CHECK(failure.code == FailureCode::invalidArgument, failure.what());
    }
  }
  CHECK(followed > 10, "most tables are followed");
}

TEST("a rule that only calls itself ends in a bounded stack") {
  Tables tables;
  tables.flags = {0, 1};
  tables.rules = {0, 0, 0};
  tables.calls = {0, 0, 1};
  const auto masks = std::make_shared<TokenMasks>(smallVocabulary(), ConstraintTables(tables.input(), vocab));
  const ConstraintState state(masks, {endToken});
  std::vector<uint64_t> mask(state.vocabulary().words());
  CHECK(state.mask(mask) && !state.mayEnd(), "nothing may follow");
  CHECK(std::all_of(mask.begin(), mask.end(), [](uint64_t word) { return word == 0; }), "no token is allowed");
}
