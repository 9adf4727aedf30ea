// RMS and layer norms of a row: sums over 16 virtual lanes, as cpu/row-kernels.h has them.
//
// Guarded as numbers.h is.
#if !defined(CONCLAVE_NORMS_H)
#define CONCLAVE_NORMS_H

// What is subtracted from a row's elements, and what they are multiplied by then.
struct Moments {
  float mean, scale;
};

// One virtual lane's part of the sum, and of the sum of squared distances.
static inline float lane_sum(DEVICE(const float) x, int width, int lane) {
  float sum = 0.0f;
  for (int i = lane; i < width; i += 16) sum = sum + x[i];
  return sum;
}
static inline float lane_squares(DEVICE(const float) x, int width, int lane, float mean) {
  float sum = 0.0f;
  for (int i = lane; i < width; i += 16) {
    const float distance = x[i] - mean;
    sum = fma(distance, distance, sum);
  }
  return sum;
}

static inline float norm_scale(float squares, CONSTANT(NormArguments) norm) {
  return 1.0f / precise::sqrt(squares / (float)norm.width + norm.epsilon);
}

static inline float normalized(float x, float weight, Moments moments, CONSTANT(NormArguments) norm) {
  const float unit = (x - moments.mean) * moments.scale;
  return (norm.rounds != 0 ? round_to_activation(unit) : unit) * weight;
}

// Of a row, by a threadgroup. sums and squares: [16] each.
static inline Moments moments_of(DEVICE(const float) x, CONSTANT(NormArguments) norm, THREADGROUP(float) sums,
                                 THREADGROUP(float) squares, uint thread_index) {
  Moments moments;
  moments.mean = 0.0f;
  if (norm.centred != 0) {
    if (thread_index < 16) sums[thread_index] = lane_sum(x, norm.width, (int)thread_index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    moments.mean = sum_of_lanes(sums) / (float)norm.width;
  }
  if (thread_index < 16) squares[thread_index] = lane_squares(x, norm.width, (int)thread_index, moments.mean);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  moments.scale = norm_scale(sum_of_lanes(squares), norm);
  return moments;
}

// The same by one simdgroup; every lane gets them.
static inline Moments moments_in_simdgroup(DEVICE(const float) x, CONSTANT(NormArguments) norm, uint lane) {
  Moments moments;
  moments.mean = 0.0f;
  if (norm.centred != 0) {
    moments.mean = sum_in_simdgroup(lane_sum(x, norm.width, (int)lane % 16)) / (float)norm.width;
  }
  moments.scale = norm_scale(sum_in_simdgroup(lane_squares(x, norm.width, (int)lane % 16, moments.mean)), norm);
  return moments;
}

#endif
