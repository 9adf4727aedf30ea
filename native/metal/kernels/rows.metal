// Kernels that work on rows one by one: embedding, LayerNorm, combining experts' outputs. One threadgroup per row.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"

// x[row] = embedding[tokens[row]]
KERNEL(embed)(ARGUMENTS(EmbedArguments), BUFFER(1, const int, tokens), BUFFER(2, const Weight, embedding),
              BUFFER(3, float, x), POSITION) {
  const long from = (long)tokens[group.x] * args.width, to = (long)group.x * args.width;
  for (int i = (int)thread_index; i < args.width; i += 256) x[to + i] = weight_to_float(embedding[from + i]);
}

// out[r] = (x - mean(x)) / sqrt(var(x) + epsilon) * weight, x being row rows[r].
KERNEL(layer_norm)(ARGUMENTS(NormArguments), BUFFER(1, const int, rows), BUFFER(2, const float, x),
                   BUFFER(3, const float, weight), BUFFER(4, Activation, out), POSITION) {
  THREADGROUP_ARRAY(float, sums, 16);
  THREADGROUP_ARRAY(float, squares, 16);
  const long from = (long)rows[group.x] * args.width, to = (long)group.x * args.outStride;
  if (thread_index < 16) {
    float sum = 0.0f;
    for (int i = (int)thread_index; i < args.width; i += 16) sum = sum + x[from + i];
    sums[thread_index] = sum;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float mean = sum_of_lanes(sums) / (float)args.width;
  if (thread_index < 16) {
    float sum = 0.0f;
    for (int i = (int)thread_index; i < args.width; i += 16) {
      const float distance = x[from + i] - mean;
      sum = fma(distance, distance, sum);
    }
    squares[thread_index] = sum;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float variance = sum_of_lanes(squares) / (float)args.width;
  const float scale = 1.0f / precise::sqrt(variance + args.epsilon);
  for (int i = (int)thread_index; i < args.width; i += 256) {
    out[to + i] = to_activation(((x[from + i] - mean) * scale) * weight[i]);
  }
}

// x[row] += sum over ranks of weights[row, rank] * outputs[places[row, rank]], in the router's ranking order.
KERNEL(combine)(ARGUMENTS(CombineArguments), BUFFER(1, const int, places), BUFFER(2, const float, weights),
                BUFFER(3, const Activation, outputs), BUFFER(4, float, x), POSITION) {
  const int first = (int)group.x * args.topK;
  const long to = (long)group.x * args.width;
  for (int i = (int)thread_index; i < args.width; i += 256) {
    float sum = 0.0f;
    for (int rank = first; rank < first + args.topK; ++rank) {
      sum = fma(weights[rank], from_activation(outputs[(long)places[rank] * args.outputStride + i]), sum);
    }
    x[to + i] = args.accumulate != 0 ? x[to + i] + sum : sum;
  }
}

// x[row] += y[row]
KERNEL(add)(ARGUMENTS(AddArguments), BUFFER(1, const float, y), BUFFER(2, float, x), POSITION) {
  const long from = (long)group.x * args.width;
  for (int i = (int)thread_index; i < args.width; i += 256) x[from + i] = x[from + i] + y[from + i];
}

// What a buffer begins with, noted: it was used, and is wired again (residency.h).
KERNEL(touch)(ARGUMENTS(TouchArguments), BUFFER(1, const int, buffer), BUFFER(2, int, noted), POSITION) {
  if (thread_index == 0) noted[args.place] = buffer[0];
}
