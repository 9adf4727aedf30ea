// The experts' products, for rows sorted by expert (route.metal, group_slots). A dispatch has tiles for the worst case;
// those that are not needed, or whose experts lie in buffers of another dispatch, return at once.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "product.h"

// The buffers that a layer's experts lie in, 16 to a dispatch; where each lies in its own says the table.
#define OF_EXPERTS(type)                                                                     \
  BUFFER(1, const type, w0), BUFFER(2, const type, w1), BUFFER(3, const type, w2),           \
      BUFFER(4, const type, w3), BUFFER(5, const type, w4), BUFFER(6, const type, w5),       \
      BUFFER(7, const type, w6), BUFFER(8, const type, w7), BUFFER(9, const type, w8),       \
      BUFFER(10, const type, w9), BUFFER(11, const type, w10), BUFFER(12, const type, w11),  \
      BUFFER(13, const type, w12), BUFFER(14, const type, w13), BUFFER(15, const type, w14), \
      BUFFER(16, const type, w15)

// rows: which row of x a place multiplies. Biases are [places, outputs], or one for all where their stride is 0.
#define GATE_UP_KERNEL(name)                                                                              \
  KERNEL(name)(ARGUMENTS(ExpertArguments), OF_EXPERTS(WeightUnit), BUFFER(17, const int, table),          \
               BUFFER(18, const int, tiles), BUFFER(19, const int, rows), BUFFER(20, const InputUnit, x), \
               BUFFER(21, const float, gate_bias), BUFFER(22, const float, up_bias), BUFFER(23, Activation, y), POSITION)
#define DOWN_KERNEL(name)                                                                                 \
  KERNEL(name)(ARGUMENTS(ExpertArguments), OF_EXPERTS(WeightUnit), BUFFER(17, const int, table),          \
               BUFFER(18, const int, tiles), BUFFER(19, const int, rows), BUFFER(20, const InputUnit, x), \
               BUFFER(21, const float, bias), BUFFER(22, Activation, y), POSITION)

// Declares `first` place, `present` places and `weights` of tile `index`, or returns.
#define TAKE_TILE(type, index, most)                                                                      \
  const int tile = 1 + 3 * (index);                                                                       \
  if ((index) >= tiles[0]) return;                                                                        \
  const int expert = tiles[tile], buffer = table[2 * expert] - args.firstBuffer, first = tiles[tile + 1]; \
  const int present = most;                                                                               \
  if (buffer < 0 || buffer >= 16) return;                                                                 \
  DEVICE(const type) weights = w0;                                                                        \
  switch (buffer) {                                                                                       \
    case 1: weights = w1; break;                                                                          \
    case 2: weights = w2; break;                                                                          \
    case 3: weights = w3; break;                                                                          \
    case 4: weights = w4; break;                                                                          \
    case 5: weights = w5; break;                                                                          \
    case 6: weights = w6; break;                                                                          \
    case 7: weights = w7; break;                                                                          \
    case 8: weights = w8; break;                                                                          \
    case 9: weights = w9; break;                                                                          \
    case 10: weights = w10; break;                                                                        \
    case 11: weights = w11; break;                                                                        \
    case 12: weights = w12; break;                                                                        \
    case 13: weights = w13; break;                                                                        \
    case 14: weights = w14; break;                                                                        \
    case 15: weights = w15; break;                                                                        \
    default: break;                                                                                       \
  }                                                                                                       \
  weights = weights + (long)table[2 * expert + 1] * (16 / (int)sizeof(type));

// y[place] = the vector of the place's expert
KERNEL(gather_vectors)(ARGUMENTS(GatherArguments), OF_EXPERTS(float), BUFFER(17, const int, table),
                       BUFFER(18, const int, tiles), BUFFER(19, float, y), POSITION) {
  TAKE_TILE(float, (int)group.x, tiles[tile + 2])
  for (int i = (int)thread_index; i < present * args.width; i += 256) {
    y[(long)first * args.width + i] = weights[i % args.width];
  }
}

// activation(gate) * up
static inline float gated(CONSTANT(ExpertArguments) args, float gate, float up) {
  if (args.function == geluFunction) return 0.5f * gate * (1.0f + erf_of(gate * 0.70710678f)) * up;
  if (args.function == geluTanhFunction) {
    const float inner = 0.79788456f * (gate + 0.044715f * gate * gate * gate);
    return 0.5f * gate * (1.0f + tanh_of(inner)) * up;
  }
  if (args.function == clampedSwigluFunction) {
    const float g = gate > args.limit ? args.limit : gate;
    const float low = up < -args.limit ? -args.limit : up, u = low > args.limit ? args.limit : low;
    return (u + 1.0f) * (g * sigmoid_of(args.alpha * g));
  }
  return gate / (1.0f + exponential(-gate)) * up;
}

static inline float with_bias(CONSTANT(ExpertArguments) args, DEVICE(const float) bias, int place, int output,
                              float value) {
  return args.bias != 0 && output < args.outputs ? value + bias[(long)place * args.biasStride + output] : value;
}

// What pads a row to an even number is zero: it meets a panel's padding.
static inline void put(DEVICE(Activation) y, CONSTANT(ExpertArguments) args, int place, int output, float value) {
  if (output < args.yStride) {
    y[(long)place * args.yStride + output] = output < args.outputs ? to_activation(value) : (Activation)0;
  }
}

