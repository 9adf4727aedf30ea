// Keeps weights wired for the GPU. What has not been used for a while is let go by the system, and wiring it again
// costs more than using it (docs/paper.md#driver-processing). From macOS 15 on buffers go into residency sets, asked
// for at load and again by a heartbeat. Before there are none: then the heartbeat uses every buffer a little, as the
// paper's cluster did between requests.
#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "gpu-device.h"

namespace conclave {

// One set of everything made some systems let go of everything at once; up to this many smaller ones stayed (MLX issue
// 4211).
constexpr size_t mostResidencySets = 32;

using BufferList = std::vector<const GpuBuffer*>;

/**
 * Who is in which set: those of `current` that are still wanted stay where they are, new ones join the last set until
 * it has `setBytes`, then a new one; beyond mostResidencySets the smallest.
 */
std::vector<BufferList> planResidencySets(const std::vector<BufferList>& current, const BufferList& wanted,
                                          int64_t setBytes);

class Residency {
 public:
  static constexpr std::chrono::milliseconds heartbeat{500};

  /** `weights`: of the kernels that the session uses anyway. Throws Failure. */
  Residency(GpuDevice& device, DType weights, std::chrono::milliseconds interval = heartbeat);
  ~Residency();
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;

  /** From now on these buffers are kept, and no others. Throws Failure, and goes on with those before. */
  void keep(const BufferList& buffers);

 private:
  struct Set {
    BufferList members;
    std::shared_ptr<GpuResidencySet> set;
  };

  std::vector<Set> setsOf(const BufferList& buffers);
  void use(const BufferList& buffers);
  void beat();

  GpuDevice& device_;
  std::chrono::milliseconds interval_;
  std::unique_ptr<GpuPipeline> touch_;  // null with residency sets
  std::unique_ptr<GpuBuffer> touched_;  // i32 [buffers]
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  BufferList buffers_;
  std::vector<Set> sets_;  // of buffers_, where there are sets
  std::thread thread_;
};

}  // namespace conclave
