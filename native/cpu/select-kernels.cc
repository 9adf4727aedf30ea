#include "../core/failure.h"
#include "variants.h"

namespace conclave {
namespace {

std::vector<const Kernels*> listAvailable() {
  std::vector<const Kernels*> available;
#if defined(__x86_64__)
  __builtin_cpu_init();
  // Every processor with AVX2 has F16C, which not every compiler can ask for.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) available.push_back(&avx512Bf16Kernels);
  if (avx2) available.push_back(&avx2Kernels);
#elif defined(__aarch64__)
  available.push_back(&neonKernels);
#endif
  available.push_back(&referenceKernels);
  return available;
}

}  // namespace

const std::vector<const Kernels*>& availableKernels() {
  static const std::vector<const Kernels*> available = listAvailable();
  return available;
}

const Kernels& kernelsNamed(const std::string& name) {
  if (name.empty()) return *availableKernels().front();
  std::string names;
  for (const Kernels* kernels : availableKernels()) {
    if (name == kernels->name) return *kernels;
    names += names.empty() ? kernels->name : std::string(", ") + kernels->name;
  }
  throw Failure(FailureCode::invalidArgument, "unknown kernel variant '" + name + "'; this CPU runs " + names);
}

}  // namespace conclave
