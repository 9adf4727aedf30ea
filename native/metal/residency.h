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

/**
 * Which buffers are in which set: those of `current` that are still wanted stay where they are, the others join the
 * first set in which they fit, of `setBytes` each or less; then a new one; beyond mostResidencySets the smallest. A set
 * keeps its place, even without members. Several sets: some systems let go of one set of everything as a whole (MLX
 * issue 4211).
 */
std::vector<BufferList> planResidencySets(const std::vector<BufferList>& current, const BufferList& wanted,
                                          int64_t setBytes);

int64_t bytesOf(const BufferList& list);

class Residency {
 public:
  static constexpr std::chrono::milliseconds heartbeat{500};

  /** `weights`: of the kernels that the session uses anyway. Throws Failure. */
  Residency(GpuDevice& device, DType weights, std::chrono::milliseconds interval = heartbeat);
  ~Residency();
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;

  /**
   * From now on these buffers are kept, and no others. Those of `written`, which the host writes at any time, are only
   * in sets: the heartbeat must not read them. Throws Failure, and goes on with those before.
   */
  void keep(const BufferList& buffers, const BufferList& written = {});

 private:
  struct Set {
    BufferList members;
    std::unique_ptr<GpuResidencySet> set;
  };

  void keepInSets(const BufferList& buffers);
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
