// The variants that exist for this architecture; select-kernels.cc asks the CPU which of them it can run.
#pragma once
#include "kernels.h"

namespace conclave {

extern const Kernels referenceKernels;

#if defined(__x86_64__)
extern const Kernels avx2Kernels;
extern const Kernels avx512Bf16Kernels;
#elif defined(__aarch64__)
extern const Kernels neonKernels;
#endif

}  // namespace conclave
