// Gated MLPs as dispatches: a MoE layer's experts, or one that all rows go through.
#pragma once
#include "../core/program.h"
#include "encoding-context.h"

namespace conclave {

// Slots to compute: `experts` and `rows` are i32 [slots] on the GPU, x holds the rows; `table`, i32 [experts], is
// negative where those of an expert are left out.
struct SlotViews {
  int32_t slots, rows;
  GpuView experts, rowsOfSlots, table, x;
};

/** Throws Failure where experts of one layer have matrices of different formats. */
void requireSameFormats(const ModelDescription& description, const ModelWeights& weights);

/** outputs[place] = expert(x[row]) for every slot, and where each slot's place is. */
void encodeExperts(const EncodingContext& context, GpuCommands& to, int32_t layer, const SlotViews& slots);

/** y = the MLP of all normalized rows, without its last bias; y: f32 [rows, dModel]. */
void encodeMlp(const EncodingContext& context, GpuCommands& to, const ModelWeights& weights, int32_t layer,
               const RunMlp& run, GpuView y);

}  // namespace conclave
