#include "sized-commands.h"

#include <algorithm>

#include "await-signal.h"

namespace conclave {

SizedCommands::SizedCommands(GpuDevice& device, const CommandBudget& budget, Submission submission)
    : device_(device), budget_(budget), submission_(submission), open_(device.commands()) {}

void SizedCommands::dispatch(const GpuDispatch& dispatch) {
  const bool waits = submission_ == Submission::together && (!waiting_.empty() || !fits(dispatch));
  if (!waits) return encode(dispatch);
  const auto* bytes = static_cast<const std::byte*>(dispatch.arguments);
  waiting_.push_back({dispatch, {bytes, bytes + dispatch.argumentBytes}});
}

void SizedCommands::barrier() {
  open_->barrier();
  pending_.clear();
}

void SizedCommands::signal(GpuEvent& event, uint64_t value) {
  if (waiting_.empty()) return encodeSignal(event, value);
  waiting_.push_back({{}, {}, &event, value});
}

void SizedCommands::submit() {
  for (Waiting& each : waiting_) {
    if (each.event != nullptr) {
      encodeSignal(*each.event, each.value);
      continue;
    }
    each.dispatch.arguments = each.arguments.data();
    encode(each.dispatch);
  }
  waiting_.clear();
  submitOpen();
}

void SizedCommands::wait() {
  for (const auto& commands : submitted_) commands->wait();
}

bool SizedCommands::haveEnded() const {
  return std::all_of(submitted_.begin(), submitted_.end(), [](const auto& commands) { return commands->haveEnded(); });
}

void SizedCommands::awaitSignal(GpuEvent& event, uint64_t value) {
  conclave::awaitSignal(event, value, *this);
  const auto signalled =
      std::find_if(signals_.begin(), signals_.end(), [&](const auto& s) { return s.value == value; });
  for (size_t i = 0; i < signalled->buffersBefore; ++i) submitted_[i]->wait();
}

double SizedCommands::gpuSeconds() const {
  double seconds = 0;
  for (const double each : secondsOfBuffers()) seconds += each;
  return seconds;
}

std::vector<double> SizedCommands::secondsOfBuffers() const {
  std::vector<double> seconds;
  for (const auto& commands : submitted_) seconds.push_back(commands->gpuSeconds());
  return seconds;
}

bool SizedCommands::fits(const GpuDispatch& dispatch) const {
  return openSeconds_ == 0 || openSeconds_ + budget_.predicted(dispatch.work) <= budget_.seconds();
}

void SizedCommands::encode(const GpuDispatch& dispatch) {
  if (!fits(dispatch)) {
    submitOpen();
    open_ = device_.commands();
    openSeconds_ = 0;
    pending_.clear();
  }
  if (pending_.collideWith(dispatch)) barrier();
  pending_.add(dispatch);
  open_->dispatch(dispatch);
  openSeconds_ += budget_.predicted(dispatch.work);
}

void SizedCommands::encodeSignal(GpuEvent& event, uint64_t value) {
  open_->signal(event, value);
  signals_.push_back({value, submitted_.size()});
  pending_.clear();
}

void SizedCommands::submitOpen() {
  open_->submit();
  submitted_.push_back(std::move(open_));
}

}  // namespace conclave
