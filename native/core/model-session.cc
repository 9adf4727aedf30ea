#include "model-session.h"

#include <exception>
#include <new>

#include "failure.h"

namespace conclave {
namespace {

constexpr int32_t mostRows = 1 << 16;
constexpr int32_t mostBlocks = 1 << 24;

const ModelDescription& checked(const ModelDescription& description) {
  checkDescription(description);
  return description;
}

const StepLimits& checked(const StepLimits& limits) {
  require(limits.kvBlocks >= 1 && limits.kvBlocks <= mostBlocks, "kvBlocks must be 1 to " + std::to_string(mostBlocks));
  require(limits.maxRows >= 1 && limits.maxRows <= mostRows, "maxRows must be 1 to " + std::to_string(mostRows));
  return limits;
}

}  // namespace

ModelSession::ModelSession(const ModelDescription& description, const StepLimits& limits,
                           const CreateBackend& createBackend)
    : shape_(checked(description).shape()),
      limits_(checked(limits)),
      weights_(description),
      backend_(createBackend(description, limits)),
      thread_([this] { work(); }) {}

ModelSession::~ModelSession() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ModelSession::attach(const std::shared_ptr<const MappedFile>& file, const std::vector<WeightSection>& sections) {
  const auto lock = lockWeights();
  hold(weights_.attach(file, sections));
}

void ModelSession::detachExperts(std::span<const int32_t> ids) {
  const auto lock = lockWeights();
  hold(weights_.detachExperts(ids));
}

// What the backend refuses to hold is not attached either.
void ModelSession::hold(ModelWeights::Replaced before) {
  try {
    backend_->hold(weights_);
  } catch (...) {
    weights_.restore(std::move(before));
    throw;
  }
}

const std::vector<double>& ModelSession::routingCounts() const {
  requireIdle();
  return backend_->routingCounts();
}

const StepBatch& ModelSession::begun() const {
  require(begun_.has_value(), "no step has begun");
  return *begun_;
}

int64_t ModelSession::activationBytes() const {
  return int64_t{shape_.dModel} * static_cast<int64_t>(bytesPerWeight(shape_.activations));
}

float* ModelSession::memoryFor(const LogitsOutput& output, const StepBatch& batch) {
  if (output.written != nullptr) return output.written;
  const size_t count = batch.logitRows.size() * static_cast<size_t>(shape_.vocab);
  if (count > logitsCapacity_) {
    logits_.reset();
    logitsCapacity_ = 0;
    logits_.reset(new float[count]);
    logitsCapacity_ = count;
  }
  return logits_.get();
}

void ModelSession::use(const LogitsOutput& output, const float* logits) {
  if (output.use) output.use(logits, backend_->threads());
}

void ModelSession::step(StepBatch batch, LogitsOutput output, Done done) {
  requireIdle();
  weights_.requireComplete();
  checkBatch(batch, shape_, limits_);
  begun_.reset();
  start(
      [this, batch = std::move(batch), output = std::move(output)] {
        float* logits = memoryFor(output, batch);
        backend_->step(batch, weights_, logits);
        use(output, logits);
      },
      std::move(done));
}

void ModelSession::stepBy(StepBatch batch, std::optional<LogitsOutput> output, Compute compute, Done done) {
  requireIdle();
  weights_.requireShared();
  checkBatch(batch, shape_, limits_);
  begun_.reset();
  start(
      [this, batch = std::move(batch), output = std::move(output), compute = std::move(compute)] {
        float* logits = output.has_value() ? memoryFor(*output, batch) : nullptr;
        if (compute(*backend_, weights_, batch, logits) && logits != nullptr) use(*output, logits);
      },
      std::move(done));
}

void ModelSession::serveBy(std::function<void(const ComputeExperts& compute)> serve, Done done) {
  requireIdle();
  begun_.reset();
  start([this, serve = std::move(serve)] { serve([this](const ExpertWork& work) { computeServed(work); }); },
        std::move(done), true);
}

void ModelSession::computeServed(const ExpertWork& work) {
  struct Computing {
    explicit Computing(ModelSession& session) : session(session) { session.setWaiting(false); }
    ~Computing() { session.setWaiting(true); }
    ModelSession& session;
  };
  const Computing computing(*this);
  checkWork(work);
  backend_->runExperts(weights_, work.layer, {work.rows, work.experts}, work.hidden, work.hiddenRows, work.outputs);
}

void ModelSession::setWaiting(bool waiting) {
  const std::lock_guard lock(mutex_);
  waiting_ = waiting;
}

void ModelSession::begin(StepBatch batch) {
  requireIdle();
  weights_.requireShared();
  checkBatch(batch, shape_, limits_);
  begun_ = std::move(batch);
  attended_ = 0;
}

void ModelSession::attend(int32_t layer, Contribution before, const AttendResult& result, Done done) {
  requireIdle();
  const StepBatch& batch = begun();
  require(layer == attended_ && layer < shape_.moeLayers,
          "layer " + std::to_string(layer) + " does not follow " + std::to_string(attended_) + " attended layers");
  require((before.outputs != nullptr || before.sums != nullptr) == (layer > 0),
          "every layer but the first needs what the experts before it contribute");
  ++attended_;
  start(
      [this, &batch, layer, before, result] {
        if (layer == 0) backend_->begin(batch, weights_);
        backend_->attend(batch, weights_, layer, before, result);
      },
      std::move(done));
}

void ModelSession::runExperts(ExpertWork work, Done done) {
  requireIdle();
  checkWork(work);
  start(
      [this, work = std::move(work)] {
        backend_->runExperts(weights_, work.layer, {work.rows, work.experts}, work.hidden, work.hiddenRows,
                             work.outputs);
      },
      std::move(done));
}

void ModelSession::checkWork(const ExpertWork& work) const {
  require(work.layer >= 0 && work.layer < shape_.moeLayers, "there is no layer " + std::to_string(work.layer));
  if (work.hidden == nullptr) {
    requireLayerDone();
    require(work.layer + 1 == attended_, "the rows of layer " + std::to_string(work.layer) + " are not at hand");
  }
  const int32_t rows = work.hidden == nullptr ? begun().rows() : work.hiddenRows;
  require(rows >= 1 && rows <= limits_.maxRows, "a step takes 1 to " + std::to_string(limits_.maxRows) + " rows");
  require(work.rows.size() == work.experts.size(), "rows and experts must have the same length");
  require(work.rows.size() <= static_cast<size_t>(limits_.maxRows) * static_cast<size_t>(shape_.topK),
          "there are more slots than rows times experts per row");
  for (size_t i = 0; i < work.rows.size(); ++i) {
    require(work.rows[i] >= 0 && work.rows[i] < rows, "there is no row " + std::to_string(work.rows[i]));
    weights_.requireExpert(work.layer, work.experts[i]);
  }
}

void ModelSession::runBeside(int32_t layer, Done done) {
  requireIdle();
  requireLayerDone();
  require(layer + 1 == attended_, "the rows of layer " + std::to_string(layer) + " are not at hand");
  start([this, layer] { backend_->runBeside(weights_, layer); }, std::move(done));
}

void ModelSession::sumOutputs(int32_t firstRow, int32_t rows, const std::byte* outputs, float* sums, Done done) {
  requireIdle();
  requireLayerDone();
  require(firstRow >= 0 && rows >= 0 && firstRow <= begun().rows() - rows, "there are no such rows");
  start([this, firstRow, rows, outputs, sums] { backend_->sumOutputs(firstRow, rows, outputs, sums); },
        std::move(done));
}

void ModelSession::project(Contribution before, LogitsOutput output, Done done) {
  requireIdle();
  require(begun_.has_value() && attended_ == shape_.moeLayers, "not every layer has been attended");
  require((before.outputs != nullptr || before.sums != nullptr) == (shape_.moeLayers > 0),
          "the last layer's contribution is missing");
  start(
      [this, batch = std::move(*begun_), before, output = std::move(output)] {
        float* logits = memoryFor(output, batch);
        if (shape_.moeLayers == 0) backend_->begin(batch, weights_);
        backend_->project(batch, weights_, before, logits);
        use(output, logits);
      },
      std::move(done));
  begun_.reset();
}

void ModelSession::requireLayerDone() const {
  require(begun_.has_value() && attended_ > 0, "no layer has been attended");
}

void ModelSession::start(std::function<void()> compute, Done done, bool waiting) {
  auto job = std::make_unique<Job>(Job{std::move(compute), std::move(done)});
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    running_ = true;
    waiting_ = waiting;
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
    const std::optional<Failure> failure = run(*job);
    {
      const std::lock_guard lock(mutex_);
      running_ = waiting_ = false;
      deviceLost_ = deviceLost_ || (failure.has_value() && failure->code == FailureCode::deviceLost);
    }
    job->done(failure);
  }
}

// What can be wrong with the arguments was refused before; what is left is memory that is refused, and a GPU that gave
// up.
std::optional<Failure> ModelSession::run(const Job& job) {
  try {
    job.compute();
    return std::nullopt;
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::bad_alloc&) {
    return Failure(FailureCode::outOfMemory, "not enough memory");
  } catch (const std::exception& unforeseen) {
    return Failure(FailureCode::internal, unforeseen.what());
  }
}

void ModelSession::requireIdle() const {
  const std::lock_guard lock(mutex_);
  if (running_) throw Failure(FailureCode::busy, "the session is computing");
  requireDevice();
}

// Until the lock is gone nothing computes.
std::unique_lock<std::mutex> ModelSession::lockWeights() const {
  std::unique_lock lock(mutex_);
  if (running_ && !waiting_) throw Failure(FailureCode::busy, "the session is computing");
  requireDevice();
  return lock;
}

void ModelSession::requireDevice() const {
  if (deviceLost_) {
    throw Failure(FailureCode::deviceLost, "the GPU gave up an earlier call; only a new session can use it again");
  }
}

}  // namespace conclave
