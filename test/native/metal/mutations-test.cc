// The emulated device is worth something only if it notices: a barrier that is missing, two buffers in each other's
// place, a buffer that is too small. Each of these, one at a time, in every kernel, makes its case fail.
#include <cmath>
#include <cstring>
#include <set>

#include "../../../native/core/failure.h"
#include "intercepted-device.h"
#include "kernel-cases.h"

using namespace conclave;
using namespace conclave::test;

namespace {

using Mutation = std::function<void(GpuDispatch& dispatch, size_t index)>;

InterceptedDevice mutatedDevice(const Mutation& mutation) {
  Interception interception;
  interception.dispatch = mutation;
  return InterceptedDevice(interception);
}

// What kernels-test.cc would say.
bool passes(const KernelCase& kernelCase, GpuDevice& device) {
  try {
    const std::vector<float> actual = kernelCase.run(device);
    double error = 0, scale = 1e-30;
    for (size_t i = 0; i < actual.size(); ++i) {
      const double distance = std::fabs(actual[i] - kernelCase.expected[i]);
      error = std::max(error, std::isnan(distance) ? double{INFINITY} : distance);
      scale = std::max(scale, std::fabs(kernelCase.expected[i]));
    }
    return error / scale <= kernelCase.tolerance;
  } catch (const Failure&) {
    return false;
  }
}

// How many buffers each dispatch of a case has.
std::vector<size_t> dispatchesOf(const KernelCase& kernelCase) {
  std::vector<size_t> buffers;
  const Mutation count = [&](GpuDispatch& dispatch, size_t) { buffers.push_back(dispatch.buffers.size()); };
  InterceptedDevice device = mutatedDevice(count);
  kernelCase.run(device);
  return buffers;
}

std::string of(const KernelCase& kernelCase, const char* what, size_t index) {
  return kernelCase.name + ": no test noticed that " + what + " " + std::to_string(index);
}

}  // namespace

TEST("a barrier that is missing is noticed, in every kernel") {
  std::set<std::string> sites;
  for (const KernelCase& kernelCase : kernelCases(3)) {
    EmulatedDevice whole;
    kernelCase.run(whole);
    for (const emulated::Site& site : whole.barriers()) {
      EmulatedOptions options;
      options.skippedBarrier = site;
      EmulatedDevice device(options);
      sites.insert(std::string(site.file) + ":" + std::to_string(site.line));
      CHECK(!passes(kernelCase, device), of(kernelCase, "there is no barrier at line", static_cast<size_t>(site.line)));
    }
  }
  CHECK(sites.size() >= 16, "only " + std::to_string(sites.size()) + " barriers were found");
}

TEST("two buffers in each other's place are noticed, in every kernel") {
  for (const KernelCase& kernelCase : kernelCases(4)) {
    const std::vector<size_t> dispatches = dispatchesOf(kernelCase);
    for (size_t d = 0; d < dispatches.size(); ++d) {
      for (size_t i = 0; i + 1 < dispatches[d]; ++i) {
        const Mutation swap = [&](GpuDispatch& dispatch, size_t index) {
          if (index == d) std::swap(dispatch.buffers[i], dispatch.buffers[i + 1]);
        };
        InterceptedDevice device = mutatedDevice(swap);
        CHECK(!passes(kernelCase, device), of(kernelCase, "the next buffer was in the place of", i + 1));
      }
    }
  }
}

TEST("a buffer that is too small is noticed, in every kernel") {
  for (const KernelCase& kernelCase : kernelCases(5)) {
    const std::vector<size_t> dispatches = dispatchesOf(kernelCase);
    for (size_t d = 0; d < dispatches.size(); ++d) {
      for (size_t i = 0; i < dispatches[d]; ++i) {
        const Mutation shrink = [&](GpuDispatch& dispatch, size_t index) {
          if (index == d) dispatch.buffers[i].bytes -= 2;
        };
        InterceptedDevice device = mutatedDevice(shrink);
        CHECK(!passes(kernelCase, device), of(kernelCase, "two bytes were missing of buffer", i + 1));
      }
    }
  }
}
