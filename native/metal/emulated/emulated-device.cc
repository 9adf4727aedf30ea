#include "emulated-device.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "../../core/failure.h"
#include "../../core/flush-denormals.h"
#include "../../core/zeroed-memory.h"
#include "../command-failure.h"
#include "../gpu-limits.h"
#include "../residency.h"
#include "kernels.h"

namespace conclave {
namespace {

using emulated::Kernel;
using emulated::Lifetimes;
using emulated::ShadowMemory;

// Shadow memory appears only where a kernel has written: most of a buffer may never be touched.
class EmulatedBuffer final : public GpuBuffer {
 public:
  EmulatedBuffer(int64_t bytes, std::shared_ptr<Lifetimes> lifetimes)
      : memory_(bytes), data_(memory_.data()), bytes_(bytes), lifetimes_(std::move(lifetimes)), shadow(bytes) {}
  EmulatedBuffer(const std::byte* pages, int64_t bytes, std::shared_ptr<Lifetimes> lifetimes)
      : data_(const_cast<std::byte*>(pages)),
        bytes_(bytes),
        lifetimes_(std::move(lifetimes)),
        readOnly(true),
        shadow(bytes) {}
  ~EmulatedBuffer() override { lifetimes_->end(this, "a buffer"); }

  std::byte* contents() const override { return data_; }
  int64_t bytes() const override { return bytes_; }

 private:
  ZeroedMemory memory_;
  std::byte* data_;
  int64_t bytes_;
  std::shared_ptr<Lifetimes> lifetimes_;

 public:
  const bool readOnly = false;
  // Mutable, as what a kernel does to a buffer is no change of the host's object.
  mutable ShadowMemory shadow;
  mutable std::atomic<int64_t> usedAfter = -1;  // evictions
};

class EmulatedPipeline final : public GpuPipeline {
 public:
  EmulatedPipeline(const Kernel& kernel, int32_t groupThreads, int64_t mostThreads,
                   std::shared_ptr<Lifetimes> lifetimes)
      : GpuPipeline(groupThreads, kernel.writes, {mostThreads, 0}), kernel(kernel), lifetimes_(std::move(lifetimes)) {}
  ~EmulatedPipeline() override { lifetimes_->end(this, "a pipeline"); }
  const Kernel& kernel;

 private:
  std::shared_ptr<Lifetimes> lifetimes_;
};

const EmulatedBuffer& bufferOf(const GpuView& view) { return static_cast<const EmulatedBuffer&>(*view.buffer); }

const Kernel& kernelOf(const GpuDispatch& dispatch) {
  return static_cast<const EmulatedPipeline*>(dispatch.pipeline)->kernel;
}

BufferList writtenBy(const std::vector<GpuDispatch>& dispatches) {
  BufferList written;
  for (const GpuDispatch& dispatch : dispatches) {
    for (size_t i = 0; i < dispatch.buffers.size(); ++i) {
      if ((kernelOf(dispatch).writes >> i & 1) != 0) written.push_back(dispatch.buffers[i].buffer);
    }
  }
  return written;
}

// The running threadgroup is found through a global variable: one dispatch at a time in a process.
std::mutex& theCpu() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

class EmulatedDevice::ResidencySet final : public GpuResidencySet {
 public:
  explicit ResidencySet(EmulatedDevice& device) : device_(device) {
    device_.sets_.push_back(this);
    request();
  }
  ~ResidencySet() override { std::erase(device_.sets_, this); }

  void change(const BufferList& added, const BufferList& removed) override {
    for (const GpuBuffer* buffer : removed) std::erase(members, buffer);
    members.insert(members.end(), added.begin(), added.end());
    request();
  }
  void request() override { requestedAfter_ = device_.evictions_.load(); }
  bool isResident() const { return requestedAfter_ == device_.evictions_; }

 private:
  EmulatedDevice& device_;
  std::atomic<int64_t> requestedAfter_ = 0;

