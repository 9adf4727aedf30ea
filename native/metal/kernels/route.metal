// The router after its product: scores and the best experts of each row; then the rows sorted by expert, so that an
// expert's weights are read once for all its rows.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

// The largest of `keys` that is not struck out, ties to the lower index; key k is lane k % 32's. Every lane gets it. An
// index is valid even if all keys are NaN.
struct Best {
  float key;
  int index;
};
static inline Best best_of(THREADGROUP(float) keys, int count, float struck, uint lane) {
  Best best;
  best.key = -INFINITY;
  best.index = count;
  for (int k = (int)lane; k < count; k += 32) {
    const float candidate = keys[k];
    if (candidate == struck) continue;
    if (best.index == count || candidate > best.key) {
      best.key = candidate;
      best.index = k;
    }
  }
  for (ushort mask = 16; mask > 0; mask /= 2) {
    const float other = simd_shuffle_xor(best.key, mask);
    const int other_index = simd_shuffle_xor(best.index, mask);
    if (other > best.key || (!(best.key > other) && other_index < best.index)) {
      best.key = other;
      best.index = other_index;
    }
  }
  return best;
}

// scores = softmax(scores); keys hold them then.
static inline void soften_scores(DEVICE(float) scores, THREADGROUP(float) keys, int experts, uint lane) {
  float largest = -INFINITY;
  for (int e = (int)lane; e < experts; e += 32) largest = scores[e] > largest ? (float)scores[e] : largest;
  largest = simd_max(largest);
  for (int e = (int)lane; e < experts; e += 32) keys[e] = exponential(scores[e] - largest);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  float sum = 0.0f;
  for (int e = (int)lane % 16; e < experts; e += 16) sum = sum + keys[e];
  const float total = sum_in_simdgroup(sum);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (int e = (int)lane; e < experts; e += 32) scores[e] = keys[e] = keys[e] / total;
}

