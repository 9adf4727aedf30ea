// The experts' products, for rows sorted by expert (route.metal, group_slots). A dispatch has tiles for the worst case;
// those that are not needed, or belong to experts of another dispatch, return at once.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "product.h"

// One expert's weights are one pack, hence one buffer: 16 experts to a dispatch.
#define EXPERT_WEIGHTS                                                                                        \
  BUFFER(5, const WeightUnit, w0), BUFFER(6, const WeightUnit, w1), BUFFER(7, const WeightUnit, w2),          \
      BUFFER(8, const WeightUnit, w3), BUFFER(9, const WeightUnit, w4), BUFFER(10, const WeightUnit, w5),     \
      BUFFER(11, const WeightUnit, w6), BUFFER(12, const WeightUnit, w7), BUFFER(13, const WeightUnit, w8),   \
      BUFFER(14, const WeightUnit, w9), BUFFER(15, const WeightUnit, w10), BUFFER(16, const WeightUnit, w11), \
      BUFFER(17, const WeightUnit, w12), BUFFER(18, const WeightUnit, w13), BUFFER(19, const WeightUnit, w14), \
      BUFFER(20, const WeightUnit, w15)

// rows: which row of x a place multiplies.
#define EXPERT_KERNEL(name)                                                                                  \
  KERNEL(name)(ARGUMENTS(ExpertArguments), BUFFER(1, const int, tiles), BUFFER(2, const int, rows),          \
               BUFFER(3, const InputUnit, x), BUFFER(4, Activation, y), EXPERT_WEIGHTS, POSITION)

// Declares `expert`, `first` place, `present` places and `weights` of tile start.y + group.y, or returns.
#define TAKE_TILE(most)                                                                           \
  const int index = args.start.y + (int)group.y, tile = 1 + 3 * index;                          \
  if (index >= tiles[0]) return;                                                                \
  const int expert = tiles[tile] - args.firstExpert, first = tiles[tile + 1];                   \
  const int present = min(most, (int)tiles[tile + 2]);                                                          \
  if (expert < 0 || expert >= 16) return;                                                       \
  DEVICE(const WeightUnit) weights = w0;                                                        \
  switch (expert) {                                                                             \
    case 1: weights = w1; break;                                                                \
    case 2: weights = w2; break;                                                                \
    case 3: weights = w3; break;                                                                \
    case 4: weights = w4; break;                                                                \
    case 5: weights = w5; break;                                                                \
    case 6: weights = w6; break;                                                                \
    case 7: weights = w7; break;                                                                \
    case 8: weights = w8; break;                                                                \
    case 9: weights = w9; break;                                                                \
    case 10: weights = w10; break;                                                              \
    case 11: weights = w11; break;                                                              \
    case 12: weights = w12; break;                                                              \
    case 13: weights = w13; break;                                                              \
    case 14: weights = w14; break;                                                              \
    case 15: weights = w15; break;                                                              \
    default: break;                                                                             \
  }

// silu(gate) * up
static inline float gated(float gate, float up) { return gate / (1.0f + exponential(-gate)) * up; }

static inline void put(DEVICE(Activation) y, CONSTANT(ExpertArguments) args, int place, int output, float value) {
  if (output < args.outputs) y[(long)place * args.yStride + output] = to_activation(value);
}

// y[place] = silu(w1 x) * (v1 x): a panel of w1 and its panel of v1 lie side by side.
#define GATE_UP_IN_LANES(name, most)                                                                              \
  EXPERT_KERNEL(name) {                                                                                           \
    TAKE_TILE(most)                                                                                                     \
    const int panel = (args.start.x + (int)group.x) * TILE_SIMDGROUPS + (int)simdgroup;                                               \
    if (panel * 32 >= args.outputs) return;                                                                       \
    const long units = panel_units(args.inputs);                                                                  \
    DEVICE(const WeightUnit) gate_panel = weights + 2 * panel * units;                                            \
    float gate[most], up[most];                                                                                   \
    multiply_in_lanes<most>(gate_panel, x, rows + first, present, args.xStride, args.inputs, lane, gate);         \
    multiply_in_lanes<most>(gate_panel + units, x, rows + first, present, args.xStride, args.inputs, lane, up);   \
    for (int r = 0; r < present; ++r) put(y, args, first + r, panel * 32 + (int)lane, gated(gate[r], up[r]));     \
  }

