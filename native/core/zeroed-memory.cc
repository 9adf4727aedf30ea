#include "zeroed-memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "failure.h"

namespace conclave {

ZeroedMemory::ZeroedMemory(int64_t bytes) : bytes_(static_cast<size_t>(bytes > 0 ? bytes : 1)) {
  void* mapping = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    throw Failure(FailureCode::outOfMemory, "cannot reserve " + std::to_string(bytes_) + " bytes of memory");
  }
  data_ = static_cast<std::byte*>(mapping);
}

ZeroedMemory::~ZeroedMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

ZeroedMemory::ZeroedMemory(ZeroedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

ZeroedMemory& ZeroedMemory::operator=(ZeroedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace conclave
