// Causal grouped-query attention over KV blocks of 64 keys, each block's (m, sum, o) merged in ascending order. A
// threadgroup takes one row and up to 8 of the query heads that share a KV head: one simdgroup per query.
// A window leaves out the keys before it; a sink joins at the end as a key whose value is zero.
//   attend_row:     all blocks of a row, one after the other: many rows (prefill)
//   attend_blocks:  one block, its result kept apart: few rows over long contexts (decode); merge_blocks then adds up
// Both give the same bits.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

// Most of a head's width: a thread keeps this many of the outputs of 8 queries x headDim over 256 threads.
#define MAX_OUTPUTS 8

// The first position that a row sees, and the keys that it sees of a block.
static inline int first_seen(int position, int window) { return window > 0 ? max(0, position - window + 1) : 0; }
struct Keys {
  int first, end;
};
static inline Keys keys_of(int index, int position, int window) {
  Keys keys;
  keys.first = max(0, first_seen(position, window) - index * 64);
  keys.end = min(64, position + 1 - index * 64);
  return keys;
}

// scores[query, key] = scale * (q . k) for keys of the block.
static inline void score_block(DEVICE(const InputUnit) q, DEVICE(const InputUnit) keys_of_block, int head_dim, int queries,
                               Keys keys, float scale, THREADGROUP(float) scores, uint thread_index) {
  for (int i = (int)thread_index; i < queries * 64; i += 256) {
    const int query = i / 64, key = i % 64;
    if (key < keys.first || key >= keys.end) continue;
    DEVICE(const InputUnit) row = q + input_units((long)query * head_dim);
    DEVICE(const InputUnit) panel = keys_of_block + input_units((long)(key / 32) * head_dim * 32);
    float sum = 0.0f;
    for (int d = 0; d < head_dim; d += 2) {
      const Pair a = inputs_at(row, d), b = cached_at(panel, d, (uint)(key % 32));
      sum = fma(b.odd, a.odd, sum);
      sum = fma(b.even, a.even, sum);
    }
    scores[i] = sum * scale;
  }
}

// The softmax of one query's scores within the block, by one simdgroup: scores become weights, 0 for other keys.
struct BlockSoftmax {
  float m, sum;
};
static inline BlockSoftmax soften(THREADGROUP(float) scores, Keys keys, uint lane) {
  const int low = (int)lane, high = (int)lane + 32;
  const bool has_low = low >= keys.first && low < keys.end, has_high = high >= keys.first && high < keys.end;
  const float first = has_low ? (float)scores[low] : -INFINITY, second = has_high ? (float)scores[high] : -INFINITY;
  BlockSoftmax result;
  result.m = simd_max(first > second ? first : second);
  const float p = has_low ? round_to_activation(exponential(first - result.m)) : 0.0f;
  const float r = has_high ? round_to_activation(exponential(second - result.m)) : 0.0f;
  scores[low] = p;
  scores[high] = r;
  // 16 virtual lanes: l, l + 16, l + 32, l + 48 in turn; then their tree. Only lane 0's is whole.
  float sum = p + simd_shuffle_down(p, 16);
  sum = sum + r;
  sum = sum + simd_shuffle_down(r, 16);
  for (ushort width = 8; width > 0; width /= 2) sum = sum + simd_shuffle_down(sum, width);
  result.sum = sum;
  return result;
}

// One output: sum over the block's keys of weight * value.
static inline float weigh_values(DEVICE(const InputUnit) values, THREADGROUP(float) weights, Keys keys, int output) {
  DEVICE(const InputUnit) panel = values + input_units((long)(output / 32) * 64 * 32);
  const uint in_panel = (uint)(output % 32);
  const int paired = keys.end - keys.end % 2;
  float sum = 0.0f;
  for (int key = keys.first - keys.first % 2; key < paired; key += 2) {
    const Pair v = cached_at(panel, key, in_panel);
    sum = fma(v.odd, (float)weights[key + 1], sum);
    sum = fma(v.even, (float)weights[key], sum);
  }
  // An odd last key has no partner yet; what lies there must not be touched.
  if (keys.end > paired) sum = fma((float)weights[paired], cached_at(panel, paired, in_panel).even, sum);
  return sum;
}

static inline long block_units(int head_dim) {
  return input_units((long)head_dim * 64 + (long)((head_dim + 31) / 32) * 64 * 32);
}

// What a sink makes of a query's sums so far: outputs are multiplied by `keep`.
struct Joined {
  float keep, total;
};
static inline Joined join_sink(float m, float total, float sink) {
  const float top = m > sink ? m : sink;
  Joined joined;
  joined.keep = exponential(m - top);
  joined.total = total * joined.keep + exponential(sink - top);
  return joined;
}

