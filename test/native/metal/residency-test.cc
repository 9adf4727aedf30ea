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
  CHECK(shrunk.size() == 4 && shrunk[0].empty() && shrunk[1] == grown[1], "a set without members keeps its place");
  const auto filled = planResidencySets(shrunk, {all.begin() + 2, all.begin() + 9}, 200);
  CHECK(filled.size() == 4 && filled[0] == BufferList({all[7], all[8]}), "and takes the next");
  const auto many = planResidencySets({}, all, 100);
  size_t members = 0;
  for (const auto& set : many) members += set.size();
  CHECK(many.size() == mostResidencySets && members == all.size(), "every buffer is in one of 32");
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

TEST("an exchange of every pack needs no more sets than a queue takes") {
  EmulatedOptions options;
  options.workingSetBytes = 32 * 100;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, std::vector<int64_t>(80, 100));
  const BufferList all = listOf(buffers);
  Residency residency(device, DType::f32, often);
  const BufferList first(all.begin(), all.begin() + 40), second(all.begin() + 40, all.end());
  residency.keep(first);
  CHECK(device.residencySets() == 32, std::to_string(device.residencySets()) + " sets");
  BufferList oneChanged = first;
  oneChanged[3] = all[50];
  residency.keep(oneChanged);
  CHECK(device.isResident(*all[50]) && !device.isResident(*all[3]), "one pack changed for another");
  residency.keep(second);
  CHECK(device.residentBytes() == 4000 && device.residencySets() == 32, "all packs changed for others");
  for (const GpuBuffer* buffer : second) CHECK(device.isResident(*buffer), "every new pack is resident");
  std::vector<std::unique_ptr<GpuResidencySet>> more;
  bool refused = false;
  try {
    more.push_back(device.residencySet());
  } catch (const Failure& failure) {
    refused = std::string(failure.what()).find("a queue takes 32 residency sets") != std::string::npos;
  }
  CHECK(refused, "a queue takes no 33rd set");
}

TEST("a set that the system refuses leaves those before as they are") {
  EmulatedOptions options;
  options.workingSetBytes = 32 * 2000;
  options.residencySetsUntilRefused = 2;
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
  CHECK(refused, "a third set was made");
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
  CHECK(!allWired(), "nothing is wired that was not used");
  residency.keep(listOf(buffers));
  CHECK(allWired(), "wired at once");
  device.letGo();
  CHECK(soon(allWired), "wired again");
  residency.keep({buffers[1].get()});
  device.letGo();
  CHECK(soon([&] { return device.isWired(*buffers[1]); }), "what is wanted is used");
  CHECK(!device.isWired(*buffers[0]) && !device.isWired(*buffers[2]), "what is not wanted is let go");
}

TEST("without residency sets a whole model stays wired between steps, unused experts too") {
  Random random(43);
  const ModelDescription model = plainModel(random, 1, 6, 1);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  EmulatedOptions options;
  options.residencySets = false;
  EmulatedDevice device(options);
  WeightMemory memory(device, formatOf(model), 1, often);
  std::vector<std::shared_ptr<const MappedFile>> files;
  for (int i = 0; i < 7; ++i) files.push_back(std::make_shared<const MappedFile>(pack.path()));
  memory.hold(files);
  device.letGo();
  CHECK(soon([&] {
          return std::all_of(files.begin(), files.end(), [&](const auto& file) {
            return device.isWired(*memory.view(file->range(0, 0), 0).buffer);
          });
        }),
        "all packs are wired");
}

TEST("what the host writes is in sets, and no heartbeat reads it where there are none") {
  for (const bool residencySets : {true, false}) {
    EmulatedOptions options;
    options.residencySets = residencySets;
    EmulatedDevice device(options);
    const auto buffers = buffersOf(device, {1000, 2000});
    Residency residency(device, DType::f32, often);
    residency.keep({buffers[0].get()}, {buffers[1].get()});
    CHECK(device.isResident(*buffers[1]) == residencySets, "in a set where there are sets");
    CHECK(!device.isWired(*buffers[1]), "no kernel was given it");
  }
}

TEST("a heartbeat that finds the device lost goes on, and leaves it to others to say so") {
  EmulatedOptions options;
  options.residencySets = false;
  options.dispatchesUntilLost = 2;
  EmulatedDevice device(options);
  const auto buffers = buffersOf(device, {1000});
  Residency residency(device, DType::f32, often);
  residency.keep(listOf(buffers));
  CHECK(soon([&] { return device.dispatches() > 5; }), "it keeps trying");
  bool refused = false;
  try {
    residency.keep(listOf(buffers));
  } catch (const Failure& failure) {
    refused = failure.code == FailureCode::deviceLost;
  }
  CHECK(refused, "the next use of the device fails");
}
