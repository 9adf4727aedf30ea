#include "command-queue.h"

#include <utility>

namespace conclave::emulated {

QueuedEvent::QueuedEvent(CommandQueue& queue, std::shared_ptr<Lifetimes> lifetimes)
    : queue_(queue), lifetimes_(std::move(lifetimes)) {}

QueuedEvent::~QueuedEvent() { lifetimes_->end(this, "an event"); }

uint64_t QueuedEvent::signalled() const {
  const uint64_t before = value_;
  queue_.runToNextSignal();
  return before;
}

void QueuedEvent::sleepUntil(uint64_t value, std::chrono::milliseconds /*atMost*/) {
  queue_.runUntil([&] { return value_ >= value; });
}

void QueuedEvent::noteEncoded(const CommandQueue& queue, uint64_t value) {
  require(&queue == &queue_, "the event is another device's");
  require(value > encoded_,
          "an event's values ascend: " + std::to_string(value) + " comes after " + std::to_string(encoded_));
  encoded_ = value;
}

void CommandQueue::submit(std::shared_ptr<CommandBatch> batch) {
  const std::lock_guard lock(mutex_);
  batches_.push_back(std::move(batch));
}

void CommandQueue::runUntil(const std::function<bool()>& reached) {
  const std::lock_guard lock(mutex_);
  while (!batches_.empty() && !reached()) runScope();
}

void CommandQueue::runToNextSignal() {
  const std::lock_guard lock(mutex_);
  const size_t batches = batches_.size();
  for (bool signals = false; !signals && batches > 0 && batches_.size() == batches;) {
    signals = !batches_.front()->scopes.empty() && batches_.front()->scopes.front().event != nullptr;
    runScope();
  }
}

// A batch that fails ends there; those behind it run all the same.
void CommandQueue::runScope() {
  const std::shared_ptr<CommandBatch> batch = batches_.front();
  try {
    const std::string violation = lifetimes_->violation();
    if (!violation.empty()) throw Failure(FailureCode::deviceLost, violation);
    if (!batch->scopes.empty()) {
      const CommandScope scope = std::move(batch->scopes.front());
      batch->scopes.pop_front();
      runScope_(scope.dispatches, batch->seconds);
      if (scope.event != nullptr) scope.event->raise(scope.value);
    }
  } catch (...) {
    batch->failure = std::current_exception();
    batch->scopes.clear();
  }
  if (!batch->scopes.empty()) return;
  batches_.pop_front();
  batch->ended = true;
}

QueuedCommands::QueuedCommands(CommandQueue& queue, std::shared_ptr<Lifetimes> lifetimes)
    : queue_(queue), lifetimes_(std::move(lifetimes)), batch_(std::make_shared<CommandBatch>()) {
  batch_->scopes.emplace_back();
}

QueuedCommands::~QueuedCommands() {
  if (submitted_) queue_.runUntil([&] { return batch_->ended.load(); });
  for (const void* object : used_) lifetimes_->release(object);
}

void QueuedCommands::requireOpen() const {
  require(!submitted_, "commands that were submitted take no more dispatches");
}

void QueuedCommands::use(const void* object) {
  lifetimes_->use(object);
  used_.push_back(object);
}

// Keeps a copy of the arguments.
void QueuedCommands::dispatch(const GpuDispatch& dispatch) {
  requireOpen();
  require(dispatch.argumentBytes >= 0 && dispatch.argumentBytes <= mostInlineBytes,
          "arguments of " + std::to_string(dispatch.argumentBytes) + " bytes; there is room for " +
              std::to_string(mostInlineBytes));
  CommandScope& scope = batch_->scopes.back();
  const auto* bytes = static_cast<const std::byte*>(dispatch.arguments);
  scope.arguments.emplace_back(bytes, bytes + dispatch.argumentBytes);
  scope.dispatches.push_back(dispatch);
  scope.dispatches.back().arguments = scope.arguments.back().data();
  use(dispatch.pipeline);
  for (const GpuView& view : dispatch.buffers) {
    if (view.buffer != nullptr) use(view.buffer);
  }
}

void QueuedCommands::barrier() {
  requireOpen();
  if (!batch_->scopes.back().dispatches.empty()) batch_->scopes.emplace_back();
}

void QueuedCommands::signal(GpuEvent& event, uint64_t value) {
  requireOpen();
  auto& own = static_cast<QueuedEvent&>(event);
  own.noteEncoded(queue_, value);
  use(&own);
  batch_->scopes.back().event = &own;
  batch_->scopes.back().value = value;
  batch_->scopes.emplace_back();
}

void QueuedCommands::submit() {
  requireOpen();
  submitted_ = true;
  queue_.submit(batch_);
}

void QueuedCommands::wait() {
  require(submitted_, "commands are waited for that were not submitted");
  queue_.runUntil([&] { return batch_->ended.load(); });
  if (batch_->failure != nullptr) std::rethrow_exception(batch_->failure);
}

}  // namespace conclave::emulated
