// The variants that exist for this architecture; select-kernels.cc asks the CPU which of them it can run.
#pragma once
#include "kernels.h"

namespace conclave {

extern const Kernels referenceKernels;

/**
 * The product by panels of a packed format (docs/design.md#numerics-v2). For each group of inputs, ascending: sum = the
 * product of codes and inputs, in the order of the plain formats; then acc = fma(scale, sum, acc), for affine formats
 * acc = fma(scale, sum, fma(bias, inputs, acc)) with the sum of the group's inputs, in the same order.
 */
void multiplyPacked(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);

#if defined(__x86_64__)
extern const Kernels avx2Kernels;
extern const Kernels avx512Bf16Kernels;
#elif defined(__aarch64__)
extern const Kernels neonKernels;
#endif

}  // namespace conclave
