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

// Elements of a row that a threadgroup stages at a time; a multiple of the virtual lanes, so that each goes on with its own.
#define STAGED_ELEMENTS 1024

// One virtual lane's part, in the first 16 threads, of the sum of a row or of squared distances from its mean. The whole
// threadgroup loads the row: 16 threads alone would wait for one load after the other.
static inline float staged_lane_sum(DEVICE(const float) x, int width, bool squares, float mean, THREADGROUP(float) stage,
                                    uint thread_index) {
  float sum = 0.0f;
  for (int first = 0; first < width; first += STAGED_ELEMENTS) {
    const int count = min(STAGED_ELEMENTS, width - first);
    if (first > 0) threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int i = (int)thread_index; i < count; i += 256) stage[i] = x[first + i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int i = (int)thread_index; i < count && thread_index < 16; i += 16) {
      const float distance = stage[i] - mean;
      sum = squares ? fma(distance, distance, sum) : sum + distance;
    }
  }
  return sum;
}

// Of a row, by a threadgroup. stage: [STAGED_ELEMENTS]; lanes: [2, 16].
static inline Moments moments_of(DEVICE(const float) x, CONSTANT(NormArguments) norm, THREADGROUP(float) stage,
                                 THREADGROUP(float) lanes, uint thread_index) {
  Moments moments;
  moments.mean = 0.0f;
  if (norm.centred != 0) {
    const float sum = staged_lane_sum(x, norm.width, false, 0.0f, stage, thread_index);
    if (thread_index < 16) lanes[thread_index] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    moments.mean = sum_of_lanes(lanes) / (float)norm.width;
  }
  const float sum = staged_lane_sum(x, norm.width, true, moments.mean, stage, thread_index);
  if (thread_index < 16) lanes[16 + thread_index] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  moments.scale = norm_scale(sum_of_lanes(lanes + 16), norm);
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
