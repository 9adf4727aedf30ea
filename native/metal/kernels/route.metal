// The router after its product: softmax and the best experts of each row; then the rows sorted by expert, so that an
// expert's weights are read once for all its rows.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

// One simdgroup per row: expert e is lane e % 32's. p: [experts]
KERNEL(choose_experts)(ARGUMENTS(RouteArguments), BUFFER(1, const float, logits), BUFFER(2, int, chosen),
                       BUFFER(3, float, weights), THREADGROUP_ARGUMENT(float, p), POSITION) {
  THREADGROUP_ARRAY(float, sums, 16);
  const int experts = args.experts, first = (int)group.x * args.topK;
  const long from = (long)group.x * experts;
  float best = -INFINITY;
  for (int e = (int)lane; e < experts; e += 32) best = logits[from + e] > best ? (float)logits[from + e] : best;
  best = simd_max(best);
  for (int e = (int)lane; e < experts; e += 32) p[e] = exponential(logits[from + e] - best);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  if (lane < 16) {
    float sum = 0.0f;
    for (int e = (int)lane; e < experts; e += 16) sum = sum + p[e];
    sums[lane] = sum;
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  const float total = sum_of_lanes(sums);
  for (int e = (int)lane; e < experts; e += 32) p[e] = p[e] / total;

  // The largest first, ties to the lower id; a chosen one is struck out. Ids are valid even if all are NaN.
  float sum_of_chosen = 0.0f;
  for (int rank = 0; rank < args.topK; ++rank) {
    float value = -INFINITY;
    int which = experts;
    for (int e = (int)lane; e < experts; e += 32) {
      const float candidate = p[e];
      if (candidate == -INFINITY) continue;
      if (which == experts || candidate > value) {
        value = candidate;
        which = e;
      }
    }
    for (ushort mask = 16; mask > 0; mask /= 2) {
      const float other = simd_shuffle_xor(value, mask);
      const int other_which = simd_shuffle_xor(which, mask);
      if (other > value || (!(value > other) && other_which < which)) {
        value = other;
        which = other_which;
      }
    }
    sum_of_chosen = sum_of_chosen + value;
    if ((uint)which % 32 == lane) p[which] = -INFINITY;
    if (lane == 0) {
      chosen[first + rank] = which;
      weights[first + rank] = value;
    }
  }
  if (lane != 0 || args.normalize == 0) return;
  for (int rank = 0; rank < args.topK; ++rank) weights[first + rank] = weights[first + rank] / sum_of_chosen;
}

// Gives every slot, one expert of one row, a place, sorted by expert. One threadgroup.
//   chosen:    [slots] the slot's expert
//   rows:      [slots] the slot's row
//   places:    [slots] where the slot went
//   place_rows: [slots] which row a place holds
//   tiles:     their number, then (expert, first place, places) of each: at most tileRows places of one expert
//   begins:    [2, experts] each expert's first place, then its first tile
KERNEL(group_slots)(ARGUMENTS(GroupArguments), BUFFER(1, const int, chosen), BUFFER(2, const int, rows),
                    BUFFER(3, int, places), BUFFER(4, int, place_rows), BUFFER(5, int, tiles),
                    THREADGROUP_ARGUMENT(int, begins), POSITION) {
  THREADGROUP(int) tile_begins = begins + args.experts;
  for (int e = (int)thread_index; e < args.experts; e += 256) {
    int count = 0;
    for (int i = 0; i < args.slots; ++i) count += chosen[i] == e ? 1 : 0;
    begins[e] = count;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index == 0) {
    int place = 0, tile = 0;
    for (int e = 0; e < args.experts; ++e) {
      const int count = begins[e];
      begins[e] = place;
      tile_begins[e] = tile;
      place += count;
      tile += (count + args.tileRows - 1) / args.tileRows;
    }
    tiles[0] = tile;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int e = (int)thread_index; e < args.experts; e += 256) {
    const int begin = begins[e];
    int next = begin;
    for (int i = 0; i < args.slots; ++i) {
      if (chosen[i] != e) continue;
      places[i] = next;
      place_rows[next] = rows[i];
      ++next;
    }
    int tile = 1 + 3 * tile_begins[e];
    for (int place = begin; place < next; place += args.tileRows) {
      tiles[tile] = e;
      tiles[tile + 1] = place;
      tiles[tile + 2] = min(args.tileRows, next - place);
      tile += 3;
    }
  }
}
