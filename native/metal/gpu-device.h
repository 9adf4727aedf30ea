// What the Metal backend needs of a GPU, and nothing else: memory, pipelines, commands, residency. apple-device.mm
// answers with Metal; emulated/ runs the same kernels on this CPU and refuses what the real thing would refuse or leave
// undefined. Every call throws Failure: outOfMemory, unavailable (no such device, function or limit), deviceLost.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/failure.h"
#include "../core/weight-format.h"

namespace conclave {

// Of every Apple GPU with Metal 3 (Metal Feature Set Tables); the emulated device holds kernels to them.
constexpr int64_t mostThreadgroupBytes = 32 * 1024;
constexpr int64_t mostInlineBytes = 4096;
constexpr int mostBuffers = 31;
constexpr int simdgroupThreads = 32;
// A command queue takes no more at a time.
constexpr size_t mostResidencySets = 32;
// Ours: more would not fit some kernels' registers.
constexpr int mostGroupThreads = 256;

// Below what such a GPU does, for the time that work takes at most.
struct GpuRates {
  double flops, bytesPerSecond;
};

struct GpuWork {
  double flops = 0, bytes = 0;
};

struct GpuProperties {
  std::string name;
  // Family and system, say "apple7-macos15" for an M1: other chips and other compilers may round differently (numerics
  // class).
  std::string className;
  bool appleSilicon;  // M1 or newer, sharing the CPU's memory
  bool simdgroupMatrices;
  bool residencySets;
  int64_t memoryBytes;      // of the machine
  int64_t workingSetBytes;  // what the GPU may hold wired (iogpu.wired_limit_mb raises it)
  int64_t largestBufferBytes;
  int64_t pageBytes;  // no-copy buffers begin and end on such boundaries
  GpuRates rates;
};

/** Why there are no pipelines: a bug in Conclave, so the user is asked to report it. */
inline Failure didNotCompile(const std::string& compilerLog) {
  return Failure(FailureCode::unavailable, "the GPU's kernels did not compile: " + compilerLog);
}

// What kernels are compiled for: the codes of the matrices that they read, and the rows that those multiply. Scales and
// groups of a packed format are arguments.
struct KernelTypes {
  WeightCodes codes;
  DType activations;

  KernelTypes(DType plain) : codes(static_cast<WeightCodes>(plain)), activations(activationType(plain)) {}
  /** `ofModel`: what packed matrices multiply; plain ones have rows of their own. */
  KernelTypes(const WeightFormat& format, DType ofModel)
      : codes(format.codes), activations(format.packed() ? ofModel : activationType(format.plain())) {}

  bool operator<(const KernelTypes& other) const {
    return std::pair(codes, activations) < std::pair(other.codes, other.activations);
  }
  bool isPacked() const { return codes > WeightCodes::bf16; }
};

// Memory that CPU and GPU share.
class GpuBuffer {
 public:
  virtual ~GpuBuffer() = default;
  virtual std::byte* contents() const = 0;
  virtual int64_t bytes() const = 0;
};

// The part of a buffer that a kernel may touch.
struct GpuView {
  const GpuBuffer* buffer = nullptr;
  int64_t offset = 0, bytes = 0;

  GpuView part(int64_t from, int64_t length) const { return {buffer, offset + from, length}; }
};

using BufferList = std::vector<const GpuBuffer*>;

struct PipelineLimits {
  int64_t threads;           // that the kernel's registers leave room for in a threadgroup
  int64_t threadgroupBytes;  // that the kernel declares; 0 where that shows only when it runs
};

class GpuPipeline {
 public:
  GpuPipeline(int32_t groupThreads, uint32_t writtenBuffers, const PipelineLimits& pipelineLimits)
      : threads(groupThreads), writes(writtenBuffers), limits(pipelineLimits) {}
  virtual ~GpuPipeline() = default;

  const int32_t threads;  // of a threadgroup
  const uint32_t writes;  // bit i: buffer i + 1 may be written
  const PipelineLimits limits;
};

// A number that commands raise as they go, and the host reads: results are there to be taken while commands still run.
class GpuEvent {
 public:
  virtual ~GpuEvent() = default;
  /** The latest value, without waiting. What the GPU wrote before it was signalled can be read. */
  virtual uint64_t signalled() const = 0;
  /** Sleeps until that value is signalled, or as long as given. */
  virtual void sleepUntil(uint64_t value, std::chrono::milliseconds atMost) = 0;
};

struct GpuGrid {
  int32_t x = 1, y = 1, z = 1;
};

struct GpuDispatch {
  const GpuPipeline* pipeline;
  GpuGrid groups;
  const void* arguments;  // buffer 0, copied
  int64_t argumentBytes;
  std::vector<GpuView> buffers;  // buffers 1, 2, ...
  int64_t threadgroupBytes = 0;  // of the kernel's THREADGROUP_ARGUMENT, a multiple of 16
  GpuWork work = {};             // at most
};

// One command buffer. Command buffers run in the order of their submission. Buffers, pipelines and events that commands
// name must live until the commands have ended or are gone: nothing here keeps them.
class GpuCommands {
 public:
  /** Waits for commands that were submitted. */
  virtual ~GpuCommands() = default;
  /** Runs at the same time as the dispatches before it, back to the last barrier. */
  virtual void dispatch(const GpuDispatch& dispatch) = 0;
  /** What comes after it runs later than all dispatches before it, and sees what they wrote. */
  virtual void barrier() = 0;
  /** Raises the event once all before has run; what comes after it runs later. Values ascend. */
  virtual void signal(GpuEvent& event, uint64_t value) = 0;
  /** Hands the commands to the GPU and returns. What they use must not be touched until they have ended. */
  virtual void submit() = 0;
  /** Until they have ended. Throws Failure when they ended badly. */
  virtual void wait() = 0;
  /** Whether they have ended, well or badly, without waiting. */
  virtual bool haveEnded() const = 0;
  /** How long the GPU ran, after wait(). */
  virtual double gpuSeconds() const = 0;
};

// Buffers that the system is asked to keep wired together.
class GpuResidencySet {
 public:
  /** Lets go of the members. */
  virtual ~GpuResidencySet() = default;
  /** Adds and removes members in one change and asks for those that are left. */
  virtual void change(const BufferList& added, const BufferList& removed) = 0;
  /** Asks again: the system lets go of what has not been used for a while. */
  virtual void request() = 0;
};

class GpuDevice {
 public:
  virtual ~GpuDevice() = default;
  virtual const GpuProperties& properties() const = 0;
  /** A buffer of zeros, of at least one byte. */
  virtual std::unique_ptr<GpuBuffer> allocate(int64_t bytes) = 0;
  /** A buffer over pages that are there already and outlive it; both ends on a page boundary. */
  virtual std::unique_ptr<GpuBuffer> wrap(const std::byte* pages, int64_t bytes) = 0;
  /**
   * The kernel of that name, compiled for such types, for threadgroups of that size. Failures carry the compiler's log,
   * or the number of threads that the kernel's registers leave room for.
   */
  virtual std::unique_ptr<GpuPipeline> pipeline(const KernelTypes& types, const std::string& kernel,
                                                int32_t threads) = 0;
  /** What the compiler said of the kernels for such types, although they compiled. */
  virtual std::string warnings(const KernelTypes& types) = 0;
  virtual std::unique_ptr<GpuCommands> commands() = 0;
  /** At zero. */
  virtual std::unique_ptr<GpuEvent> event() = 0;
  /** An empty set, one of at most mostResidencySets at a time. */
  virtual std::unique_ptr<GpuResidencySet> residencySet() = 0;
};

}  // namespace conclave
