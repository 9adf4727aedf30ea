// Every kernel, at odd shapes and for every type of weights, gives what f64 arithmetic gives within the tolerance of
// the result's type, and the same bits in whatever order its threads and threadgroups run.
#include <cmath>
#include <cstring>

#include "../../../native/metal/emulated/emulated-device.h"
#include "kernel-cases.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr int shuffles = 10;

std::vector<float> runShuffled(const KernelCase& kernelCase, uint32_t seed) {
  EmulatedOptions options;
  options.seed = seed;
  EmulatedDevice device(options);
  return kernelCase.run(device);
}

// Largest error, relative to the largest expected value.
double errorOf(const std::vector<float>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return INFINITY;
  double error = 0, scale = 1e-30;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double distance = std::fabs(actual[i] - expected[i]);
    error = std::max(error, std::isnan(distance) ? double{INFINITY} : distance);
    scale = std::max(scale, std::fabs(expected[i]));
  }
  return error / scale;
}

}  // namespace

TEST("kernels agree with f64 arithmetic, in ten orders of threads with the same bits") {
  for (const uint32_t seed : {1u, 2u}) {
    for (const KernelCase& kernelCase : kernelCases(seed)) {
      const std::vector<float> first = runShuffled(kernelCase, 1);
      const double error = errorOf(first, kernelCase.expected);
      CHECK(error <= kernelCase.tolerance, kernelCase.name + ": error " + std::to_string(error));
      for (uint32_t order = 2; order <= shuffles && seed == 1; ++order) {
        const std::vector<float> other = runShuffled(kernelCase, order);
        CHECK(other.size() == first.size() && std::memcmp(other.data(), first.data(), first.size() * 4) == 0,
              kernelCase.name + ": order " + std::to_string(order) + " has other bits");
      }
    }
  }
}
