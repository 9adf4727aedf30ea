#include "mapped-file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "failure.h"

namespace conclave {
namespace {

[[noreturn]] void failIo(const std::string& path, const char* action) {
  throw Failure(FailureCode::io, "cannot " + std::string(action) + " " + path + ": " + std::strerror(errno));
}

// Whole pages touching (outward) or inside (inward) the range, relative to the mapping.
struct Pages {
  int64_t begin, end;
};

Pages pagesOf(int64_t offset, int64_t length, bool inward) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t up = inward ? page - 1 : 0;
  const int64_t down = inward ? 0 : page - 1;
  return {(offset + up) / page * page, (offset + length + down) / page * page};
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) failIo(path, "open");
  struct stat info {};
  void* mapping = nullptr;
  const bool ok =
      fstat(fd, &info) == 0 && (info.st_size == 0 || (mapping = mmap(nullptr, static_cast<size_t>(info.st_size),
                                                                     PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED);
  const int reason = errno;
  close(fd);
  errno = reason;
  if (!ok) failIo(path, "map");
  data_ = static_cast<std::byte*>(mapping);
  size_ = info.st_size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(size_));
}

const std::byte* MappedFile::range(int64_t offset, int64_t length) const {
  require(offset >= 0 && length >= 0 && offset <= size_ && length <= size_ - offset,
          "bytes " + std::to_string(offset) + " to " + std::to_string(offset + length) + " are not in " + path_ +
              ", which has " + std::to_string(size_));
  return data_ + offset;
}

void MappedFile::populate(int64_t offset, int64_t length) const {
  range(offset, length);
  if (length == 0) return;
  const Pages pages = pagesOf(offset, length, false);
  std::byte* begin = data_ + pages.begin;
  const size_t bytes = static_cast<size_t>(pages.end - pages.begin);
#ifdef MADV_POPULATE_READ
  if (madvise(begin, bytes, MADV_POPULATE_READ) == 0) return;
#endif
  // Older kernels and macOS: a hint, the first use faults the rest in.
  madvise(begin, bytes, MADV_WILLNEED);
}

void MappedFile::release(int64_t offset, int64_t length) const {
  range(offset, length);
  const Pages pages = pagesOf(offset, length, true);
  if (pages.end > pages.begin) {
    madvise(data_ + pages.begin, static_cast<size_t>(pages.end - pages.begin), MADV_DONTNEED);
  }
}

}  // namespace conclave
