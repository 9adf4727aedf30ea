#include "kernels.h"

#include "../../core/failure.h"
#include "../kernels/kernel-args.h"
#include "metal-language.h"

// Once per type of weights.
namespace conclave::emulated::f32 {
#define CONCLAVE_DTYPE 0
#include "compile-kernels.h"
#undef CONCLAVE_DTYPE
}  // namespace conclave::emulated::f32

namespace conclave::emulated::f16 {
#define CONCLAVE_DTYPE 1
#include "compile-kernels.h"
#undef CONCLAVE_DTYPE
}  // namespace conclave::emulated::f16

namespace conclave::emulated::bf16 {
#define CONCLAVE_DTYPE 2
#include "compile-kernels.h"
#undef CONCLAVE_DTYPE
}  // namespace conclave::emulated::bf16

// Once per type of activations, for any packed format.
#define CONCLAVE_PACKED
namespace conclave::emulated::packedWithF32 {
#define CONCLAVE_DTYPE 0
#include "compile-kernels.h"
#undef CONCLAVE_DTYPE
}  // namespace conclave::emulated::packedWithF32

namespace conclave::emulated::packedWithBf16 {
#define CONCLAVE_DTYPE 2
#include "compile-kernels.h"
#undef CONCLAVE_DTYPE
}  // namespace conclave::emulated::packedWithBf16

namespace conclave::emulated {

const std::vector<Kernel>& kernelsFor(const KernelTypes& types) {
  static const std::vector<Kernel> kernels[] = {f32::listKernels(), f16::listKernels(), bf16::listKernels(),
                                                packedWithF32::listKernels(), packedWithBf16::listKernels()};
  if (types.isPacked()) return kernels[types.activations == DType::f32 ? 3 : 4];
  return kernels[static_cast<size_t>(types.codes)];
}

uint32_t writtenBuffers(const std::string& kernel) {
  for (const Kernel& known : kernelsFor(DType::f32)) {
    if (kernel == known.name) return known.writes;
  }
  throw Failure(FailureCode::unavailable, "there is no kernel " + kernel);
}

}  // namespace conclave::emulated
