#include "kernel-cases.h"

namespace conclave::test {

std::vector<KernelCase> kernelCases(uint32_t seed) {
  Random random(seed);
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    addEmbeddingCases(random, dtype, cases);
    addProductCases(random, dtype, cases);
    // What reads no matrix is compiled for activations.
    if (dtype == DType::f16) continue;
    addRowCases(random, dtype, cases);
    addHeadCases(random, dtype, cases);
    addAttentionCases(random, dtype, cases);
    addRouteCases(random, dtype, cases);
    addPackedCases(random, dtype, cases);
  }
  return cases;
}

}  // namespace conclave::test
