#include "kernel-cases.h"

namespace conclave::test {

std::vector<KernelCase> kernelCases(uint32_t seed) {
  Random random(seed);
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    addRowCases(random, dtype, cases);
    addAttentionCases(random, dtype, cases);
    addRouteCases(random, dtype, cases);
    addProductCases(random, dtype, cases);
  }
  return cases;
}

}  // namespace conclave::test
