// The measurements of a report, tried on the emulated GPU in small. On a Mac `npm run verify:metal` asks for the real
// ones.
#include "measurements.h"

#include <algorithm>
#include <cstdlib>

#include "../../../native/core/failure.h"
#include "../../../native/metal/apple-device.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../check.h"

using namespace conclave;
using namespace conclave::test;

namespace {

MeasuredSizes smallSizes() { return {64, 96, 32, 64, {1, 9}, 17, {0}, 64 * 96 * 2 * 3}; }

bool has(const Lines& lines, const std::string& words) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

void print(const char* title, const Lines& lines) {
  std::printf("  %s\n", title);
  for (const std::string& line : lines) std::printf("    %s\n", line.c_str());
}

// Without a GPU, or where the report was not asked for, nothing happens.
void onThisGpu(const char* wanted, const std::function<void(GpuDevice&)>& measure) {
  const char* asked = std::getenv("CONCLAVE_METAL_REPORT");
  if (asked == nullptr || std::string(asked).find(wanted) == std::string::npos) return;
  try {
    const auto device = openAppleDevice();
    std::printf("  %s, %s\n", device->properties().name.c_str(), device->properties().className.c_str());
    measure(*device);
  } catch (const Failure& failure) {
    CHECK(false, failure.what());
  }
}

}  // namespace

TEST("limits of pipelines name every kernel, and what the compiler said") {
  EmulatedOptions options;
  options.compilerLog = "program_source:7: warning: unused variable";
  EmulatedDevice device(options);
  const Lines lines = pipelineLimits(device);
  CHECK(has(lines, "compiler, bf16: program_source:7: warning"), "the compiler's words");
  CHECK(has(lines, "attend_row f16 | 256 threads"), "a kernel's limit");
  CHECK(has(lines, "multiply_matrices_32 f32"), "kernels with matrices");
  options.simdgroupMatrices = false;
  EmulatedDevice older(options);
  CHECK(!has(pipelineLimits(older), "_matrices_"), "where there are none, none are compiled");
}

TEST("times and rates are measured for one row and many, in both kinds, and after a rest") {
  EmulatedDevice device;
  CHECK(has(roundTrip(device), " us"), "a round trip");
  const Lines rates = products(device, smallSizes());
  for (const char* words :
       {"dense bf16, lanes, 1 rows", "dense bf16, matrices, 9 rows", "128 experts bf16, lanes, 9", "GB/s", "4 bit"}) {
    CHECK(has(rates, words), words);
  }
  CHECK(has(prefill(device, smallSizes()), "17 rows"), "a prefill");
  const Lines rested = rests(device, smallSizes());
  CHECK(has(rested, "after 0 s, left alone") && has(rested, "after 0 s, kept wired"), "with residency and without");
}

TEST("a prefill that is predicted to take long is seen in several command buffers") {
  EmulatedOptions options;
  options.rates = {1e6, 1e15};
  EmulatedDevice device(options);
  const Lines lines = prefill(device, smallSizes());
  CHECK(!has(lines, " in 1 command buffers"), lines[0]);
}

TEST("kernels compile on this machine's GPU, where that is asked for") {
  onThisGpu("compile", [](GpuDevice& device) { print("limits", pipelineLimits(device)); });
}

TEST("this machine's GPU is measured, where that is asked for") {
  onThisGpu("measure", [](GpuDevice& device) {
    const MeasuredSizes sizes = realSizes(device.properties());
    print("round trip", roundTrip(device));
    print("products", products(device, sizes));
    print("prefill", prefill(device, sizes));
    print("rests", rests(device, sizes));
  });
}
