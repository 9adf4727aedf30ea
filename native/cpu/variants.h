// The variants that exist for this architecture; select-kernels.cc asks the CPU which of them it can run.
#pragma once
#include "kernels.h"

namespace conclave {

// The product by packed panels (Kernels::matmul). In files of their own: beside them, the compiler makes other code of
// the products by plain ones.
using MultiplyPacked = void (*)(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);

extern const Kernels referenceKernels;

#if defined(__x86_64__)
void multiplyPackedAvx2(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);
void multiplyPackedAvx512Bf16(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);
extern const Kernels avx2Kernels;
extern const Kernels avx512Bf16Kernels;
#elif defined(__aarch64__)
void multiplyPackedNeon(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);
extern const Kernels neonKernels;
#endif

}  // namespace conclave
