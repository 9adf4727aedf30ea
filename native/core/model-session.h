// A loaded model: weights, backend, and the thread that computes so that the caller's is free.
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend.h"
#include "failure.h"
#include "model-weights.h"
#include "step-batch.h"

namespace conclave {

/** Expert outputs to compute and where they go; the spans' arrays outlive the call. */
struct ExpertWork {
  int32_t layer;
  std::vector<int32_t> rows, experts;  // [slots] each
  const std::byte* hidden;             // [hiddenRows, dModel], or null for what attend left
  int32_t hiddenRows;
  std::byte* outputs;  // [slots, dModel]
};

/** What becomes of a step's logits [logitRows, vocab]. */
struct LogitsOutput {
  /** Called on the session's thread with logits in the session's memory. */
  using Use = std::function<void(const float* logits, ThreadPool& threads)>;

  LogitsOutput(float* logits) : written(logits) {}
  LogitsOutput(Use whenThere) : use(std::move(whenThere)) {}

  float* written = nullptr;  // where they are written, or null
  Use use;
};

class ModelSession {
 public:
  /** Called from the session's thread when a call has ended, with the reason if it failed. */
  using Done = std::function<void(const std::optional<Failure>& failure)>;

  using CreateBackend = std::function<std::unique_ptr<Backend>(const ModelDescription&, const StepLimits&)>;

  /** Checks description and limits, then makes the backend. Throws Failure naming the option or field at fault. */
  ModelSession(const ModelDescription& description, const StepLimits& limits, const CreateBackend& createBackend);
  /** Waits for a running call. */
  ~ModelSession();
  ModelSession(const ModelSession&) = delete;
  ModelSession& operator=(const ModelSession&) = delete;

  // Not while a call computes. Throw Failure, and change nothing then.
  void attach(const std::shared_ptr<const MappedFile>& file, const std::vector<WeightSection>& sections);
  /** ids: index of the MoE layer * experts + expert. */
  void detachExperts(std::span<const int32_t> ids);
  const std::vector<double>& routingCounts() const;

  // Each checks its arguments (throws Failure, and changes nothing), then runs on the session's thread. One at a time.
  // After one that failed with deviceLost all throw deviceLost.

  /** All layers. */
  void step(StepBatch batch, LogitsOutput output, Done done);

  /**
   * A step whose order of parts is the caller's: `compute` runs on the session's thread with a checked batch. It
   * returns whether it has written the logits; null where there is no output for them.
   */
  using Compute =
      std::function<bool(Backend& backend, const ModelWeights& weights, const StepBatch& batch, float* logits)>;
  void stepBy(StepBatch batch, std::optional<LogitsOutput> output, Compute compute, Done done);

  /** Computes experts for another node. Throws Failure; waits while weights are being changed. */
  using ComputeExperts = std::function<void(const ExpertWork& work)>;
  /**
   * Runs `serve` on the session's thread until it returns. Weights may be attached and detached meanwhile, except while
   * `serve` computes.
   */
  void serveBy(std::function<void(const ComputeExperts& compute)> serve, Done done);

  // The parts of a step, in this order: begin, for every layer attend and runExperts, then project. `begin` may come at
  // any time and gives up an unfinished step.

  /** Takes the batch that the next calls are about; returns at once. */
  void begin(StepBatch batch);
  /** See Backend::attend. Layers ascend from 0; only layer 0 has no contribution before it. */
  void attend(int32_t layer, Contribution before, const AttendResult& result, Done done);
  /** See Backend::runExperts. With rows of its own (`hidden`) it belongs to no step. */
  void runExperts(ExpertWork work, Done done);
  /** See Backend::runBeside. */
  void runBeside(int32_t layer, Done done);
  /** See Backend::sumOutputs. */
  void sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums, Done done);
  /** See Backend::project. Ends the step. */
  void project(Contribution before, LogitsOutput output, Done done);

  /** Threads that compute on the host, the session's own among them. */
  int threads() const { return backend_->threads().threads(); }
  std::string numericsClass() const { return backend_->numericsClass(); }
  const ModelShape& shape() const { return shape_; }
  const StepLimits& limits() const { return limits_; }
  /** The batch of the step that runs in parts; throws Failure when there is none. */
  const StepBatch& begun() const;
  /** Bytes of one row of activations: the experts' input or output. */
  int64_t activationBytes() const;

 private:
  struct Job {
    std::function<void()> compute;
    Done done;
  };

  void hold(ModelWeights::Replaced before);
  float* memoryFor(const LogitsOutput& output, const StepBatch& batch);
  void use(const LogitsOutput& output, const float* logits);
  void start(std::function<void()> compute, Done done, bool waiting = false);
  void computeServed(const ExpertWork& work);
  void setWaiting(bool waiting);
  void work();
  static std::optional<Failure> run(const Job& job);
  void requireIdle() const;
  std::unique_lock<std::mutex> lockWeights() const;
  void requireDevice() const;
  void requireLayerDone() const;
  void checkWork(const ExpertWork& work) const;

  ModelShape shape_;
  StepLimits limits_;
  ModelWeights weights_;
  std::unique_ptr<Backend> backend_;
  std::optional<StepBatch> begun_;
  // Grows to the largest step; only the running call touches it.
  std::unique_ptr<float[]> logits_;
  size_t logitsCapacity_ = 0;
  int32_t attended_ = 0;  // MoE layers of the begun step whose router has run
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::unique_ptr<Job> job_;
  bool running_ = false;
  bool waiting_ = false;  // the call that runs is serveBy's and computes nothing
  bool deviceLost_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace conclave
