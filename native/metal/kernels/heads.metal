// Between the products with query, key and value and attention: biases, norms of heads, clip, rotary embedding, in the
// order that the model has them, then the append to the KV cache. One threadgroup per row.
//
// The cache of a layer is [block][kv head] of two panel matrices, keys [64 keys, headDim] and values [headDim, 64 keys],
// of activations: attention multiplies by them as by weights.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "norms.h"

// Where element (input, lane) of a panel of activations lies.
static inline int cached_index(int input, int output) {
#if CONCLAVE_DTYPE == 2
  return (input / 2) * 64 + output * 2 + input % 2;
#else
  return input * 32 + output;
#endif
}

static inline float clipped(float x, float limit) {
  const float low = x < -limit ? -limit : x;
  return low > limit ? limit : low;
}

// Each head by one simdgroup.
static inline void normalize_heads(DEVICE(float) row, DEVICE(const float) weight, CONSTANT(HeadStep) step, uint lane,
                                   uint simdgroup) {
  for (int head = (int)simdgroup; head < step.heads; head += 8) {
    DEVICE(float) x = row + step.column + head * step.width;
    const Moments moments = moments_in_simdgroup(x, step.norm, lane);
    simdgroup_barrier(mem_flags::mem_device);
    for (int i = (int)lane; i < step.width; i += 32) x[i] = normalized(x[i], weight[i], moments, step.norm);
  }
}

// Pairs of each head: (i, i + pairs), or neighbours.
static inline void rotate_heads(DEVICE(float) row, DEVICE(const float) cosines, DEVICE(const float) sines,
                                CONSTANT(HeadStep) step, uint thread_index) {
  for (int i = (int)thread_index; i < step.heads * step.pairs; i += 256) {
    const int head = i / step.pairs, pair = i % step.pairs;
    const int low = step.column + head * step.width + (step.adjacent != 0 ? 2 * pair : pair);
    const int high = low + (step.adjacent != 0 ? 1 : step.pairs);
    const float first = row[low], second = row[high], cosine = cosines[pair], sine = sines[pair];
    row[low] = first * cosine - second * sine;
    row[high] = second * cosine + first * sine;
  }
}

KERNEL(shape_heads)(ARGUMENTS(HeadsArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                    BUFFER(3, const int, block_tables), BUFFER(4, const float, cosines), BUFFER(5, const float, sines),
                    BUFFER(6, const float, query_bias), BUFFER(7, const float, key_bias),
                    BUFFER(8, const float, value_bias), BUFFER(9, const float, query_norm),
                    BUFFER(10, const float, key_norm), BUFFER(11, float, projected), BUFFER(12, Activation, q),
                    BUFFER(13, Activation, cache), POSITION) {
  const int row = (int)group.x, head_dim = args.headDim;
  const int q_width = args.heads * head_dim, kv_width = args.kvHeads * head_dim;
  DEVICE(float) x = projected + (long)row * (q_width + 2 * kv_width);
  for (int s = 0; s < args.steps; ++s) {
    CONSTANT(HeadStep) step = args.step[s];
    DEVICE(const float) vector = query_bias;
    switch (step.vector) {
      case keyBiasVector: vector = key_bias; break;
      case valueBiasVector: vector = value_bias; break;
      case queryNormVector: vector = query_norm; break;
      case keyNormVector: vector = key_norm; break;
      default: break;
    }
    const int first = step.column + (int)thread_index, end = step.column + step.heads * step.width;
    switch (step.kind) {
      case addHeadBias:
        for (int i = first; i < end; i += 256) x[i] = x[i] + vector[i - step.column];
        break;
      case normalizeHeads: normalize_heads(x, vector, step, lane, simdgroup); break;
      case clipHeads:
        for (int i = first; i < end; i += 256) x[i] = clipped(x[i], step.limit);
        break;
      default: rotate_heads(x, cosines + row * args.pairs, sines + row * args.pairs, step, thread_index); break;
    }
    threadgroup_barrier(mem_flags::mem_device);
  }

  const int position = positions[row], slot = position % 64;
  const int block = block_tables[sequences[row] * args.blockTableWidth + position / 64];
  const int value_panels = (head_dim + 31) / 32;
  const long key_elements = (long)head_dim * 64, block_elements = key_elements + (long)value_panels * 64 * 32;
  for (int i = (int)thread_index; i < q_width; i += 256) q[(long)row * q_width + i] = to_activation(x[i]);
  for (int i = (int)thread_index; i < kv_width; i += 256) {
    const int output = i % head_dim;
    const long keys = ((long)block * args.kvHeads + i / head_dim) * block_elements, values = keys + key_elements;
    const long key_panel = keys + (long)(slot / 32) * head_dim * 32, value_panel = values + (long)(output / 32) * 64 * 32;
    cache[key_panel + cached_index(output, slot % 32)] = to_activation(x[q_width + i]);
    cache[value_panel + cached_index(slot, output % 32)] = to_activation(x[q_width + kv_width + i]);
  }
}
