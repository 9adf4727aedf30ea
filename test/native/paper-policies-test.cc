// The policies of arXiv 2506.23635, for benches: who computes what, and what besides.
#include "../../native/bench/paper-policies.h"

#include <algorithm>

#include "../../native/core/failure.h"
#include "check.h"

using namespace conclave;
using namespace conclave::test;
using Experts = std::vector<int32_t>;

namespace {

// Experts [0, half) on the first half of the members, the rest on the rest.
Holders groupsOf(int32_t experts, int32_t members) {
  Holders holders;
  for (int32_t expert = 0; expert < experts; ++expert) {
    Experts& of = holders.emplace_back();
    const bool first = expert < experts / 2;
    for (int32_t member = first ? 0 : members / 2; member < (first ? members / 2 : members); ++member)
      of.push_back(member);
  }
  return holders;
}

Experts assigned(LoadPolicy& policy, const Experts& experts, int32_t layer = 0) {
  Experts members(experts.size());
  policy.assign(layer, experts, members);
  return members;
}

Experts extraOf(const LoadPolicy& policy, int32_t member) {
  const auto extra = policy.extraExperts(member);
  return {extra.begin(), extra.end()};
}

}  // namespace

TEST("the experts of a group are dealt to its members in turn, restarting with every row") {
  DealtExperts policy(groupsOf(16, 4), {4, 4, 1});
  CHECK((assigned(policy, {0, 1, 2, 8, 3, 9, 10, 11}) == Experts{0, 1, 0, 2, 0, 2, 3, 2}), "members");
  CHECK(extraOf(policy, 0).empty(), "nothing besides");
}

TEST("busy full: with its slots each member computes all that it holds") {
  BusyFull policy(groupsOf(8, 2), {2, 2, 1});
  CHECK((assigned(policy, {1, 6}) == Experts{0, 1}), "members");
  CHECK((extraOf(policy, 0) == Experts{0, 2, 3} && extraOf(policy, 1) == Experts{4, 5, 7}), "besides");
}

TEST("every member is as busy as the busiest, with what it computed longest ago, layer by layer") {
  LeastRecentlyUsed policy(groupsOf(8, 2), {2, 2, 2});
  const auto besides = [&](int32_t layer, const Experts& experts) {
    assigned(policy, experts, layer);
    return std::pair(extraOf(policy, 0), extraOf(policy, 1));
  };
  CHECK((besides(0, {0, 1}) == std::pair(Experts{}, Experts{4, 5})), "the second has nothing to do");
  CHECK((besides(1, {0, 1}) == std::pair(Experts{}, Experts{4, 5})), "another layer");
  CHECK((besides(0, {6, 7}) == std::pair(Experts{2, 3}, Experts{})), "what was longest ago");
  besides(1, {6, 7});
  CHECK((besides(0, {2, 3}) == std::pair(Experts{}, Experts{4, 5})), "again");
}

TEST("no policy adds an expert that is assigned, or more than it takes") {
  Random random(38);
  const int32_t members = 4, topK = 4;
  LeastRecentlyUsed policy(groupsOf(16, members), {members, topK, 1});
  for (int round = 0; round < 500; ++round) {
    Experts experts(16);
    for (int32_t expert = 0; expert < 16; ++expert) experts[static_cast<size_t>(expert)] = expert;
    for (size_t i = 0; i < 4; ++i)
      std::swap(experts[i], experts[i + static_cast<size_t>(random.below(16 - static_cast<int32_t>(i)))]);
    experts.resize(4);
    const Experts chosen = assigned(policy, experts);
    size_t busiest = 0;
    for (int32_t member = 0; member < members; ++member) {
      busiest = std::max(busiest, static_cast<size_t>(std::ranges::count(chosen, member)));
    }
    for (int32_t member = 0; member < members; ++member) {
      Experts all = extraOf(policy, member);
      for (size_t slot = 0; slot < 4; ++slot) {
        if (chosen[slot] == member) all.push_back(experts[slot]);
      }
      std::ranges::sort(all);
      CHECK(all.size() == busiest && std::ranges::adjacent_find(all) == all.end(), "as busy as the busiest");
      for (const int32_t expert : all) CHECK((expert < 8) == (member < 2), "of the member's group");
    }
  }
}

TEST("experts without holders and holders that are no members are refused") {
  const auto codeOf = [](const auto& call) {
    try {
      call();
    } catch (const Failure& failure) {
      return failure.code;
    }
    return FailureCode::internal;
  };
  CHECK(codeOf([] { DealtExperts({{2}}, {2, 1, 1}); }) == FailureCode::invalidArgument, "no member");
  DealtExperts policy({{0}, {}}, {1, 1, 1});
  CHECK(codeOf([&] { assigned(policy, {1}); }) == FailureCode::unavailable, "no holder");
  CHECK(codeOf([&] { assigned(policy, {2}); }) == FailureCode::invalidArgument, "no expert");
}
