// A large buffer of zeros whose pages the system supplies at their first use: reserving a whole KV cache costs nothing
// yet.
#pragma once
#include <cstddef>
#include <cstdint>

namespace conclave {

class ZeroedMemory {
 public:
  ZeroedMemory() = default;
  /** Throws Failure outOfMemory naming the size. Aligned to a page. */
  explicit ZeroedMemory(int64_t bytes);
  ~ZeroedMemory();
  ZeroedMemory(ZeroedMemory&& other) noexcept;
  ZeroedMemory& operator=(ZeroedMemory&& other) noexcept;

  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace conclave
