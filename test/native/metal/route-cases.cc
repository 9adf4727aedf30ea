// The choice of experts, and the slots sorted by them.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "grouped-slots.h"

namespace conclave::test {
namespace {

struct RouterCase {
  const char* name;
  RouterScores scores;
  bool groups;
};

// By f64: scores, keys with the choice bias, groups, choice, weights.
struct Reference {
  const RouteArguments& arguments;
  const Values& choiceBias;

  std::vector<double> scoresOf(const float* logits) const {
    std::vector<double> scores(logits, logits + arguments.experts);
    double total = 0;
    for (double& score : scores) {
      if (arguments.scores == sigmoidScores) score = 1 / (1 + std::exp(-score));
      if (arguments.scores == softmaxScores) total += score = std::exp(score);
    }
    if (arguments.scores != softmaxScores) return scores;
    for (double& score : scores) score /= total;
    return scores;
  }

  void keepBestGroups(std::vector<double>& keys) const {
    const int32_t size = arguments.experts / arguments.groups;
    std::vector<std::pair<double, int32_t>> groups;
    for (int32_t g = 0; g < arguments.groups; ++g) {
      std::vector<double> members(keys.begin() + g * size, keys.begin() + (g + 1) * size);
      std::sort(members.rbegin(), members.rend());
      groups.push_back({members[0] + members[1], g});
    }
    std::sort(groups.rbegin(), groups.rend());
    for (size_t g = static_cast<size_t>(arguments.chosenGroups); g < groups.size(); ++g) {
      std::fill_n(keys.begin() + groups[g].second * size, size, -INFINITY);
    }
  }

  // Scores of the experts close to the best one of what is left.
  double closeWeight(const std::vector<double>& logits, const std::vector<double>& keys, size_t best) const {
    double total = 0;
    for (size_t e = 0; e < keys.size(); ++e) {
      const double larger = std::max(std::fabs(logits[e]), keys[best]);
      if ((keys[best] - logits[e]) / larger <= double{arguments.threshold}) total += std::exp(keys[e] - keys[best]);
    }
    // A bias this small leaves the best close to itself.
    return 1 / total;
  }

