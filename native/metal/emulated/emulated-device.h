// A GPU that is this CPU: runs the kernels thread by thread and refuses, as Failure deviceLost naming the kernel, what
// a real one would refuse or leave undefined. Commands run when they are waited for: a host that looks earlier sees
// nothing.
#pragma once
#include <atomic>

#include "../gpu-device.h"
#include "threadgroup.h"

namespace conclave {

struct EmulatedOptions {
  // Decides the order in which threads and threadgroups run.
  uint32_t seed = 1;
  // As if this barrier were not in the kernel: the mutation tests'.
  emulated::Site skippedBarrier;
  // What the pretended machine has; 0 bytes are this machine's own.
  int64_t memoryBytes = 0, pageBytes = 0;
  int64_t workingSetBytes = int64_t{1} << 46;
  int64_t largestBufferBytes = int64_t{1} << 46;
  int64_t mostResidentBytes = int64_t{1} << 46;  // in residency sets, which the working set does not say
  bool appleSilicon = true;
  bool residencySets = true;
  bool simdgroupMatrices = true;
  // A kernel that the compiler refuses, and what it says.
  std::string refusedKernel, compilerLog;
  // Number of dispatches that run before the device is lost.
  int64_t dispatchesUntilLost = INT64_MAX;
};

class EmulatedDevice final : public GpuDevice {
 public:
  explicit EmulatedDevice(const EmulatedOptions& options = {});

  const GpuProperties& properties() const override { return properties_; }
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override;
  std::unique_ptr<GpuBuffer> wrap(const std::byte* pages, int64_t bytes) override;
  std::unique_ptr<GpuPipeline> pipeline(DType weights, const std::string& kernel) override;
  std::unique_ptr<GpuCommands> commands() override;
  std::unique_ptr<GpuResidencySet> keepResident(const std::vector<const GpuBuffer*>& buffers) override;

  /** Runs one dispatch now. Throws Failure. */
  void run(const GpuDispatch& dispatch);

  /** Dispatches that were to run, the refused ones too. */
  int64_t dispatches() const { return dispatches_; }
  /** Barriers that kernels have passed so far, each once. */
  const std::vector<emulated::Site>& barriers() const { return threadgroup_.barriers(); }
  /** As the system does with what has not been used for a while: nothing is wired until it is asked for or used. */
  void letGo() { ++evictions_; }
  /** Bytes of buffers in sets that are resident. */
  int64_t residentBytes() const;
  /** Whether a kernel was given the buffer since the system last let go. */
  bool isWired(const GpuBuffer& buffer) const;

 private:
  class ResidencySet;

  void checkDispatch(const GpuDispatch& dispatch, const emulated::Kernel& kernel) const;
  emulated::Bindings bind(const GpuDispatch& dispatch, const emulated::Kernel& kernel);

  EmulatedOptions options_;
  GpuProperties properties_;
  emulated::Threadgroup threadgroup_;
  std::atomic<int64_t> dispatches_ = 0;
  std::atomic<int64_t> evictions_ = 0;  // sets are asked for from another thread
  std::vector<ResidencySet*> sets_;
};

}  // namespace conclave
