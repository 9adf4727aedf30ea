#include "model-session.h"

#include <exception>

#include "failure.h"

namespace conclave {
namespace {

constexpr int mostThreads = 1024;
constexpr int32_t mostRows = 1 << 16;
constexpr int32_t mostBlocks = 1 << 24;

const ModelShape& checked(const ModelShape& shape) {
  checkShape(shape);
  return shape;
}

const StepLimits& checked(const StepLimits& limits, int threads) {
  require(threads >= 1 && threads <= mostThreads, "threads must be 1 to " + std::to_string(mostThreads));
  require(limits.kvBlocks >= 1 && limits.kvBlocks <= mostBlocks, "kvBlocks must be 1 to " + std::to_string(mostBlocks));
  require(limits.maxRows >= 1 && limits.maxRows <= mostRows, "maxRows must be 1 to " + std::to_string(mostRows));
  return limits;
}

}  // namespace

ModelSession::ModelSession(const ModelShape& shape, const StepLimits& limits, int threads, const std::string& variant)
    : shape_(checked(shape)),
      limits_(checked(limits, threads)),
      weights_(shape),
      backend_(shape, limits, threads, variant),
      thread_([this] { work(); }) {}

ModelSession::~ModelSession() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ModelSession::attachShared(std::shared_ptr<const MappedFile> file, const std::vector<int64_t>& offsets) {
  requireIdle();
  weights_.attachShared(std::move(file), offsets);
}

void ModelSession::attachExpert(int32_t expert, std::shared_ptr<const MappedFile> file,
                                const std::vector<int64_t>& offsets) {
  requireIdle();
  weights_.attachExpert(expert, std::move(file), offsets);
}

const std::vector<double>& ModelSession::routingCounts() const {
  requireIdle();
  return backend_.routingCounts();
}

void ModelSession::step(StepBatch batch, float* logits, std::function<void(const std::string&)> done) {
  requireIdle();
  weights_.requireComplete();
  checkBatch(batch, shape_, limits_);
  auto job = std::make_unique<Job>(Job{std::move(batch), logits, std::move(done)});
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    running_ = true;
  }
  wake_.notify_one();
}

void ModelSession::work() {
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return job_ != nullptr || stopping_; });
      if (job_ == nullptr) return;
      job = std::move(job_);
    }
    const std::string failure = runStep(*job);
    {
      const std::lock_guard lock(mutex_);
      running_ = false;
    }
    job->done(failure);
  }
}

// What can be wrong with a batch was refused before; what is left is the system refusing memory.
std::string ModelSession::runStep(const Job& job) {
  try {
    backend_.step(job.batch, weights_, job.logits);
    return "";
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

void ModelSession::requireIdle() const {
  const std::lock_guard lock(mutex_);
  if (running_) throw Failure(FailureCode::busy, "a step is running");
}

}  // namespace conclave
