// What commands name must live until they have ended, as nothing else keeps it: whatever is freed earlier is noted.
#pragma once
#include <mutex>
#include <string>
#include <unordered_map>

namespace conclave::emulated {

class Lifetimes {
 public:
  /** Commands name it. */
  void use(const void* object) {
    const std::lock_guard lock(mutex_);
    ++uses_[object];
  }
  /** Those commands have ended. */
  void release(const void* object) {
    const std::lock_guard lock(mutex_);
    const auto found = uses_.find(object);
    if (found != uses_.end() && --found->second == 0) uses_.erase(found);
  }
  /** It is freed. */
  void end(const void* object, const char* kind) {
    const std::lock_guard lock(mutex_);
    if (uses_.contains(object)) {
      violation_ = std::string(kind) + " was freed before the commands that use it had ended";
    }
  }
  /** What was freed too early; empty if nothing was. */
  std::string violation() const {
    const std::lock_guard lock(mutex_);
    return violation_;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<const void*, int> uses_;
  std::string violation_;
};

}  // namespace conclave::emulated
