// Quickselect over the ranking: the order in which amounts are added depends on the candidates alone, never on a
// library's choice of pivots, so that every machine rounds alike.
#include <utility>

#include "cutoff.h"

namespace conclave {
namespace {

using Candidates = std::vector<Candidate>;

bool ranksBefore(const Candidate& a, const Candidate& b) {
  return (a.logit > b.logit) | ((a.logit == b.logit) & (a.id < b.id));
}

size_t medianOfThree(const Candidates& all, size_t from, size_t to) {
  const auto before = [&](size_t a, size_t b) { return ranksBefore(all[a], all[b]); };
  const size_t first = from, middle = (from + to) / 2, last = to - 1;
  if (before(first, middle)) {
    if (before(middle, last)) return middle;
    return before(first, last) ? last : first;
  }
  if (before(first, last)) return first;
  return before(middle, last) ? last : middle;
}

// Moves one candidate of [from, to) to its place: better ones before it, worse after. Returns the place.
size_t partition(Candidates& all, size_t from, size_t to) {
  std::swap(all[medianOfThree(all, from, to)], all[to - 1]);
  const Candidate pivot = all[to - 1];
  size_t place = from;
  for (size_t at = from; at < to - 1; ++at) {
    if (ranksBefore(all[at], pivot)) std::swap(all[at], all[place++]);
  }
  std::swap(all[place], all[to - 1]);
  return place;
}

double sumAmounts(const Candidates& all, size_t from, size_t to) {
  double total = 0;
  for (size_t at = from; at < to; ++at) total += all[at].amount;
  return total;
}

}  // namespace

Cutoff selectCutoff(Candidates& candidates, double budget) {
  size_t low = 0, high = candidates.size(), cutoff = 0;
  while (low < high) {
    const size_t pivot = partition(candidates, low, high);
    const double before = sumAmounts(candidates, low, pivot);
    if (before >= budget && pivot > low) {
      high = pivot;
      continue;
    }
    cutoff = pivot;
    budget -= before + candidates[pivot].amount;
    if (budget <= 0) break;
    low = pivot + 1;
  }
  return {candidates[cutoff].logit, candidates[cutoff].id};
}

}  // namespace conclave
