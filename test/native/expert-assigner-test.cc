// The member assignment: the largest load is the smallest there is, and the answer is the same on every machine.
#include "../../native/exchange/expert-assigner.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

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

std::vector<int32_t> assigned(ExpertAssigner& assigner, const std::vector<int32_t>& experts, int32_t layer = 0) {
  std::vector<int32_t> members(experts.size(), -1);
  assigner.assign(layer, experts, members);
  return members;
}

double largestTime(const std::vector<int32_t>& load, const std::vector<double>& speed) {
  double largest = 0;
  for (size_t m = 0; m < load.size(); ++m) largest = std::max(largest, load[m] * (speed[0] / speed[m]));
  return largest;
}

// By trying every way to give the pieces from `piece` on to holders of their experts. pieces: the expert of each.
double smallestLargestTime(const Placement& placement, const std::vector<int32_t>& pieces, std::vector<int32_t>& load,
                           size_t piece) {
  if (piece == pieces.size()) return largestTime(load, placement.speed);
  double smallest = std::numeric_limits<double>::infinity();
  for (const int32_t member : placement.holders[static_cast<size_t>(pieces[piece])]) {
    ++load[static_cast<size_t>(member)];
    smallest = std::min(smallest, smallestLargestTime(placement, pieces, load, piece + 1));
    --load[static_cast<size_t>(member)];
  }
  return smallest;
}

// Pieces that each member computes: its experts, those with many rows more than once.
std::vector<int32_t> loadsOf(const std::vector<int32_t>& routing, const std::vector<int32_t>& members, int32_t count) {
  std::map<std::pair<int32_t, int32_t>, int32_t> rows;
  for (size_t slot = 0; slot < routing.size(); ++slot) ++rows[{members[slot], routing[slot]}];
  std::vector<int32_t> load(static_cast<size_t>(count), 0);
  for (const auto& [pair, own] : rows) load[static_cast<size_t>(pair.first)] += (own - 1) / pieceRows + 1;
  return load;
}

FailureCode codeOf(ExpertAssigner& assigner, const std::vector<int32_t>& experts, int32_t layer = 0) {
  try {
    assigned(assigner, experts, layer);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return FailureCode::internal;
}

}  // namespace

TEST("the largest load is as small as any assignment can make it") {
  Random random(21);
  for (int round = 0; round < 1000; ++round) {
    const int32_t experts = random.between(1, 7), members = random.between(1, 5);
    const Placement placement = randomPlacement(random, experts, members);
    ExpertAssigner assigner(placement.holders, placement.speed, 1);
    std::vector<int32_t> routing, pieces, none(static_cast<size_t>(members), 0);
    for (int32_t expert = 0; expert < experts; ++expert) {
      // Whole pieces: what a member computes is then never more than it was given.
      const int32_t count = pieces.size() < 8 ? random.below(3) : 0;
      pieces.insert(pieces.end(), static_cast<size_t>(count), expert);
      routing.insert(routing.end(), static_cast<size_t>(count * pieceRows), expert);
    }
    const double smallest = smallestLargestTime(placement, pieces, none, 0);
    const std::vector<int32_t> load = loadsOf(routing, assigned(assigner, routing), members);
    CHECK(largestTime(load, placement.speed) == smallest, "round " + std::to_string(round));
  }
}

TEST("every layer has its own replicas") {
  ExpertAssigner assigner({{0}, {1}, {1}, {0}}, {1, 1}, 2);
  CHECK((assigned(assigner, {0, 1}, 0) == std::vector<int32_t>{0, 1}), "the first layer");
  CHECK((assigned(assigner, {0, 1}, 1) == std::vector<int32_t>{1, 0}), "the second layer");
  for (const int32_t layer : {-1, 2}) CHECK(codeOf(assigner, {0}, layer) == FailureCode::invalidArgument, "no layer");
}

TEST("an earlier expert moves on when a later one needs its member") {
  ExpertAssigner assigner({{0, 1}, {0}}, {1, 1}, 1);
  CHECK((assigned(assigner, {0, 1}) == std::vector<int32_t>{1, 0}), "members");
}

TEST("an expert is split over its holders above pieceRows") {
  ExpertAssigner assigner({{0, 1}}, {1, 1}, 1);
  const auto onFirst = [&](int32_t rows) {
    const std::vector<int32_t> members = assigned(assigner, std::vector<int32_t>(static_cast<size_t>(rows), 0));
    return std::count(members.begin(), members.end(), 0);
  };
  CHECK(onFirst(pieceRows) == pieceRows, "one piece");
  CHECK(onFirst(pieceRows + 1) == pieceRows / 2 + 1, "two pieces");
}

TEST("an assigner works on after it refused experts without a holder or that do not exist") {
  ExpertAssigner assigner({{0, 1}, {}, {0}}, {1, 1}, 1);
  for (const int32_t expert : {-1, 3}) CHECK(codeOf(assigner, {0, expert}) == FailureCode::invalidArgument, "exists");
  CHECK(codeOf(assigner, {0, 1, 2}) == FailureCode::unavailable, "is held");
  CHECK((assigned(assigner, {0, 2}) == std::vector<int32_t>{1, 0}), "members");
  ExpertAssigner empty({{}}, {}, 1);
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
    ExpertAssigner assigner(placement.holders, placement.speed, 1);
    for (int call = 0; call < 3; ++call) {
      for (const int32_t member : assigned(assigner, randomRouting(random, experts, random.between(1, 200)))) {
        digest = (digest ^ static_cast<uint64_t>(member)) * 0x100000001b3;
      }
    }
  }
  CHECK(digest == 801221232058666451u, "digest " + std::to_string(digest));
}
