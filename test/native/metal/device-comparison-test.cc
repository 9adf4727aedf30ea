// On a Mac: every kernel on its GPU against f64 arithmetic and against the emulated device; `npm run verify:metal`
// keeps the lines it prints. Elsewhere there is no GPU, and the comparison itself is tried on two emulated ones.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "../../../native/core/failure.h"
#include "../../../native/metal/apple-device.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "kernel-cases.h"

using namespace conclave;
using namespace conclave::test;

namespace {

// Both relative to the largest expected value.
struct Comparison {
  double error, distance;
  bool sameBits;
};

Comparison compare(const KernelCase& kernelCase, GpuDevice& device, GpuDevice& emulated) {
  const std::vector<float> actual = kernelCase.run(device), reference = kernelCase.run(emulated);
  double error = 0, distance = 0, scale = 1e-30;
  for (size_t i = 0; i < actual.size(); ++i) {
    error = std::max(error, std::fabs(actual[i] - kernelCase.expected[i]));
    distance = std::max(distance, static_cast<double>(std::fabs(actual[i] - reference[i])));
    scale = std::max(scale, std::fabs(kernelCase.expected[i]));
  }
  const bool sameBits = std::memcmp(actual.data(), reference.data(), actual.size() * sizeof(float)) == 0;
  return {error / scale, distance / scale, sameBits};
}

// One line per kernel: name, error against f64, distance from the emulated device, whether the bits are the same.
void compareAll(GpuDevice& device, const char* label) {
  EmulatedDevice emulated;
  for (const KernelCase& kernelCase : kernelCases(7)) {
    const Comparison c = compare(kernelCase, device, emulated);
    std::printf("  %s | %s | %.2e | %.2e | %s\n", label, kernelCase.name.c_str(), c.error, c.distance,
                c.sameBits ? "same bits" : "other bits");
    CHECK(c.error <= kernelCase.tolerance, kernelCase.name + ": error " + std::to_string(c.error));
  }
}

}  // namespace

TEST("another emulated device has the bits of the first in every kernel") {
  EmulatedOptions options;
  options.seed = 99;
  EmulatedDevice device(options), emulated;
  for (const KernelCase& kernelCase : kernelCases(7)) {
    const Comparison c = compare(kernelCase, device, emulated);
    CHECK(c.sameBits && c.distance == 0 && c.error <= kernelCase.tolerance, kernelCase.name);
  }
}

TEST("this machine's GPU, if it has one, agrees with f64 arithmetic in every kernel") {
  try {
    const auto device = openAppleDevice();
    compareAll(*device, "gpu");
  } catch (const Failure& failure) {
    if (failure.code != FailureCode::unavailable) throw;
    std::printf("  not compared: %s\n", failure.what());
  }
}