  void choose(const float* logits, std::vector<double>& ids, std::vector<double>& weights) const {
    const std::vector<double> scores = scoresOf(logits);
    std::vector<double> keys = scores, own;
    for (size_t e = 0; e < keys.size(); ++e) keys[e] += arguments.choiceBias != 0 ? choiceBias[e] : 0;
    if (arguments.groups > 0) keepBestGroups(keys);
    for (int32_t rank = 0; rank < arguments.topK; ++rank) {
      const size_t best = static_cast<size_t>(std::max_element(keys.begin(), keys.end()) - keys.begin());
      const bool rounds = arguments.scores == sparseMixerScores;
      own.push_back(rounds ? closeWeight(scores, keys, best) : scores[best]);
      ids.push_back(static_cast<double>(best));
      keys[best] = -INFINITY;
    }
    if (arguments.scores == softmaxOfChosenScores) {
      double total = 0;
      for (double& weight : own) total += weight = std::exp(weight);
      for (double& weight : own) weight /= total;
    }
    const double sum =
        std::max(std::accumulate(own.begin(), own.end(), double{arguments.epsilon}), double{arguments.minimum});
    for (const double weight : own) weights.push_back(arguments.scale * weight / sum * arguments.experts);
  }
};

KernelCase routeCase(Random& random, DType dtype, const RouterCase& router) {
  const int32_t experts = 2 * random.between(17, 35), topK = random.between(2, 5), rows = 2;
  // Far enough from one another that f32 chooses as f64 does.
  const Values logits = stored(random, DType::f32, rows * experts, 4.0f);
  const Values choiceBias = stored(random, DType::f32, experts, 0.1f);
  const RouteArguments arguments{
      experts, topK, router.scores, 1,   router.groups ? experts / 2 : 0, router.groups ? 9 : 0, 1,
      0.1f,    0.6f, 2.5f,          0.3f};
  const Reference reference{arguments, choiceBias};
  std::vector<double> expected, weights;
  for (int32_t row = 0; row < rows; ++row)
    reference.choose(&logits[static_cast<size_t>(row * experts)], expected, weights);
  expected.insert(expected.end(), weights.begin(), weights.end());
  return {titled((std::string("choose_experts, ") + router.name).c_str(), dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView chosen = memory.empty(rows * topK * 4), shares = memory.empty(rows * topK * 4);
                     kernels.chooseExperts(to, arguments, rows, memory.holding(bytesOf(logits)),
                                           memory.holding(bytesOf(choiceBias)), chosen, shares);
                     return [=] {
                       // Shares as large as ids, so that one tolerance fits both.
                       Values all = Memory::readIds(chosen);
                       for (const float share : Memory::read(shares, DType::f32))
                         all.push_back(share * static_cast<float>(experts));
                       return all;
                     };
                   }),
          expected, toleranceOf(DType::f32)};
}

// Slots of that expert get no place: theirs stays 0, as buffers begin.
Grouped without(int32_t expert, const Grouped& all, int32_t tileRows) {
  Ids experts, rows;
  for (size_t i = 0; i < all.experts.size(); ++i) {
    if (all.experts[i] == expert) continue;
    experts.push_back(all.experts[i]);
    rows.push_back(all.rows[i]);
  }
  Grouped rest = grouped(experts, rows, tileRows);
  Ids places;
  for (size_t i = 0, next = 0; i < all.experts.size(); ++i) {
    places.push_back(all.experts[i] == expert ? 0 : rest.places[next++]);
  }
  return {all.experts, all.rows, places, rest.placeRows, rest.placeExperts, rest.tiles};
}

KernelCase groupCase(Random& random, DType dtype) {
  const int32_t slots = 21, experts = 5, tileRows = 3;
  const Grouped all = randomGroups(random, slots, 7, experts, tileRows);
  // Not the last slot's, which says whether the buffers are as long as they must be.
  const int32_t left = (all.experts.back() + 1) % experts;
  Ids table(static_cast<size_t>(experts));
  table[static_cast<size_t>(left)] = -1;
  const Grouped g = without(left, all, tileRows);
  const int64_t placed = static_cast<int64_t>(g.placeRows.size());
  std::vector<double> expected(g.places.begin(), g.places.end());
  expected.insert(expected.end(), g.placeRows.begin(), g.placeRows.end());
  expected.insert(expected.end(), g.tiles.begin(), g.tiles.end());
  return {titled("group_slots", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView places = memory.empty(slots * 4), placeRows = memory.empty(placed * 4);
                     const GpuView tiles = memory.empty(static_cast<int64_t>(g.tiles.size()) * 4);
                     kernels.groupSlots(to, {slots, experts, tileRows},
                                        {memory.holding(bytesOf(g.experts)), memory.holding(bytesOf(g.rows)),
                                         memory.holding(bytesOf(table)), places, placeRows, tiles});
                     return [=] {
                       Values all = Memory::readIds(places);
                       for (const GpuView& view : {placeRows, tiles}) {
                         const Values ids = Memory::readIds(view);
                         all.insert(all.end(), ids.begin(), ids.end());
                       }
                       return all;
                     };
                   }),
          expected, 0};
}

}  // namespace

void addRouteCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  cases.push_back(routeCase(random, dtype, {"softmax", softmaxScores, false}));
  cases.push_back(routeCase(random, dtype, {"softmax of chosen", softmaxOfChosenScores, false}));
  cases.push_back(routeCase(random, dtype, {"sigmoid in groups", sigmoidScores, true}));
  cases.push_back(routeCase(random, dtype, {"sparse mixer", sparseMixerScores, false}));
  cases.push_back(groupCase(random, dtype));
}

}  // namespace conclave::test
