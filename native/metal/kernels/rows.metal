// Kernels that work on rows one by one: norms, and what is added to the residual stream. One threadgroup per
// row; where rows are as long as the vocabulary, one per 4096 columns of a row.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "norms.h"

#define CHUNK_COLUMNS 4096

static inline float biased(float value, DEVICE(const float) bias, int i, int has_bias) {
  return has_bias != 0 ? value + bias[i] : value;
}

// out[r] = norm(x) * weight + bias, x being row rows[r].
KERNEL(normalize)(ARGUMENTS(NormalizeArguments), BUFFER(1, const int, rows), BUFFER(2, const float, x),
                  BUFFER(3, const float, weight), BUFFER(4, const float, bias), BUFFER(5, Activation, out), POSITION) {
  THREADGROUP_ARRAY(float, stage, STAGED_ELEMENTS);
  THREADGROUP_ARRAY(float, lanes, 32);
  const int width = args.norm.width;
  const long from = (long)rows[group.x] * width, to = (long)group.x * args.outStride;
  const Moments moments = moments_of(x + from, args.norm, stage, lanes, thread_index);
  for (int i = (int)thread_index; i < width; i += 256) {
    out[to + i] = to_activation(biased(normalized(x[from + i], weight[i], moments, args.norm), bias, i, args.bias));
  }
}

// x += scale * y; out = norm(x) * weight + bias
KERNEL(add_and_normalize)(ARGUMENTS(AddAndNormalizeArguments), BUFFER(1, const float, y), BUFFER(2, float, x),
                          BUFFER(3, const float, weight), BUFFER(4, const float, bias), BUFFER(5, Activation, out),
                          POSITION) {
  THREADGROUP_ARRAY(float, stage, STAGED_ELEMENTS);
  THREADGROUP_ARRAY(float, lanes, 32);
  const int width = args.norm.width;
  const long from = (long)group.x * width, to = (long)group.x * args.outStride;
  // Whatever a thread reads of the row later, it has written itself.
  for (int i = (int)thread_index; i < width; i += 256) x[from + i] = fma(args.scale, y[from + i], (float)x[from + i]);
  const Moments moments = moments_of(x + from, args.norm, stage, lanes, thread_index);
  for (int i = (int)thread_index; i < width; i += 256) {
    out[to + i] = to_activation(biased(normalized(x[from + i], weight[i], moments, args.norm), bias, i, args.bias));
  }
}

// y[row] += bias
KERNEL(add_bias)(ARGUMENTS(ColumnArguments), BUFFER(1, const float, bias), BUFFER(2, float, y), POSITION) {
  const long row = (long)group.x * args.stride;
  const int end = min(args.width, ((int)group.y + 1) * CHUNK_COLUMNS);
  for (int i = (int)group.y * CHUNK_COLUMNS + (int)thread_index; i < end; i += 256) y[row + i] = y[row + i] + bias[i];
}

// y[row] = value * y[row]
KERNEL(scale_rows)(ARGUMENTS(ColumnArguments), BUFFER(1, float, y), POSITION) {
  const long row = (long)group.x * args.stride;
  const int end = min(args.width, ((int)group.y + 1) * CHUNK_COLUMNS);
  for (int i = (int)group.y * CHUNK_COLUMNS + (int)thread_index; i < end; i += 256) y[row + i] = args.value * y[row + i];
}

// y[row] = value * tanh(y[row] / value)
KERNEL(cap_rows)(ARGUMENTS(ColumnArguments), BUFFER(1, float, y), POSITION) {
  const long row = (long)group.x * args.stride;
  const int end = min(args.width, ((int)group.y + 1) * CHUNK_COLUMNS);
  for (int i = (int)group.y * CHUNK_COLUMNS + (int)thread_index; i < end; i += 256) {
    y[row + i] = args.value * tanh_of(y[row + i] / args.value);
  }
}

// y[row] = x[row] as f32, for matrices that take such rows
KERNEL(widen)(ARGUMENTS(ColumnArguments), BUFFER(1, const Activation, x), BUFFER(2, float, y), POSITION) {
  const long row = (long)group.x * args.stride;
  for (int i = (int)thread_index; i < args.width; i += 256) y[row + i] = from_activation(x[row + i]);
}

// Of row and column, in the router's ranking order.
static inline float sum_of_outputs(DEVICE(const int) places, DEVICE(const float) weights,
                                   DEVICE(const Activation) outputs, int first, int top_k, int width, int column) {
  float sum = 0.0f;
  for (int rank = first; rank < first + top_k; ++rank) {
    sum = fma(weights[rank], from_activation(outputs[(long)places[rank] * width + column]), sum);
  }
  return sum;
}

// sums[row] = sum over ranks of weights[row, rank] * outputs[places[row, rank]]
KERNEL(sum_outputs)(ARGUMENTS(SumOutputsArguments), BUFFER(1, const int, places), BUFFER(2, const float, weights),
                    BUFFER(3, const Activation, outputs), BUFFER(4, float, sums), POSITION) {
  const int first = (int)group.x * args.topK;
  const long to = (long)group.x * args.width;
  for (int i = (int)thread_index; i < args.width; i += 256) {
    sums[to + i] = sum_of_outputs(places, weights, outputs, first, args.topK, args.width, i);
  }
}

// value + shared, or value + sigmoid(gate) * shared, where there is a shared expert
static inline float with_shared(float value, int part, DEVICE(const float) shared, DEVICE(const float) gates, long at,
                                int row) {
  if (part == sharedPart) return value + shared[at];
  if (part == gatedSharedPart) return fma(sigmoid_of(gates[row]), shared[at], value);
  return value;
}

// x[row] += scale * (sums of outputs and the shared expert's)
KERNEL(add_outputs)(ARGUMENTS(AddOutputsArguments), BUFFER(1, const int, places), BUFFER(2, const float, weights),
                    BUFFER(3, const Activation, outputs), BUFFER(4, const float, shared), BUFFER(5, const float, gates),
                    BUFFER(6, float, x), POSITION) {
  const int first = (int)group.x * args.topK;
  for (int i = (int)thread_index; i < args.width; i += 256) {
    const long at = (long)group.x * args.width + i;
    const float sum = sum_of_outputs(places, weights, outputs, first, args.topK, args.width, i);
    x[at] = fma(args.scale, with_shared(sum, args.shared, shared, gates, at, (int)group.x), (float)x[at]);
  }
}

// x[row] += scale * (y[row] and the shared expert's)
KERNEL(add_rows)(ARGUMENTS(AddRowsArguments), BUFFER(1, const float, y), BUFFER(2, const float, shared),
                 BUFFER(3, const float, gates), BUFFER(4, float, x), POSITION) {
  for (int i = (int)thread_index; i < args.width; i += 256) {
    const long at = (long)group.x * args.width + i;
    x[at] = fma(args.scale, with_shared(y[at], args.shared, shared, gates, at, (int)group.x), (float)x[at]);
  }
}

// What a buffer begins with, noted: it was used, and is wired again (residency.h).
KERNEL(touch)(ARGUMENTS(TouchArguments), BUFFER(1, const int, buffer), BUFFER(2, int, noted), POSITION) {
  if (thread_index == 0) noted[args.place] = buffer[0];
}
