// How slots, one expert of one row each, are sorted by expert: what group_slots gives, and the experts' products take.
#pragma once
#include <numeric>

#include "case-memory.h"

namespace conclave::test {

// Slots of some rows and experts, and how they are sorted.
struct Grouped {
  Ids experts, rows, places, placeRows, placeExperts, tiles;
};

inline Grouped grouped(const Ids& experts, const Ids& rows, int32_t tileRows) {
  Grouped g{experts, rows, Ids(experts.size()), {}, {}, {0}};
  std::vector<size_t> order(experts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return experts[a] < experts[b]; });
  for (const size_t slot : order) {
    const int32_t place = static_cast<int32_t>(g.placeRows.size());
    const bool continues = place > 0 && g.placeExperts.back() == experts[slot] && g.tiles.back() < tileRows;
    if (continues) {
      ++g.tiles.back();
    } else {
      g.tiles.insert(g.tiles.end(), {experts[slot], place, 1});
      ++g.tiles[0];
    }
    g.places[slot] = place;
    g.placeRows.push_back(rows[slot]);
    g.placeExperts.push_back(experts[slot]);
  }
  return g;
}

// The first slots are of every expert in turn, from the last; the last row is in use, so that a shorter buffer shows.
inline Grouped randomGroups(Random& random, int32_t slots, int32_t rows, int32_t experts, int32_t tileRows) {
  Ids chosen, chosenRows;
  for (int32_t i = 0; i < slots; ++i) {
    chosen.push_back(i < experts ? experts - 1 - i : random.below(experts));
    chosenRows.push_back(i == 0 ? rows - 1 : random.below(rows));
  }
  return grouped(chosen, chosenRows, tileRows);
}

}  // namespace conclave::test
