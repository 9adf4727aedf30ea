// The two ways to multiply a tile of rows by a panel of 32 outputs.
//
//   in lanes:    a lane per output, each row's sum along ascending pairs of inputs, the odd one's fma first: the order of
//                every CPU kernel, hence its bits. 1 or 8 rows.
//   in matrices: 8 x 8 simdgroup matrices; the inputs are split over the threadgroup's 4 simdgroups, whose sums are
//                added in ascending order. 8 or 32 rows. How an 8 x 8 product adds up is the GPU's affair.
//
// Few rows go through the same padded tiles as many: rows that are not there repeat the last one and are not stored.
//
// Guarded as numbers.h is.
#if !defined(CONCLAVE_PRODUCT_H)
#define CONCLAVE_PRODUCT_H

#define TILE_THREADS 128
#define TILE_SIMDGROUPS 4

#if defined(CONCLAVE_PACKED)
#include "packed.h"
#else
// Units of a panel of `inputs` inputs.
static inline long panel_units(CONSTANT(PackedFormat), int inputs) {
#if CONCLAVE_DTYPE == 2
  return (long)(inputs / 2) * 32;
#else
  return (long)inputs * 32;
#endif
}

// Inputs i and i + 1 of one output of a panel; i is even.
static inline Pair weights_at(DEVICE(const WeightUnit) panel, CONSTANT(PackedFormat), int, int i, uint output) {
#if CONCLAVE_DTYPE == 2
  return unpack(panel[(i / 2) * 32 + (int)output]);
#else
  Pair pair;
  pair.even = weight_to_float(panel[i * 32 + (int)output]);
  pair.odd = weight_to_float(panel[(i + 1) * 32 + (int)output]);
  return pair;
#endif
}

// sum[r] for output `lane` of the panel. rows_of_tile: the tile's entries in the list of rows.
//
// A sum has one order, so lanes cannot share it: what a core loads at once comes from loads that are on their way together.
#define PAIRS_AHEAD 8

template <int most, int pairs>
static inline void add_pairs(DEVICE(const WeightUnit) panel, CONSTANT(PackedFormat) format, DEVICE(const InputUnit) x,
                             THREAD(const long) row_at, int inputs, int first, uint lane, THREAD(float) sum) {
  Pair w[pairs];
  for (int p = 0; p < pairs; ++p) w[p] = weights_at(panel, format, inputs, first + 2 * p, lane);
  for (int p = 0; p < pairs; ++p) {
    for (int r = 0; r < most; ++r) {
      const Pair input = inputs_at(x + row_at[r], first + 2 * p);
      sum[r] = fma(w[p].odd, input.odd, sum[r]);
      sum[r] = fma(w[p].even, input.even, sum[r]);
    }
  }
}

template <int most>
static inline void multiply_in_lanes(DEVICE(const WeightUnit) panel, CONSTANT(PackedFormat) format,
                                     DEVICE(const InputUnit) x, DEVICE(const int) rows_of_tile, int rows, int x_stride, int inputs, uint lane,
                                     THREAD(float) sum) {
  long row_at[most];
  for (int r = 0; r < most; ++r) {
    row_at[r] = input_units((long)rows_of_tile[min(r, rows - 1)] * x_stride);
    sum[r] = 0.0f;
  }
  int i = 0;
  for (; i + 2 * PAIRS_AHEAD <= inputs; i += 2 * PAIRS_AHEAD) {
    add_pairs<most, PAIRS_AHEAD>(panel, format, x, row_at, inputs, i, lane, sum);
  }
  for (; i < inputs; i += 2) add_pairs<most, 1>(panel, format, x, row_at, inputs, i, lane, sum);
}
#endif

// What a threadgroup keeps while it multiplies in matrices.
//   x_stage: per simdgroup [most rows, 8 inputs]; w_stage: per simdgroup [8 inputs, 32 outputs]
//   sums:    per simdgroup [8 rows, 32 outputs]
#define MATRIX_STAGES(most)                                     \
  THREADGROUP_ARRAY(float, x_stage, TILE_SIMDGROUPS * most * 8); \
  THREADGROUP_ARRAY(float, w_stage, TILE_SIMDGROUPS * 8 * 32);   \
  THREADGROUP_ARRAY(float, sums, TILE_SIMDGROUPS * 8 * 32)

// products: [most rows, 32 outputs]; element i is written by thread i % TILE_THREADS, which may read it at once. `sums`
// may be used again after a threadgroup barrier.
template <int most>
static inline void multiply_in_matrices(DEVICE(const WeightUnit) panel, CONSTANT(PackedFormat) format,
                                        DEVICE(const InputUnit) x, DEVICE(const int) rows_of_tile, int rows, int x_stride, int inputs,
                                        uint thread_index, uint lane, uint simdgroup, THREADGROUP(float) x_stages,
                                        THREADGROUP(float) w_stages, THREADGROUP(float) sums,
                                        THREADGROUP(float) products) {
  THREADGROUP(float) x_stage = x_stages + (int)simdgroup * most * 8;
  THREADGROUP(float) w_stage = w_stages + (int)simdgroup * 8 * 32;
  simdgroup_float8x8 sum[most / 8][4], a, b[4];
  for (int t = 0; t < most / 8; ++t) {
    for (int n = 0; n < 4; ++n) sum[t][n] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }
  const int steps = (inputs + 7) / 8, share = (steps + TILE_SIMDGROUPS - 1) / TILE_SIMDGROUPS;
  for (int step = (int)simdgroup * share; step < min(steps, ((int)simdgroup + 1) * share); ++step) {
    const int first = step * 8;
    for (int i = 0; i < 8; i += 2) {
      Pair w;
      w.even = w.odd = 0.0f;
      if (first + i < inputs) w = weights_at(panel, format, inputs, first + i, lane);
      w_stage[i * 32 + (int)lane] = w.even;
      w_stage[(i + 1) * 32 + (int)lane] = w.odd;
    }
    for (int n = (int)lane; n < most * 4; n += 32) {
      const int r = n / 4, i = n % 4 * 2;
      Pair input;
      input.even = input.odd = 0.0f;
      if (first + i < inputs) {
        input = inputs_at(x + input_units((long)rows_of_tile[min(r, rows - 1)] * x_stride), first + i);
      }
      x_stage[r * 8 + i] = input.even;
      x_stage[r * 8 + i + 1] = input.odd;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (int n = 0; n < 4; ++n) simdgroup_load(b[n], w_stage + n * 8, 32);
    for (int t = 0; t < most / 8; ++t) {
      simdgroup_load(a, x_stage + t * 64, 8);
      for (int n = 0; n < 4; ++n) simdgroup_multiply_accumulate(sum[t][n], a, b[n], sum[t][n]);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (int t = 0; t < most / 8; ++t) {
    if (t > 0) threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int n = 0; n < 4; ++n) simdgroup_store(sum[t][n], sums + (int)simdgroup * 256 + n * 8, 32);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int i = (int)thread_index; i < 256; i += TILE_THREADS) {
      float total = sums[i];
      for (int s = 1; s < TILE_SIMDGROUPS; ++s) total = total + sums[s * 256 + i];
      products[t * 256 + i] = total;
    }
  }
}

#endif
