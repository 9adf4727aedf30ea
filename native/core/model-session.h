// A loaded model: weights, backend, and the thread that runs steps so that the caller's is free.
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../cpu/cpu-backend.h"
#include "model-weights.h"
#include "step-batch.h"

namespace conclave {

class ModelSession {
 public:
  /** Throws Failure naming the option or dimension at fault. */
  ModelSession(const ModelShape& shape, const StepLimits& limits, int threads, const std::string& variant);
  /** Waits for a running step. */
  ~ModelSession();
  ModelSession(const ModelSession&) = delete;
  ModelSession& operator=(const ModelSession&) = delete;

  // Not while a step runs.
  void attachShared(std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets);
  void attachExpert(int32_t expert, std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets);
  const std::vector<double>& routingCounts() const;

  /**
   * Checks the batch (throws Failure), then runs it on the session's thread: logits [logitRows, vocab] are written,
   * then `done` is called from that thread, with the reason if the step failed, else ''. One step at a time.
   */
  void step(StepBatch batch, float* logits, std::function<void(const std::string& failure)> done);

  const ModelShape& shape() const { return shape_; }

 private:
  struct Job {
    StepBatch batch;
    float* logits;
    std::function<void(const std::string&)> done;
  };

  void work();
  std::string runStep(const Job& job);
  void requireIdle() const;

  ModelShape shape_;
  StepLimits limits_;
  ModelWeights weights_;
  CpuBackend backend_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::unique_ptr<Job> job_;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace conclave
