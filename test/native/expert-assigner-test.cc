// The member assignment: the largest load is the smallest there is, and the answer is the same on every machine.
#include "../../native/exchange/expert-assigner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "../../native/core/failure.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

struct Placement {
  std::vector<std::vector<int32_t>> holders;  // [experts][...members]
  std::vector<double> speed;                  // [members]
};

Placement randomPlacement(Random& random, int32_t experts, int32_t members) {
  Placement placement;
  // Thirds: their reciprocals are not exact.
  for (int32_t m = 0; m < members; ++m) placement.speed.push_back(random.between(1, 9) / 3.0);
  for (int32_t e = 0; e < experts; ++e) {
    std::vector<int32_t> of;
    for (int32_t m = 0; m < members; ++m) {
      if (random.below(2) == 0) of.push_back(m);
    }
    if (of.empty()) of.push_back(random.below(members));
    placement.holders.push_back(of);
  }
  return placement;
}

std::vector<int32_t> randomRouting(Random& random, int32_t experts, int32_t slots) {
  std::vector<int32_t> routing;
  for (int32_t slot = 0; slot < slots; ++slot) routing.push_back(random.below(experts));
  return routing;
}

std::vector<int32_t> assigned(ExpertAssigner& assigner, const std::vector<int32_t>& experts) {
  std::vector<int32_t> members(experts.size(), -1);
  assigner.assign(experts, members);
  return members;
}

double largestTime(const std::vector<int32_t>& load, const std::vector<double>& speed) {
  double largest = 0;
  for (size_t m = 0; m < load.size(); ++m) largest = std::max(largest, load[m] * (1 / speed[m]));
  return largest;
}

// By trying every way to give the experts from `expert` on, a piece each, to their holders.
double smallestLargestTime(const Placement& placement, std::vector<int32_t>& load, size_t expert) {
  if (expert == placement.holders.size()) return largestTime(load, placement.speed);
  double smallest = std::numeric_limits<double>::infinity();
  for (const int32_t member : placement.holders[expert]) {
    ++load[static_cast<size_t>(member)];
    smallest = std::min(smallest, smallestLargestTime(placement, load, expert + 1));
    --load[static_cast<size_t>(member)];
  }
  return smallest;
}

FailureCode codeOf(ExpertAssigner& assigner, const std::vector<int32_t>& experts) {
  try {
    assigned(assigner, experts);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return FailureCode::internal;
}

}  // namespace

TEST("the largest load is as small as any assignment can make it") {
  Random random(21);
  for (int round = 0; round < 300; ++round) {
    const int32_t experts = random.between(1, 7), members = random.between(1, 5);
    const Placement placement = randomPlacement(random, experts, members);
    ExpertAssigner assigner(placement.holders, placement.speed);
    std::vector<int32_t> all(static_cast<size_t>(experts)), load(static_cast<size_t>(members), 0);
    std::iota(all.begin(), all.end(), 0);
    const double smallest = smallestLargestTime(placement, load, 0);
    for (const int32_t member : assigned(assigner, all)) ++load[static_cast<size_t>(member)];
    CHECK(largestTime(load, placement.speed) == smallest, "round " + std::to_string(round));
  }
}

TEST("an earlier expert moves on when a later one needs its member") {
  ExpertAssigner assigner({{0, 1}, {0}}, {1, 1});
  CHECK((assigned(assigner, {0, 1}) == std::vector<int32_t>{1, 0}), "members");
}

TEST("an expert is split over its holders above pieceRows") {
  ExpertAssigner assigner({{0, 1}}, {1, 1});
  const auto onFirst = [&](int32_t rows) {
    const std::vector<int32_t> members = assigned(assigner, std::vector<int32_t>(static_cast<size_t>(rows), 0));
    return std::count(members.begin(), members.end(), 0);
  };
  CHECK(onFirst(pieceRows) == pieceRows, "one piece");
  CHECK(onFirst(pieceRows + 1) == pieceRows / 2 + 1, "two pieces");
}

TEST("an assigner works on after it refused experts without a holder or that do not exist") {
  ExpertAssigner assigner({{0, 1}, {}, {0}}, {1, 1});
  for (const int32_t expert : {-1, 3}) CHECK(codeOf(assigner, {0, expert}) == FailureCode::invalidArgument, "exists");
  CHECK(codeOf(assigner, {0, 1, 2}) == FailureCode::unavailable, "is held");
  CHECK((assigned(assigner, {0, 2}) == std::vector<int32_t>{1, 0}), "members");
  ExpertAssigner empty({{}}, {});
  for (int call = 0; call < 2; ++call) CHECK(codeOf(empty, {0}) == FailureCode::unavailable, "there are no members");
}

// The members of a group run on different machines and do not tell each other: a change of the answers must raise
// PROTOCOL_VERSION (workers/cluster/admit-nodes.ts).
TEST("the answers are these on every machine") {
  Random random(22);
  uint64_t digest = 0xcbf29ce484222325;
  for (int round = 0; round < 200; ++round) {
    const int32_t experts = random.between(1, 32), members = random.between(1, 9);
    const Placement placement = randomPlacement(random, experts, members);
    ExpertAssigner assigner(placement.holders, placement.speed);
    for (int call = 0; call < 3; ++call) {
      for (const int32_t member : assigned(assigner, randomRouting(random, experts, random.between(1, 200)))) {
        digest = (digest ^ static_cast<uint64_t>(member)) * 0x100000001b3;
      }
    }
  }
  CHECK(digest == 5347747939670500685u, "digest " + std::to_string(digest));
}