 public:
  BufferList members;
};

EmulatedDevice::EmulatedDevice(const EmulatedOptions& options)
    : options_(options),
      properties_{"emulated GPU",
                  "emulated",
                  options.appleSilicon,
                  options.simdgroupMatrices,
                  options.residencySets,
                  options.memoryBytes > 0 ? options.memoryBytes : sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE),
                  options.workingSetBytes,
                  options.largestBufferBytes,
                  options.pageBytes > 0 ? options.pageBytes : sysconf(_SC_PAGESIZE),
                  options.rates},
      queue_([this](const auto& dispatches, double& seconds) { runScope(dispatches, seconds); }, lifetimes_),
      threadgroup_(options.seed, options.skippedBarrier),
      shuffle_(options.seed) {}

void EmulatedDevice::checkSize(int64_t bytes) const {
  require(bytes > 0, "a buffer of no bytes");
  if (bytes <= options_.largestBufferBytes) return;
  throw Failure(FailureCode::outOfMemory, "a buffer of " + std::to_string(bytes) + " bytes; the GPU takes " +
                                              std::to_string(options_.largestBufferBytes));
}

std::unique_ptr<GpuBuffer> EmulatedDevice::allocate(int64_t bytes) {
  checkSize(bytes);
  return std::make_unique<EmulatedBuffer>(bytes, lifetimes_);
}

std::unique_ptr<GpuBuffer> EmulatedDevice::wrap(const std::byte* pages, int64_t bytes) {
  checkSize(bytes);
  const auto page = static_cast<uintptr_t>(properties_.pageBytes);
  require(reinterpret_cast<uintptr_t>(pages) % page == 0 && static_cast<uintptr_t>(bytes) % page == 0,
          "memory that is wrapped without a copy must begin and end on a page boundary");
  return std::make_unique<EmulatedBuffer>(pages, bytes, lifetimes_);
}

std::unique_ptr<GpuPipeline> EmulatedDevice::pipeline(const KernelTypes& types, const std::string& kernel,
                                                      int32_t threads) {
  if (kernel == options_.refusedKernel) throw didNotCompile(options_.compilerLog);
  const int most = kernel == options_.crampedKernel ? simdgroupThreads : mostGroupThreads;
  requireThreads(kernel, most, threads);
  require(threads > 0 && threads % simdgroupThreads == 0,
          kernel + " in threadgroups of " + std::to_string(threads) + " threads, which are no whole simdgroups");
  for (const Kernel& known : emulated::kernelsFor(types)) {
    if (kernel == known.name) return std::make_unique<EmulatedPipeline>(known, threads, most, lifetimes_);
  }
  throw Failure(FailureCode::unavailable, "there is no kernel " + kernel);
}

std::unique_ptr<GpuCommands> EmulatedDevice::commands() {
  return std::make_unique<emulated::QueuedCommands>(queue_, lifetimes_);
}

std::unique_ptr<GpuEvent> EmulatedDevice::event() {
  return std::make_unique<emulated::QueuedEvent>(queue_, lifetimes_);
}

std::unique_ptr<GpuResidencySet> EmulatedDevice::residencySet() {
  require(sets_.size() < mostResidencySets,
          "a queue takes " + std::to_string(mostResidencySets) + " residency sets, this would be one more");
  if (residencySetsMade_++ >= options_.residencySetsUntilRefused) {
    throw Failure(FailureCode::outOfMemory, "no residency set: out of memory");
  }
  return std::make_unique<ResidencySet>(*this);
}

int64_t EmulatedDevice::residentBytes() const {
  int64_t bytes = 0;
  for (const ResidencySet* set : sets_) bytes += set->isResident() ? bytesOf(set->members) : 0;
  return bytes;
}

bool EmulatedDevice::isResident(const GpuBuffer& buffer) const {
  return std::any_of(sets_.begin(), sets_.end(), [&](const ResidencySet* set) {
    return set->isResident() && std::find(set->members.begin(), set->members.end(), &buffer) != set->members.end();
  });
}

bool EmulatedDevice::isWired(const GpuBuffer& buffer) const {
  return static_cast<const EmulatedBuffer&>(buffer).usedAfter == evictions_;
}

double EmulatedDevice::secondsOf(const GpuDispatch& dispatch) const {
  return predictedSeconds(options_.rates, dispatch.work) * options_.slowdown;
}

void EmulatedDevice::run(const GpuDispatch& dispatch) {
  double seconds = 0;
  runScope({dispatch}, seconds);
}

// Each dispatch as a whole, but in any order. What one of them writes has a shadow for all.
void EmulatedDevice::runScope(const std::vector<GpuDispatch>& dispatches, double& seconds) {
  std::vector<const GpuDispatch*> order;
  for (const GpuDispatch& dispatch : dispatches) order.push_back(&dispatch);
  const std::lock_guard lock(theCpu());
  shuffle_(order);
  threadgroup_.beginScope();
  const BufferList written = writtenBy(dispatches);
  for (const GpuDispatch* dispatch : order) {
    seconds += secondsOf(*dispatch);
    if (seconds > options_.watchdogSeconds) throwCommandFailure(CommandError::timeout, "Caused GPU Timeout Error");
    runInScope(*dispatch, written);
  }
}

void EmulatedDevice::runInScope(const GpuDispatch& dispatch, const BufferList& written) {
  const Kernel& kernel = kernelOf(dispatch);
  checkDispatch(dispatch, kernel);
  if (dispatches_++ >= options_.dispatchesUntilLost) throwCommandFailure(CommandError::other, "the device was removed");
  const FlushDenormals flush;
  try {
    threadgroup_.runGrid(kernel, bind(dispatch, written), dispatch.groups, dispatch.pipeline->threads);
  } catch (const emulated::Violation& violation) {
    throw Failure(FailureCode::deviceLost, std::string(kernel.name) + ": " + violation.message);
  }
}

void EmulatedDevice::checkDispatch(const GpuDispatch& dispatch, const Kernel& kernel) const {
  const auto refuseUnless = [&](bool condition, const std::string& message) {
    if (!condition) throw Failure(FailureCode::deviceLost, std::string(kernel.name) + ": " + message);
  };
  refuseUnless(dispatch.groups.x >= 1 && dispatch.groups.y >= 1 && dispatch.groups.z >= 1, "an empty grid");
  refuseUnless(dispatch.threadgroupBytes % 16 == 0,
               std::to_string(dispatch.threadgroupBytes) + " bytes of threadgroup memory, no multiple of 16");
  refuseUnless(dispatch.argumentBytes == kernel.argumentBytes,
               "arguments of " + std::to_string(dispatch.argumentBytes) + " bytes; the kernel takes " +
                   std::to_string(kernel.argumentBytes));
  refuseUnless(dispatch.buffers.size() < mostBuffers, "more than " + std::to_string(mostBuffers) + " buffers");
  refuseUnless(
      static_cast<int>(dispatch.buffers.size()) == kernel.buffers,
      std::to_string(dispatch.buffers.size()) + " buffers; the kernel takes " + std::to_string(kernel.buffers));
  for (size_t i = 0; i < dispatch.buffers.size(); ++i) {
    const GpuView& view = dispatch.buffers[i];
    const std::string name = "buffer " + std::to_string(i + 1);
    refuseUnless(view.buffer != nullptr, name + " is missing");
    refuseUnless(view.offset >= 0 && view.bytes >= 0 && view.offset <= view.buffer->bytes() - view.bytes,
                 name + " is a view beyond its end");
    const bool written = (kernel.writes >> i & 1) != 0;
    refuseUnless(!written || !bufferOf(view).readOnly, name + " is written and may only be read");
  }
}

emulated::Bindings EmulatedDevice::bind(const GpuDispatch& dispatch, const BufferList& written) {
  emulated::Bindings bindings{static_cast<const std::byte*>(dispatch.arguments), {}, dispatch.threadgroupBytes};
  for (const GpuView& view : dispatch.buffers) {
    bufferOf(view).usedAfter = evictions_.load();
    const bool shared = std::find(written.begin(), written.end(), view.buffer) != written.end();
    bindings.buffers.push_back({view.buffer->contents() + view.offset, view.bytes, view.offset,
                                shared ? &bufferOf(view).shadow : nullptr,
                                static_cast<int>(bindings.buffers.size()) + 1});
  }
  return bindings;
}

}  // namespace conclave
