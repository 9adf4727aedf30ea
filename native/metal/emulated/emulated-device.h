// A GPU that is this CPU: runs the kernels thread by thread and refuses, as Failure deviceLost naming the kernel, what
// a real one would refuse or leave undefined: dispatches that run at the same time must not touch what one of them
// writes, and nothing may be freed that commands still name. Commands run when they are waited for (command-queue.h).
#pragma once
#include <atomic>

#include "../command-budget.h"
#include "../gpu-device.h"
#include "command-queue.h"
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
  // Residency sets that the system has memory for, over the device's whole life.
  int64_t residencySetsUntilRefused = INT64_MAX;
  bool appleSilicon = true;
  bool residencySets = true;
  bool simdgroupMatrices = true;
  // A kernel that the compiler refuses, and what it says; without one it only warns.
  std::string refusedKernel, compilerLog;
  // A kernel whose registers leave room for threadgroups of 32 threads.
  std::string crampedKernel;
  // What commands are sized by; how much longer they take; after how long the watchdog ends them.
  GpuRates rates = conservativeRates("");
  double slowdown = 1, watchdogSeconds = 5;
  // Number of dispatches that run before the device is lost.
  int64_t dispatchesUntilLost = INT64_MAX;
};

class EmulatedDevice final : public GpuDevice {
 public:
  explicit EmulatedDevice(const EmulatedOptions& options = {});

  const GpuProperties& properties() const override { return properties_; }
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override;
  std::unique_ptr<GpuBuffer> wrap(const std::byte* pages, int64_t bytes) override;
  std::unique_ptr<GpuPipeline> pipeline(const KernelTypes& types, const std::string& kernel, int32_t threads) override;
  std::string warnings(const KernelTypes&) override {
    return options_.refusedKernel.empty() ? options_.compilerLog : "";
  }
  std::unique_ptr<GpuCommands> commands() override;
  std::unique_ptr<GpuEvent> event() override;
  std::unique_ptr<GpuResidencySet> residencySet() override;

  /** How long the dispatch is pretended to take. */
  double secondsOf(const GpuDispatch& dispatch) const;
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
  size_t residencySets() const { return sets_.size(); }
  /** Whether the buffer is in a set that is resident. */
  bool isResident(const GpuBuffer& buffer) const;
  /** Whether a kernel was given the buffer since the system last let go. */
  bool isWired(const GpuBuffer& buffer) const;

 private:
  class ResidencySet;

  void runScope(const std::vector<GpuDispatch>& dispatches, double& seconds);
  void runInScope(const GpuDispatch& dispatch, const BufferList& written);
  void checkSize(int64_t bytes) const;
  void checkDispatch(const GpuDispatch& dispatch, const emulated::Kernel& kernel) const;
  emulated::Bindings bind(const GpuDispatch& dispatch, const BufferList& written);

  EmulatedOptions options_;
  GpuProperties properties_;
  std::shared_ptr<emulated::Lifetimes> lifetimes_ = std::make_shared<emulated::Lifetimes>();
  emulated::CommandQueue queue_;
  emulated::Threadgroup threadgroup_;
  emulated::Shuffle shuffle_;  // of dispatches that run at the same time
  std::atomic<int64_t> dispatches_ = 0;
  std::atomic<int64_t> evictions_ = 0;  // sets are asked for from another thread
  std::vector<ResidencySet*> sets_;
  int64_t residencySetsMade_ = 0;
};

}  // namespace conclave
