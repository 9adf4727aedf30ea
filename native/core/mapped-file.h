// A read-only memory-mapped file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace conclave {

class MappedFile {
 public:
  /** Throws Failure io with the path and the system's reason. */
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  /** The bytes [offset, offset + length). Throws Failure invalidArgument when they are not all in the file. */
  const std::byte* range(int64_t offset, int64_t length) const;
  /** Faults the range's pages in now instead of at their first use. */
  void populate(int64_t offset, int64_t length) const;
  /** Gives the range's pages back to the system; reading them again is allowed. */
  void release(int64_t offset, int64_t length) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace conclave