KERNEL(attend_row)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                   BUFFER(3, const int, block_tables), BUFFER(4, const InputUnit, q), BUFFER(5, const InputUnit, cache),
                   BUFFER(6, const float, sinks), BUFFER(7, Activation, out), POSITION) {
  THREADGROUP_ARRAY(float, scores, 8 * 64);
  THREADGROUP_ARRAY(float, keep, 8);
  THREADGROUP_ARRAY(float, take, 8);
  THREADGROUP_ARRAY(float, totals, 8);
  const int row = args.start.x + (int)group.x, kv_head = args.start.y + (int)group.y, head_dim = args.headDim;
  const int group_size = args.heads / args.kvHeads, first_query = (int)group.z * 8;
  const int queries = min(8, group_size - first_query), query = (int)simdgroup;
  const int position = positions[row], last_block = position / 64;
  const int first_block = first_seen(position, args.window) / 64;
  const long first_head = (long)kv_head * group_size + first_query;
  DEVICE(const InputUnit) q_row = q + input_units((long)row * args.qStride + first_head * head_dim);

  float m = 0.0f, total = 0.0f;
  float o[MAX_OUTPUTS];
  for (int index = first_block; index <= last_block; ++index) {
    const Keys keys = keys_of(index, position, args.window);
    const long block = block_tables[sequences[row] * args.blockTableWidth + index];
    DEVICE(const InputUnit) keys_of_block = cache + (block * args.kvHeads + kv_head) * block_units(head_dim);
    score_block(q_row, keys_of_block, head_dim, queries, keys, args.scale, scores, thread_index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (query < queries) {
      const BlockSoftmax softmax = soften(scores + query * 64, keys, lane);
      const float top = index > first_block && m > softmax.m ? m : softmax.m;
      const float kept = index > first_block ? exponential(m - top) : 0.0f, taken = exponential(softmax.m - top);
      total = index > first_block ? total * kept + softmax.sum * taken : softmax.sum;
      m = top;
      if (lane == 0) {
        keep[query] = kept;
        take[query] = taken;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int n = 0; n < MAX_OUTPUTS; ++n) {
      const int i = (int)thread_index + n * 256;
      if (i >= queries * head_dim) break;
      const int which = i / head_dim;
      const float sum = weigh_values(keys_of_block + input_units((long)head_dim * 64), scores + which * 64, keys,
                                     i % head_dim);
      o[n] = index > first_block ? o[n] * keep[which] + sum * take[which] : sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (query < queries && lane == 0) {
    Joined joined;
    joined.keep = 1.0f;
    joined.total = total;
    if (args.sinks != 0) joined = join_sink(m, total, sinks[first_head + query]);
    keep[query] = joined.keep;
    totals[query] = joined.total;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int n = 0; n < MAX_OUTPUTS; ++n) {
    const int i = (int)thread_index + n * 256;
    if (i >= queries * head_dim) break;
    const float kept = o[n] * keep[i / head_dim];
    out[(long)row * args.qStride + first_head * head_dim + i] = to_activation(kept / totals[i / head_dim]);
  }
}

// Partial results of a head: [row][head][block] of m, sum, o[headDim], blocks counted from the first that the row sees.
static inline long partial_at(int row, long head, int block, int heads, int blocks, int head_dim) {
  return (((long)row * heads + head) * blocks + block) * (head_dim + 2);
}

// y counts blocks from the first that the row sees; group.z the queries' chunks of all KV heads.
KERNEL(attend_blocks)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                      BUFFER(3, const int, block_tables), BUFFER(4, const InputUnit, q),
                      BUFFER(5, const InputUnit, cache), BUFFER(6, float, partial), POSITION) {
  THREADGROUP_ARRAY(float, scores, 8 * 64);
  const int row = args.start.x + (int)group.x, place = args.start.y + (int)group.y, head_dim = args.headDim;
  const int group_size = args.heads / args.kvHeads, chunks = (group_size + 7) / 8;
  const int kv_head = (int)group.z / chunks, first_query = (int)group.z % chunks * 8;
  const int queries = min(8, group_size - first_query), query = (int)simdgroup;
  const int position = positions[row], index = first_seen(position, args.window) / 64 + place;
  if (index > position / 64) return;
  const long first_head = (long)kv_head * group_size + first_query;
  const Keys keys = keys_of(index, position, args.window);
  const long block = block_tables[sequences[row] * args.blockTableWidth + index];
  DEVICE(const InputUnit) q_row = q + input_units((long)row * args.qStride + first_head * head_dim);
  DEVICE(const InputUnit) keys_of_block = cache + (block * args.kvHeads + kv_head) * block_units(head_dim);
  score_block(q_row, keys_of_block, head_dim, queries, keys, args.scale, scores, thread_index);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (query < queries) {
    const BlockSoftmax softmax = soften(scores + query * 64, keys, lane);
    if (lane == 0) {
      const long to = partial_at(row, first_head + query, place, args.heads, args.partialBlocks, head_dim);
      partial[to] = softmax.m;
      partial[to + 1] = softmax.sum;
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int i = (int)thread_index; i < queries * head_dim; i += 256) {
    const int which = i / head_dim;
    const long to = partial_at(row, first_head + which, place, args.heads, args.partialBlocks, head_dim);
    partial[to + 2 + i % head_dim] =
        weigh_values(keys_of_block + input_units((long)head_dim * 64), scores + which * 64, keys, i % head_dim);
  }
}

// One threadgroup per row and head.
KERNEL(merge_blocks)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const float, sinks),
                     BUFFER(3, const float, partial), BUFFER(4, Activation, out), POSITION) {
  const int row = (int)group.x, head = (int)group.y, head_dim = args.headDim;
  const int blocks = positions[row] / 64 - first_seen(positions[row], args.window) / 64 + 1;
  for (int i = (int)thread_index; i < head_dim; i += 256) {
    const long first = partial_at(row, head, 0, args.heads, args.partialBlocks, head_dim);
    float m = partial[first], total = partial[first + 1], o = partial[first + 2 + i];
    for (int index = 1; index < blocks; ++index) {
      const long at = first + (long)index * (head_dim + 2);
      const float block_m = partial[at], top = m > block_m ? m : block_m;
      const float kept = exponential(m - top), taken = exponential(block_m - top);
      o = o * kept + partial[at + 2 + i] * taken;
      total = total * kept + partial[at + 1] * taken;
      m = top;
    }
    if (args.sinks != 0) {
      const Joined joined = join_sink(m, total, sinks[head]);
      o = o * joined.keep;
      total = joined.total;
    }
    out[(long)row * args.qStride + (long)head * head_dim + i] = to_activation(o / total);
  }
}
