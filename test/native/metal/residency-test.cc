// Weights stay resident: sets are planned so that the system cannot let go of everything at once, asked for at load and
// again by the heartbeat; where there are no sets, buffers are used instead.
#include "../../../native/metal/residency.h"

#include "../../../native/core/failure.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/weight-memory.h"
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

// Whether it becomes true while the heartbeat beats.
bool soon(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

constexpr std::chrono::milliseconds often{1};

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
  Residency residency(device, DType::f32, often);
  residency.keep(listOf(buffers));
  CHECK(device.residentBytes() == 6000, "asked for at once");
  device.letGo();
  CHECK(soon([&] { return device.residentBytes() == 6000; }), "resident again");
  residency.keep({buffers[1].get()});
  CHECK(device.residentBytes() == 2000, "what is not wanted is let go");
}

TEST("a set that the system refuses leaves those before as they are") {
  EmulatedOptions options;
  options.mostResidentBytes = 5000;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, {2000, 2000, 2000});
  Residency residency(device, DType::f32, often);
  residency.keep({buffers[0].get(), buffers[1].get()});
  bool refused = false;
  try {
    residency.keep(listOf(buffers));
  } catch (const Failure& failure) {
    refused = failure.code == FailureCode::outOfMemory;
  }
  CHECK(refused, "6000 bytes were resident");
  device.letGo();
  CHECK(soon([&] { return device.residentBytes() == 4000; }), "the heartbeat keeps the first two");
}

TEST("without residency sets every buffer is used at load, and again before long") {
  EmulatedOptions options;
  options.residencySets = false;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, {1000, 2000, 3000});
  const auto allWired = [&] {
    return std::all_of(buffers.begin(), buffers.end(), [&](const auto& buffer) { return device.isWired(*buffer); });
  };
  Residency residency(device, DType::bf16, often);
  CHECK(!allWired(), "nothing is wired that nobody used");
  residency.keep(listOf(buffers));
  CHECK(allWired(), "wired at once");
  device.letGo();
  CHECK(soon(allWired), "wired again");
  residency.keep({buffers[1].get()});
  device.letGo();
  CHECK(soon([&] { return device.isWired(*buffers[1]); }), "what is wanted is used");
  CHECK(!device.isWired(*buffers[0]) && !device.isWired(*buffers[2]), "what is not wanted is let go");
}

TEST("without residency sets a whole model stays wired between steps, experts that nobody chose too") {
  Random random(43);
  ModelShape shape = randomShape(random);
  shape.experts = 6;
  shape.topK = 1;
  const RandomPack pack(shape, 1);
  EmulatedOptions options;
  options.residencySets = false;
  EmulatedDevice device(options);
  WeightMemory memory(device, shape.dtype, often);
  std::vector<std::shared_ptr<const MappedFile>> files;
  for (int i = 0; i < 7; ++i) files.push_back(std::make_shared<const MappedFile>(pack.path()));
  memory.hold(files, 0);
  device.letGo();
  CHECK(soon([&] {
          return std::all_of(files.begin(), files.end(), [&](const auto& file) {
            return device.isWired(*memory.view(file->range(0, 0), 0).buffer);
          });
        }),
        "all packs are wired");
}

TEST("a heartbeat that finds the device lost goes on, and leaves it to others to say so") {
  EmulatedOptions options;
  options.residencySets = false;
  options.dispatchesUntilLost = 2;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, {1000});
  Residency residency(device, DType::f32, often);
  residency.keep(listOf(buffers));
  CHECK(soon([&] { return device.dispatches() > 5; }), "it tries again and again");
  bool refused = false;
  try {
    residency.keep(listOf(buffers));
  } catch (const Failure& failure) {
    refused = failure.code == FailureCode::deviceLost;
  }
  CHECK(refused, "who needs the device hears of it");
}
