// No include guard: kernels.cc includes this once per type of weights, in a namespace of its own; and once per type of
// activations for packed formats, which only kernels that read matrices have. The .metal sources as C++, and their
// table.
#undef CONCLAVE_NORMS_H
#undef CONCLAVE_NUMBERS_H
#undef CONCLAVE_PACKED_H
#undef PAIRS_AHEAD
#undef STAGED_ELEMENTS
#undef CONCLAVE_PRODUCT_H

namespace {

#include "../kernels/embed.metal"
#include "../kernels/experts.metal"
#include "../kernels/multiply.metal"
#if !defined(CONCLAVE_PACKED)
#include "../kernels/attention.metal"
#include "../kernels/heads.metal"
#include "../kernels/route.metal"
#include "../kernels/rows.metal"
#endif

std::vector<Kernel> listKernels() {
#define ENTRY(name) KernelEntry<&name>::named(#name)
  return {
#if !defined(CONCLAVE_PACKED)
    ENTRY(embed), ENTRY(normalize), ENTRY(add_and_normalize), ENTRY(add_bias), ENTRY(scale_rows), ENTRY(cap_rows),
        ENTRY(widen), ENTRY(sum_outputs), ENTRY(add_outputs), ENTRY(add_rows), ENTRY(touch), ENTRY(shape_heads),
        ENTRY(attend_row), ENTRY(attend_blocks), ENTRY(merge_blocks), ENTRY(choose_experts), ENTRY(group_slots),
        ENTRY(gather_vectors),
#endif
        ENTRY(embed_panels), ENTRY(multiply_lanes_1), ENTRY(multiply_lanes_8), ENTRY(multiply_matrices_8),
        ENTRY(multiply_matrices_32), ENTRY(expert_gate_up_lanes_1), ENTRY(expert_gate_up_lanes_8),
        ENTRY(expert_gate_up_matrices_8), ENTRY(expert_gate_up_matrices_32), ENTRY(expert_down_lanes_1),
        ENTRY(expert_down_lanes_8), ENTRY(expert_down_matrices_8), ENTRY(expert_down_matrices_32)
  };
#undef ENTRY
}

}  // namespace
