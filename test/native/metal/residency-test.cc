// Weights stay resident: sets are planned so that the system cannot let go of everything at once, asked for at load and
// again by the heartbeat, and more than fits is refused with what to do.
#include "../../../native/metal/residency.h"

#include "../../../native/core/failure.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/metal-backend.h"
#include "../random-model.h"

using namespace conclave;
using namespace conclave::test;

namespace {

std::vector<std::unique_ptr<GpuBuffer>> buffersOf(EmulatedDevice& device, const std::vector<int64_t>& sizes) {
  std::vector<std::unique_ptr<GpuBuffer>> buffers;
  for (const int64_t size : sizes) buffers.push_back(device.allocate(size));
  return buffers;
}

BufferList listOf(const std::vector<std::unique_ptr<GpuBuffer>>& buffers) {
  BufferList list;
  for (const auto& buffer : buffers) list.push_back(buffer.get());
  return list;
}

std::string failureOf(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const Failure& failure) {
    return failure.what();
  }
}

}  // namespace

TEST("residency sets are filled in order, kept when others come and go, and at most 32") {
  EmulatedDevice device;
  const auto buffers = buffersOf(device, std::vector<int64_t>(40, 100));
  const BufferList all = listOf(buffers);
  const auto three = planResidencySets({}, {all.begin(), all.begin() + 5}, 200);
  CHECK(three.size() == 3 && three[0].size() == 2 && three[2].size() == 1, "two to a set");
  const auto grown = planResidencySets(three, {all.begin(), all.begin() + 7}, 200);
  CHECK(grown.size() == 4 && grown[0] == three[0] && grown[1] == three[1], "earlier sets stay as they are");
  const auto shrunk = planResidencySets(grown, {all.begin() + 2, all.begin() + 7}, 200);
  CHECK(shrunk.size() == 3 && shrunk[0] == grown[1], "a set that nobody is in is gone");
  const auto many = planResidencySets({}, all, 100);
  size_t members = 0;
  for (const auto& set : many) members += set.size();
  CHECK(many.size() == mostResidencySets && members == all.size(), "everybody is in one of 32");
}

TEST("the heartbeat asks again for what the system let go") {
  EmulatedDevice device;
  const auto buffers = buffersOf(device, {1000, 2000, 3000});
  Residency residency(device, std::chrono::milliseconds(1));
  residency.keep(listOf(buffers));
  CHECK(device.residentBytes() == 6000, "asked for at once");
  device.letGo();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (device.residentBytes() != 6000 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(device.residentBytes() == 6000, "resident again");
  residency.keep({buffers[1].get()});
  CHECK(device.residentBytes() == 2000, "what is not wanted is let go");
}

TEST("a system without residency sets is not asked for them") {
  EmulatedOptions options;
  options.residencySets = false;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, {1000});
  Residency residency(device);
  residency.keep(listOf(buffers));
  CHECK(device.residentBytes() == 0, "no set");
}

TEST("a model that does not fit is refused with what to do") {
  Random random(41);
  ModelShape shape = randomShape(random);
  const RandomPack pack(shape, 1);
  const auto sessionWith = [&](int64_t workingSet) {
    EmulatedOptions options;
    options.workingSetBytes = workingSet;
    return std::make_unique<ModelSession>(shape, StepLimits{4, 16}, [=](const ModelShape&, const StepLimits&) {
      return std::make_unique<MetalBackend>(std::make_unique<EmulatedDevice>(options), shape, StepLimits{4, 16}, "");
    });
  };
  CHECK(failureOf([&] { sessionWith(1000); }).find("iogpu.wired_limit_mb") != std::string::npos,
        failureOf([&] { sessionWith(1000); }));
  EmulatedOptions options;
  options.largestBufferBytes = 4096;
  EmulatedDevice device(options);
  CHECK(failureOf([&] { device.allocate(5000); }).find("5000 bytes") != std::string::npos,
        "a buffer that is too large");
  CHECK(failureOf([&] { device.wrap(reinterpret_cast<const std::byte*>(16), 4096); }).find("page boundary") !=
            std::string::npos,
        "memory that does not begin on a page");
}

TEST("shapes and variants that the kernels cannot do are refused by name") {
  Random random(42);
  ModelShape shape = randomShape(random);
  const auto open = [&](const char* variant, bool matrices) {
    EmulatedOptions options;
    options.simdgroupMatrices = matrices;
    return failureOf([&] { MetalBackend(std::make_unique<EmulatedDevice>(options), shape, {4, 16}, variant); });
  };
  CHECK(open("", false).empty(), "without matrices products go in lanes");
  CHECK(open("matrices", false).find("no simdgroup matrices") != std::string::npos, open("matrices", false));
  CHECK(open("avx2", true).find("lanes, matrices") != std::string::npos, open("avx2", true));
  shape.headDim = 258;
  CHECK(open("", true).find("heads of up to 256") != std::string::npos, open("", true));
}
