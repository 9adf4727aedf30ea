// Every kernel at odd shapes, with what it must give by plain f64 arithmetic. kernels-test.cc runs the cases as they
// are, mutations-test.cc with something broken.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "../../../native/metal/gpu-device.h"
#include "../check.h"

namespace conclave::test {

struct KernelCase {
  std::string name;
  /** Runs the kernel with buffers of exactly the size it needs, and returns all it wrote as f32. */
  std::function<std::vector<float>(GpuDevice& device)> run;
  std::vector<double> expected;
  // Largest error allowed, relative to the largest expected value.
  double tolerance;
};

/** The same cases for the same seed. */
std::vector<KernelCase> kernelCases(uint32_t seed);

// The cases of one type of weights or activations, kernel by kernel: row-cases.cc and so on.
void addEmbeddingCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addHeadCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addRowCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addAttentionCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addRouteCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addProductCases(Random& random, DType dtype, std::vector<KernelCase>& cases);
void addPackedCases(Random& random, DType activations, std::vector<KernelCase>& cases);

}  // namespace conclave::test
