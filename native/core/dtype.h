// Storage types of weights, and what each implies for activations (docs/design.md#numerics-v1).
#pragma once
#include <cstddef>
#include <cstdint>

namespace conclave {

// Numbered as in addon-types.ts.
enum class DType : int32_t { f32 = 0, f16 = 1, bf16 = 2 };

constexpr size_t bytesPerWeight(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

// Activations that enter a matrix product: bf16 models round them to bf16, the others keep f32. KV is stored likewise.
constexpr DType activationType(DType weights) { return weights == DType::bf16 ? DType::bf16 : DType::f32; }

}  // namespace conclave
