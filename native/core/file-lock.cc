#include "file-lock.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "failure.h"

namespace conclave {

bool tryLockFile(int descriptor) {
  int status;
  do {
    status = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  if (status == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw Failure(FailureCode::io, std::strerror(errno));
}

}  // namespace conclave
