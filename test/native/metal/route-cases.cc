// The choice of experts, and the slots sorted by them.
#include <cmath>
#include <numeric>

#include "grouped-slots.h"

namespace conclave::test {
namespace {

KernelCase routeCase(Random& random, DType dtype) {
  const int32_t experts = random.between(33, 70), topK = random.between(2, 5), rows = 2;
  const Values logits = stored(random, DType::f32, rows * experts, 4.0f);
  std::vector<double> ids, weights;
  for (int32_t row = 0; row < rows; ++row) {
    const float* at = &logits[static_cast<size_t>(row * experts)];
    Ids order(static_cast<size_t>(experts));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return at[a] > at[b]; });
    double total = 0;
    for (int32_t k = 0; k < topK; ++k) total += std::exp(double{at[order[static_cast<size_t>(k)]]});
    for (int32_t k = 0; k < topK; ++k) {
      ids.push_back(order[static_cast<size_t>(k)]);
      weights.push_back(std::exp(double{at[order[static_cast<size_t>(k)]]}) / total * experts);
    }
  }
  std::vector<double> expected = ids;
  expected.insert(expected.end(), weights.begin(), weights.end());
  return {
      titled("choose_experts", dtype),
      onDevice(dtype, ProductKind::lanes,
               [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                 const GpuView chosen = memory.empty(rows * topK * 4), shares = memory.empty(rows * topK * 4);
                 kernels.chooseExperts(to, {experts, topK, 1}, rows, memory.holding(bytesOf(logits)), chosen, shares);
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

KernelCase groupCase(Random& random, DType dtype) {
  const int32_t slots = 21, experts = 5, tileRows = 3;
  const Grouped g = randomGroups(random, slots, 7, experts, tileRows);
  std::vector<double> expected(g.places.begin(), g.places.end());
  expected.insert(expected.end(), g.placeRows.begin(), g.placeRows.end());
  expected.insert(expected.end(), g.tiles.begin(), g.tiles.end());
  return {titled("group_slots", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView places = memory.empty(slots * 4), placeRows = memory.empty(slots * 4);
                     const GpuView tiles = memory.empty(static_cast<int64_t>(g.tiles.size()) * 4);
                     kernels.groupSlots(to, {slots, experts, tileRows},
                                        {memory.holding(bytesOf(g.experts)), memory.holding(bytesOf(g.rows)), places,
                                         placeRows, tiles});
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
  cases.push_back(routeCase(random, dtype));
  cases.push_back(groupCase(random, dtype));
}

}  // namespace conclave::test
