// Causal grouped-query attention over KV blocks of 64 keys, each block's (m, sum, o) merged in ascending order. A
// threadgroup takes one row and up to 8 of the query heads that share a KV head: one simdgroup per query.
//   attend_row:     all blocks of a row, one after the other: many rows (prefill)
//   attend_blocks:  one block, its result kept apart: few rows over long contexts (decode); merge_blocks then adds up
// Both give the same bits.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

// Most of a head's width: a thread keeps this many of the outputs of 8 queries x headDim over 256 threads.
#define MAX_OUTPUTS 8

// scores[query, key] = scale * (q . k) for the block's first `keys` keys.
static inline void score_block(DEVICE(const InputUnit) q, DEVICE(const InputUnit) keys_of_block, int head_dim, int queries,
                               int keys, float scale, THREADGROUP(float) scores, uint thread_index) {
  for (int i = (int)thread_index; i < queries * 64; i += 256) {
    const int query = i / 64, key = i % 64;
    if (key >= keys) continue;
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

// The softmax of one query's scores within the block, by one simdgroup: scores become weights, 0 from `keys` to 63.
struct BlockSoftmax {
  float m, sum;
};
static inline BlockSoftmax soften(THREADGROUP(float) scores, int keys, uint lane) {
  const int low = (int)lane, high = (int)lane + 32;
  const float first = low < keys ? (float)scores[low] : -INFINITY, second = high < keys ? (float)scores[high] : -INFINITY;
  BlockSoftmax result;
  result.m = simd_max(first > second ? first : second);
  const float p = low < keys ? round_to_activation(exponential(first - result.m)) : 0.0f;
  const float r = high < keys ? round_to_activation(exponential(second - result.m)) : 0.0f;
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
static inline float weigh_values(DEVICE(const InputUnit) values, THREADGROUP(float) weights, int keys, int output) {
  DEVICE(const InputUnit) panel = values + input_units((long)(output / 32) * 64 * 32);
  const uint in_panel = (uint)(output % 32);
  const int paired = keys - keys % 2;
  float sum = 0.0f;
  for (int key = 0; key < paired; key += 2) {
    const Pair v = cached_at(panel, key, in_panel);
    sum = fma(v.odd, (float)weights[key + 1], sum);
    sum = fma(v.even, (float)weights[key], sum);
  }
  // An odd last key has no partner yet; what lies there must not be touched.
  if (keys > paired) sum = fma((float)weights[paired], cached_at(panel, paired, in_panel).even, sum);
  return sum;
}

static inline long block_units(int head_dim) {
  return input_units((long)head_dim * 64 + (long)((head_dim + 31) / 32) * 64 * 32);
}

KERNEL(attend_row)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                   BUFFER(3, const int, block_tables), BUFFER(4, const InputUnit, q), BUFFER(5, const InputUnit, cache),
                   BUFFER(6, Activation, out), POSITION) {
  THREADGROUP_ARRAY(float, scores, 8 * 64);
  THREADGROUP_ARRAY(float, keep, 8);
  THREADGROUP_ARRAY(float, take, 8);
  THREADGROUP_ARRAY(float, totals, 8);
  const int row = args.start.x + (int)group.x, kv_head = args.start.y + (int)group.y, head_dim = args.headDim;
  const int group_size = args.heads / args.kvHeads, first_query = (int)group.z * 8;
  const int queries = min(8, group_size - first_query), query = (int)simdgroup;
  const int position = positions[row], last_block = position / 64;
  const long first_head = (long)kv_head * group_size + first_query;
  DEVICE(const InputUnit) q_row = q + input_units((long)row * args.qStride + first_head * head_dim);

  float m = 0.0f, total = 0.0f;
  float o[MAX_OUTPUTS];
  for (int index = 0; index <= last_block; ++index) {
    const int keys = index < last_block ? 64 : position % 64 + 1;
    const long block = block_tables[sequences[row] * args.blockTableWidth + index];
    DEVICE(const InputUnit) keys_of_block = cache + (block * args.kvHeads + kv_head) * block_units(head_dim);
    score_block(q_row, keys_of_block, head_dim, queries, keys, args.scale, scores, thread_index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (query < queries) {
      const BlockSoftmax softmax = soften(scores + query * 64, keys, lane);
      const float top = index > 0 && m > softmax.m ? m : softmax.m;
      const float kept = index > 0 ? exponential(m - top) : 0.0f, taken = exponential(softmax.m - top);
      total = index > 0 ? total * kept + softmax.sum * taken : softmax.sum;
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
      o[n] = index > 0 ? o[n] * keep[which] + sum * take[which] : sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (query < queries && lane == 0) totals[query] = total;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int n = 0; n < MAX_OUTPUTS; ++n) {
    const int i = (int)thread_index + n * 256;
    if (i >= queries * head_dim) break;
    out[(long)row * args.qStride + first_head * head_dim + i] = to_activation(o[n] / totals[i / head_dim]);
  }
}

// Partial results of a head: [row][head][block] of m, sum, o[headDim].
static inline long partial_at(int row, long head, int block, int heads, int blocks, int head_dim) {
  return (((long)row * heads + head) * blocks + block) * (head_dim + 2);
}

// y counts blocks; group.z the queries' chunks of all KV heads.
KERNEL(attend_blocks)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                      BUFFER(3, const int, block_tables), BUFFER(4, const InputUnit, q),
                      BUFFER(5, const InputUnit, cache), BUFFER(6, float, partial), POSITION) {
  THREADGROUP_ARRAY(float, scores, 8 * 64);
  const int row = args.start.x + (int)group.x, index = args.start.y + (int)group.y, head_dim = args.headDim;
  const int group_size = args.heads / args.kvHeads, chunks = (group_size + 7) / 8;
  const int kv_head = (int)group.z / chunks, first_query = (int)group.z % chunks * 8;
  const int queries = min(8, group_size - first_query), query = (int)simdgroup;
  const int position = positions[row], last_block = position / 64;
  if (index > last_block) return;
  const long first_head = (long)kv_head * group_size + first_query;
  const int keys = index < last_block ? 64 : position % 64 + 1;
  const long block = block_tables[sequences[row] * args.blockTableWidth + index];
  DEVICE(const InputUnit) q_row = q + input_units((long)row * args.qStride + first_head * head_dim);
  DEVICE(const InputUnit) keys_of_block = cache + (block * args.kvHeads + kv_head) * block_units(head_dim);
  score_block(q_row, keys_of_block, head_dim, queries, keys, args.scale, scores, thread_index);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (query < queries) {
    const BlockSoftmax softmax = soften(scores + query * 64, keys, lane);
    if (lane == 0) {
      const long to = partial_at(row, first_head + query, index, args.heads, args.partialBlocks, head_dim);
      partial[to] = softmax.m;
      partial[to + 1] = softmax.sum;
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (int i = (int)thread_index; i < queries * head_dim; i += 256) {
    const int which = i / head_dim;
    const long to = partial_at(row, first_head + which, index, args.heads, args.partialBlocks, head_dim);
    partial[to + 2 + i % head_dim] =
        weigh_values(keys_of_block + input_units((long)head_dim * 64), scores + which * 64, keys, i % head_dim);
  }
}

// One threadgroup per row and head.
KERNEL(merge_blocks)(ARGUMENTS(AttendArguments), BUFFER(1, const int, positions), BUFFER(2, const float, partial),
                     BUFFER(3, Activation, out), POSITION) {
  const int row = (int)group.x, head = (int)group.y, head_dim = args.headDim;
  const int last_block = positions[row] / 64;
  for (int i = (int)thread_index; i < head_dim; i += 256) {
    const long first = partial_at(row, head, 0, args.heads, args.partialBlocks, head_dim);
    float m = partial[first], total = partial[first + 1], o = partial[first + 2 + i];
    for (int index = 1; index <= last_block; ++index) {
      const long at = first + (long)index * (head_dim + 2);
      const float block_m = partial[at], top = m > block_m ? m : block_m;
      const float kept = exponential(m - top), taken = exponential(block_m - top);
      o = o * kept + partial[at + 2 + i] * taken;
      total = total * kept + partial[at + 1] * taken;
      m = top;
    }
    out[(long)row * args.qStride + (long)head * head_dim + i] = to_activation(o / total);
  }
}