// Strikes out the experts of all but the best groups: a group counts as its two best experts.
static inline void keep_best_groups(THREADGROUP(float) keys, THREADGROUP(float) group_keys,
                                    CONSTANT(RouteArguments) args, uint lane) {
  const int size = args.experts / args.groups;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (int g = (int)lane; g < args.groups; g += 32) {
    float first = -INFINITY, second = -INFINITY;
    for (int e = g * size; e < (g + 1) * size; ++e) {
      const float key = keys[e];
      if (key > first) {
        second = first;
        first = key;
      } else if (key > second) {
        second = key;
      }
    }
    group_keys[g] = size == 1 ? first : first + second;
  }
  // A group that stays becomes infinite.
  for (int n = 0; n < args.chosenGroups; ++n) {
    const int best = best_of(group_keys, args.groups, INFINITY, lane).index;
    if ((uint)best % 32 == lane) group_keys[best] = INFINITY;
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (int e = (int)lane; e < args.experts; e += 32) {
    if (group_keys[e / size] != INFINITY) keys[e] = -INFINITY;
  }
}

// The best keys, weighed by their scores.
static inline void choose_best(DEVICE(const float) scores, THREADGROUP(float) keys, CONSTANT(RouteArguments) args,
                               DEVICE(int) chosen, DEVICE(float) weights, uint lane) {
  for (int rank = 0; rank < args.topK; ++rank) {
    const int best = best_of(keys, args.experts, -INFINITY, lane).index;
    if ((uint)best % 32 != lane) continue;
    keys[best] = -INFINITY;
    chosen[rank] = best;
    weights[rank] = scores[best];
  }
  simdgroup_barrier(mem_flags::mem_device);
}

// An expert's key where its logit is close to the best's, else minus infinity.
static inline float close_key(DEVICE(const float) logits, THREADGROUP(float) keys, float top, float threshold, int e) {
  const float logit = logits[e], size = logit < 0.0f ? -logit : logit, larger = size < top ? top : size;
  return (top - logit) / larger > threshold ? -INFINITY : (float)keys[e];
}

// Each round weighs its best by the softmax over the experts close to it.
static inline void choose_by_rounds(DEVICE(const float) logits, THREADGROUP(float) keys, CONSTANT(RouteArguments) args,
                                    DEVICE(int) chosen, DEVICE(float) weights, uint lane) {
  for (int rank = 0; rank < args.topK; ++rank) {
    const Best best = best_of(keys, args.experts, -INFINITY, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    float largest = -INFINITY;
    for (int e = (int)lane; e < args.experts; e += 32) {
      const float key = close_key(logits, keys, best.key, args.threshold, e);
      largest = key > largest ? key : largest;
    }
    largest = simd_max(largest);
    float sum = 0.0f;
    for (int e = (int)lane % 16; e < args.experts; e += 16) {
      sum = sum + exponential(close_key(logits, keys, best.key, args.threshold, e) - largest);
    }
    const float total = sum_in_simdgroup(sum);
    const float share = exponential(close_key(logits, keys, best.key, args.threshold, best.index) - largest) / total;
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if ((uint)best.index % 32 == lane) keys[best.index] = -INFINITY;
    if (lane != 0) continue;
    chosen[rank] = best.index;
    weights[rank] = share;
  }
}

// By one thread.
static inline void soften_weights(DEVICE(float) weights, int count) {
  float largest = weights[0], part[16];
  for (int rank = 1; rank < count; ++rank) largest = weights[rank] > largest ? (float)weights[rank] : largest;
  for (int l = 0; l < 16; ++l) part[l] = 0.0f;
  for (int rank = 0; rank < count; ++rank) {
    weights[rank] = exponential(weights[rank] - largest);
    part[rank % 16] = part[rank % 16] + weights[rank];
  }
  for (int width = 8; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) part[l] = part[l] + part[l + width];
  }
  for (int rank = 0; rank < count; ++rank) weights[rank] = weights[rank] / part[0];
}

// By one thread; sums in ranking order.
static inline void weigh(DEVICE(float) weights, CONSTANT(RouteArguments) args) {
  if (args.scores == softmaxOfChosenScores) soften_weights(weights, args.topK);
  float divisor = 1.0f;
  if (args.normalize != 0) {
    float sum = 0.0f;
    for (int rank = 0; rank < args.topK; ++rank) sum = sum + weights[rank];
    divisor = sum + args.epsilon;
    if (divisor < args.minimum) divisor = args.minimum;
  }
  for (int rank = 0; rank < args.topK; ++rank) weights[rank] = args.scale * (weights[rank] / divisor);
}

// One simdgroup per row: expert e is lane e % 32's. logits become scores; keys: [experts + groups]
KERNEL(choose_experts)(ARGUMENTS(RouteArguments), BUFFER(1, float, logits), BUFFER(2, const float, choice_bias),
                       BUFFER(3, int, chosen), BUFFER(4, float, weights), THREADGROUP_ARGUMENT(float, keys), POSITION) {
  const int experts = args.experts, first = (int)group.x * args.topK;
  DEVICE(float) scores = logits + (long)group.x * experts;
  if (args.scores == softmaxScores) soften_scores(scores, keys, experts, lane);
  for (int e = (int)lane; e < experts; e += 32) {
    if (args.scores == sigmoidScores) scores[e] = sigmoid_of(scores[e]);
    keys[e] = args.choiceBias != 0 ? scores[e] + choice_bias[e] : (float)scores[e];
  }
  if (args.groups > 0) keep_best_groups(keys, keys + experts, args, lane);
  if (args.scores == sparseMixerScores) {
    choose_by_rounds(scores, keys, args, chosen + first, weights + first, lane);
  } else {
    choose_best(scores, keys, args, chosen + first, weights + first, lane);
  }
  if (lane == 0) weigh(weights + first, args);
}

// Gives every slot, one expert of one row, a place, sorted by expert. One threadgroup.
//   chosen:    [slots] the slot's expert
//   rows:      [slots] the slot's row
//   table:     [experts] negative where slots of the expert get no place
//   places:    [slots] where the slot went
//   place_rows: [slots] which row a place holds
//   tiles:     their number, then (expert, first place, places) of each: at most tileRows places of one expert
//   begins:    [2, experts] each expert's first place, then its first tile
KERNEL(group_slots)(ARGUMENTS(GroupArguments), BUFFER(1, const int, chosen), BUFFER(2, const int, rows),
                    BUFFER(3, const int, table), BUFFER(4, int, places), BUFFER(5, int, place_rows),
                    BUFFER(6, int, tiles), THREADGROUP_ARGUMENT(int, begins), POSITION) {
  THREADGROUP(int) tile_begins = begins + args.experts;
  for (int e = (int)thread_index; e < args.experts; e += 256) {
    int count = 0;
    for (int i = 0; i < args.slots && table[e] >= 0; ++i) count += chosen[i] == e ? 1 : 0;
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
    for (int i = 0; i < args.slots && table[e] >= 0; ++i) {
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
