// Products of all rows with up to three matrices of the same inputs: query, key and value; or with one: attention's
// output, the router, a dense MLP's, the head.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "product.h"

#define MULTIPLY(name)                                                                                            \
  KERNEL(name)(ARGUMENTS(MultiplyArguments), BUFFER(1, const int, rows), BUFFER(2, const InputUnit, x),           \
               BUFFER(3, const WeightUnit, w0), BUFFER(4, const WeightUnit, w1), BUFFER(5, const WeightUnit, w2), \
               BUFFER(6, float, y), POSITION)

// Declares the `part` that has panel `at` of all parts, counted from the first, and the part's `weights` and `panel`.
#define TAKE_PART(at)                    \
  int panel = at, which = 0;             \
  DEVICE(const WeightUnit) weights = w0; \
  if (panel >= args.parts[0].panels) {   \
    panel -= args.parts[0].panels;       \
    which = 1;                           \
    weights = w1;                        \
    if (panel >= args.parts[1].panels) { \
      panel -= args.parts[1].panels;     \
      which = 2;                         \
      weights = w2;                      \
    }                                    \
  }                                      \
  CONSTANT(MatrixPart) part = args.parts[which];

static inline void put(DEVICE(float) y, CONSTANT(MultiplyArguments) args, CONSTANT(MatrixPart) part, int row, int output,
                       float value) {
  if (output < part.outputs) y[(long)row * args.yStride + part.column + output] = value;
}

// column: four panels, one per simdgroup; tile: of rows.
#define MULTIPLY_IN_LANES(name, most)                                                                              \
  MULTIPLY(name) {                                                                                                 \
    const int column = args.start.x + (int)group.x, tile = args.start.y + (int)group.y, first = tile * most;       \
    TAKE_PART(column * TILE_SIMDGROUPS + (int)simdgroup)                                                           \
    if (panel >= part.panels) return;                                                                              \
    const int present = min(most, args.rows - first);                                                              \
    float sum[most];                                                                                               \
    multiply_in_lanes<most>(weights + panel * panel_units(args.format, args.inputs), args.format, x, rows + first, \
                            present, args.xStride, args.inputs, lane, sum);                                        \
    for (int r = 0; r < present; ++r) put(y, args, part, first + r, panel * 32 + (int)lane, sum[r]);               \
  }

// A threadgroup has one panel of outputs; tile: of rows.
#define MULTIPLY_IN_MATRICES(name, most)                                                                                       \
  MULTIPLY(name) {                                                                                                             \
    MATRIX_STAGES(most);                                                                                                       \
    THREADGROUP_ARRAY(float, products, most * 32);                                                                             \
    const int first = (args.start.y + (int)group.y) * most, present = min(most, args.rows - first);                            \
    TAKE_PART(args.start.x + (int)group.x)                                                                                     \
    multiply_in_matrices<most>(weights + panel * panel_units(args.format, args.inputs), args.format, x, rows + first, present, \
                               args.xStride, args.inputs, thread_index, lane, simdgroup, x_stage, w_stage,                     \
                               sums, products);                                                                                \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                                     \
      put(y, args, part, first + i / 32, panel * 32 + i % 32, products[i]);                                                    \
    }                                                                                                                          \
  }

MULTIPLY_IN_LANES(multiply_lanes_1, 1)
MULTIPLY_IN_LANES(multiply_lanes_8, 8)
MULTIPLY_IN_MATRICES(multiply_matrices_8, 8)
MULTIPLY_IN_MATRICES(multiply_matrices_32, 32)