#define PUT_GATED(place, output, gate, up) \
  put(y, args, place, output,              \
      gated(args, with_bias(args, gate_bias, place, output, gate), with_bias(args, up_bias, place, output, up)))

// y[place] = activation(gate x) * (up x): a panel of gate and its panel of up lie side by side.
#define GATE_UP_IN_LANES(name, most)                                                                                         \
  GATE_UP_KERNEL(name) {                                                                                                     \
    TAKE_TILE(WeightUnit, args.start.y + (int)group.y, min(most, (int)tiles[tile + 2]))                                      \
    const int panel = (args.start.x + (int)group.x) * TILE_SIMDGROUPS + (int)simdgroup;                                      \
    if (panel * 32 >= args.outputs) return;                                                                                  \
    const long units = panel_units(args.format, args.inputs);                                                                \
    DEVICE(const WeightUnit) gate_panel = weights + 2 * panel * units;                                                       \
    float gate[most], up[most];                                                                                              \
    multiply_in_lanes<most>(gate_panel, args.format, x, rows + first, present, args.xStride, args.inputs, lane, gate);       \
    multiply_in_lanes<most>(gate_panel + units, args.format, x, rows + first, present, args.xStride, args.inputs, lane, up); \
    for (int r = 0; r < present; ++r) PUT_GATED(first + r, panel * 32 + (int)lane, gate[r], up[r]);                          \
  }

#define GATE_UP_IN_MATRICES(name, most)                                                                                    \
  GATE_UP_KERNEL(name) {                                                                                                   \
    MATRIX_STAGES(most);                                                                                                   \
    THREADGROUP_ARRAY(float, gate, most * 32);                                                                             \
    THREADGROUP_ARRAY(float, up, most * 32);                                                                               \
    TAKE_TILE(WeightUnit, args.start.y + (int)group.y, min(most, (int)tiles[tile + 2]))                                    \
    const int panel = args.start.x + (int)group.x;                                                                         \
    const long units = panel_units(args.format, args.inputs);                                                              \
    DEVICE(const WeightUnit) gate_panel = weights + 2 * panel * units;                                                     \
    multiply_in_matrices<most>(gate_panel, args.format, x, rows + first, present, args.xStride, args.inputs, thread_index, \
                               lane, simdgroup, x_stage, w_stage, sums, gate);                                             \
    threadgroup_barrier(mem_flags::mem_threadgroup);                                                                       \
    multiply_in_matrices<most>(gate_panel + units, args.format, x, rows + first, present, args.xStride, args.inputs,       \
                               thread_index, lane, simdgroup, x_stage, w_stage, sums, up);                                 \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                                 \
      PUT_GATED(first + i / 32, panel * 32 + i % 32, gate[i], up[i]);                                                      \
    }                                                                                                                      \
  }

#define PUT_BIASED(place, output, value) put(y, args, place, output, with_bias(args, bias, place, output, value))

// y[place] = down x[place]
#define DOWN_IN_LANES(name, most)                                                                                                         \
  DOWN_KERNEL(name) {                                                                                                                     \
    TAKE_TILE(WeightUnit, args.start.y + (int)group.y, min(most, (int)tiles[tile + 2]))                                                   \
    const int panel = (args.start.x + (int)group.x) * TILE_SIMDGROUPS + (int)simdgroup;                                                   \
    if (panel * 32 >= args.outputs) return;                                                                                               \
    float sum[most];                                                                                                                      \
    multiply_in_lanes<most>(weights + panel * panel_units(args.format, args.inputs), args.format, x, rows + first, present, args.xStride, \
                            args.inputs, lane, sum);                                                                                      \
    for (int r = 0; r < present; ++r) PUT_BIASED(first + r, panel * 32 + (int)lane, sum[r]);                                              \
  }

#define DOWN_IN_MATRICES(name, most)                                                                                           \
  DOWN_KERNEL(name) {                                                                                                          \
    MATRIX_STAGES(most);                                                                                                       \
    THREADGROUP_ARRAY(float, products, most * 32);                                                                             \
    TAKE_TILE(WeightUnit, args.start.y + (int)group.y, min(most, (int)tiles[tile + 2]))                                        \
    const int panel = args.start.x + (int)group.x;                                                                             \
    multiply_in_matrices<most>(weights + panel * panel_units(args.format, args.inputs), args.format, x, rows + first, present, \
                               args.xStride, args.inputs, thread_index, lane, simdgroup, x_stage, w_stage, sums,               \
                               products);                                                                                      \
    for (int i = (int)thread_index; i < present * 32; i += TILE_THREADS) {                                                     \
      PUT_BIASED(first + i / 32, panel * 32 + i % 32, products[i]);                                                            \
    }                                                                                                                          \
  }

GATE_UP_IN_LANES(expert_gate_up_lanes_1, 1)
GATE_UP_IN_LANES(expert_gate_up_lanes_8, 8)
GATE_UP_IN_MATRICES(expert_gate_up_matrices_8, 8)
GATE_UP_IN_MATRICES(expert_gate_up_matrices_32, 32)
DOWN_IN_LANES(expert_down_lanes_1, 1)
DOWN_IN_LANES(expert_down_lanes_8, 8)
DOWN_IN_MATRICES(expert_down_matrices_8, 8)
DOWN_IN_MATRICES(expert_down_matrices_32, 32)
