// Products of all rows with one matrix: qkv, attention's output, router, lm_head.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "product.h"

#define MULTIPLY(name)                                                                                        \
  KERNEL(name)(ARGUMENTS(MultiplyArguments), BUFFER(1, const int, rows), BUFFER(2, const InputUnit, x),       \
               BUFFER(3, const WeightUnit, weights), BUFFER(4, float, y), POSITION)

static inline void put(DEVICE(float) y, CONSTANT(MultiplyArguments) args, int row, int output, float value) {
  if (output >= args.outputs) return;
  const long at = (long)row * args.yStride + output;
  y[at] = args.accumulate != 0 ? y[at] + value : value;
}

// column: four panels, one per simdgroup; tile: of rows.
#define MULTIPLY_IN_LANES(name, most)                                                                          \
  MULTIPLY(name) {                                                                                             \
    const int column = args.start.x + (int)group.x, tile = args.start.y + (int)group.y;                        \
    const int panel = column * TILE_SIMDGROUPS + (int)simdgroup, first = tile * most;                          \
    if (panel * 32 >= args.outputs) return;                                                                    \
    const int present = min(most, args.rows - first);                                                          \
    float sum[most];                                                                                           \
    multiply_in_lanes<most>(weights + panel * panel_units(args.inputs), x, rows + first, present, args.xStride, \
                            args.inputs, lane, sum);                                                           \
    for (int r = 0; r < present; ++r) put(y, args, first + r, panel * 32 + (int)lane, sum[r]);                 \
  }

// panel: of outputs; tile: of rows.
#define MULTIPLY_IN_MATRICES(name, most)                                                                      \
  MULTIPLY(name) {                                                                                            \
    MATRIX_STAGES(most);                                                                                      \
    THREADGROUP_ARRAY(float, products, most * 32);                                                            \
    const int panel = args.start.x + (int)group.x, tile = args.start.y + (int)group.y;                        \
    const int first = tile * most, present = min(most, args.rows - first);                                    \
    multiply_in_matrices<most>(weights + panel * panel_units(args.inputs), x, rows + first, present,          \
                               args.xStride, args.inputs, thread_index, lane, simdgroup, x_stage, w_stage,    \
                               sums, products);                                                               \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                    \
      put(y, args, first + i / 32, panel * 32 + i % 32, products[i]);                                         \
    }                                                                                                         \
  }

MULTIPLY_IN_LANES(multiply_lanes_1, 1)
MULTIPLY_IN_LANES(multiply_lanes_8, 8)
MULTIPLY_IN_MATRICES(multiply_matrices_8, 8)
MULTIPLY_IN_MATRICES(multiply_matrices_32, 32)