#define GATE_UP_IN_MATRICES(name, most)                                                                           \
  EXPERT_KERNEL(name) {                                                                                           \
    MATRIX_STAGES(most);                                                                                          \
    THREADGROUP_ARRAY(float, gate, most * 32);                                                                    \
    THREADGROUP_ARRAY(float, up, most * 32);                                                                      \
    TAKE_TILE(most)                                                                                                     \
    const int panel = args.start.x + (int)group.x;                                                                               \
    const long units = panel_units(args.inputs);                                                                  \
    DEVICE(const WeightUnit) gate_panel = weights + 2 * panel * units;                                            \
    multiply_in_matrices<most>(gate_panel, x, rows + first, present, args.xStride, args.inputs, thread_index,     \
                               lane, simdgroup, x_stage, w_stage, sums, gate);                                    \
    threadgroup_barrier(mem_flags::mem_threadgroup);                                                              \
    multiply_in_matrices<most>(gate_panel + units, x, rows + first, present, args.xStride, args.inputs,           \
                               thread_index, lane, simdgroup, x_stage, w_stage, sums, up);                        \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                        \
      put(y, args, first + i / 32, panel * 32 + i % 32, gated(gate[i], up[i]));                                   \
    }                                                                                                             \
  }

// y[place] = w2 x[place]
#define DOWN_IN_LANES(name, most)                                                                                 \
  EXPERT_KERNEL(name) {                                                                                           \
    TAKE_TILE(most)                                                                                                     \
    const int panel = (args.start.x + (int)group.x) * TILE_SIMDGROUPS + (int)simdgroup;                                               \
    if (panel * 32 >= args.outputs) return;                                                                       \
    float sum[most];                                                                                              \
    multiply_in_lanes<most>(weights + panel * panel_units(args.inputs), x, rows + first, present, args.xStride,   \
                            args.inputs, lane, sum);                                                              \
    for (int r = 0; r < present; ++r) put(y, args, first + r, panel * 32 + (int)lane, sum[r]);                    \
  }

#define DOWN_IN_MATRICES(name, most)                                                                              \
  EXPERT_KERNEL(name) {                                                                                           \
    MATRIX_STAGES(most);                                                                                          \
    THREADGROUP_ARRAY(float, products, most * 32);                                                                \
    TAKE_TILE(most)                                                                                                     \
    const int panel = args.start.x + (int)group.x;                                                                               \
    multiply_in_matrices<most>(weights + panel * panel_units(args.inputs), x, rows + first, present,              \
                               args.xStride, args.inputs, thread_index, lane, simdgroup, x_stage, w_stage, sums,  \
                               products);                                                                         \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                        \
      put(y, args, first + i / 32, panel * 32 + i % 32, products[i]);                                             \
    }                                                                                                             \
  }

GATE_UP_IN_LANES(expert_gate_up_lanes_1, 1)
GATE_UP_IN_LANES(expert_gate_up_lanes_8, 8)
GATE_UP_IN_MATRICES(expert_gate_up_matrices_8, 8)
GATE_UP_IN_MATRICES(expert_gate_up_matrices_32, 32)
DOWN_IN_LANES(expert_down_lanes_1, 1)
DOWN_IN_LANES(expert_down_lanes_8, 8)
DOWN_IN_MATRICES(expert_down_matrices_8, 8)
DOWN_IN_MATRICES(expert_down_matrices_32, 32)
