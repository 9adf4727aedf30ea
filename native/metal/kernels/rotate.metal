// Between the qkv product and attention: clip, rotary embedding, and the append to the KV cache. One threadgroup per row.
//
// The cache of a layer is [block][kv head] of two panel matrices, keys [64 keys, headDim] and values [headDim, 64 keys],
// of activations: attention multiplies by them as by weights.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

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

KERNEL(rotate_and_append)(ARGUMENTS(RotateArguments), BUFFER(1, const int, positions), BUFFER(2, const int, sequences),
                          BUFFER(3, const int, block_tables), BUFFER(4, const float, cosines),
                          BUFFER(5, const float, sines), BUFFER(6, const float, qkv), BUFFER(7, Activation, q),
                          BUFFER(8, Activation, cache), POSITION) {
  const int row = (int)group.x, half_dim = args.headDim / 2;
  const int position = positions[row], slot = position % 64;
  const int block = block_tables[sequences[row] * args.blockTableWidth + position / 64];
  const int value_panels = (args.headDim + 31) / 32;
  const long key_elements = (long)args.headDim * 64, block_elements = key_elements + (long)value_panels * 64 * 32;
  const long from = (long)row * (args.heads + 2 * args.kvHeads) * args.headDim;

  for (int i = (int)thread_index; i < (args.heads + args.kvHeads) * half_dim; i += 256) {
    const int head = i / half_dim, pair = i % half_dim;
    const float cosine = cosines[row * half_dim + pair], sine = sines[row * half_dim + pair];
    const float first = clipped(qkv[from + head * args.headDim + pair], args.clip);
    const float second = clipped(qkv[from + head * args.headDim + pair + half_dim], args.clip);
    const Activation turned_first = to_activation(first * cosine - second * sine);
    const Activation turned_second = to_activation(second * cosine + first * sine);
    if (head < args.heads) {
      const long to = (long)row * args.qStride + head * args.headDim + pair;
      q[to] = turned_first;
      q[to + half_dim] = turned_second;
    } else {
      const long keys = ((long)block * args.kvHeads + head - args.heads) * block_elements;
      const long panel = keys + (long)(slot / 32) * args.headDim * 32;
      cache[panel + cached_index(pair, slot % 32)] = turned_first;
      cache[panel + cached_index(pair + half_dim, slot % 32)] = turned_second;
    }
  }
  for (int i = (int)thread_index; i < args.kvHeads * args.headDim; i += 256) {
    const int head = i / args.headDim, output = i % args.headDim;
    const float value = clipped(qkv[from + (args.heads + args.kvHeads) * args.headDim + i], args.clip);
    const long values = ((long)block * args.kvHeads + head) * block_elements + key_elements;
    cache[values + (long)(output / 32) * 64 * 32 + cached_index(slot, output % 32)] = to_activation(value);
  }
}
