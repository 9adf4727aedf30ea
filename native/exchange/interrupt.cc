#include "interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "../core/failure.h"

namespace conclave {

Interrupt::Interrupt() {
  int ends[2];
  if (pipe(ends) != 0) throw Failure(FailureCode::io, std::string("no pipe: ") + std::strerror(errno));
  read_ = ends[0];
  write_ = ends[1];
  for (int end : ends) {
    fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(end, F_SETFL, O_NONBLOCK);
  }
}

Interrupt::~Interrupt() {
  close(read_);
  close(write_);
}

void Interrupt::raise() noexcept {
  raised_ = true;
  const char byte = 0;
  // A pipe that is full says what is to be said.
  [[maybe_unused]] const ssize_t written = write(write_, &byte, 1);
}

void Interrupt::check() const {
  if (raised_) throw Failure(FailureCode::interrupted, "the wait was interrupted");
}

bool Interrupt::await(int toRead, int toWrite, int timeoutMs) const {
  pollfd waits[3] = {{read_, POLLIN, 0}, {toRead, POLLIN, 0}, {toWrite, POLLOUT, 0}};
  int ready;
  do {
    ready = poll(waits, 3, timeoutMs);
  } while (ready == -1 && errno == EINTR && !raised_);
  check();
  // An error or a hang-up surfaces on the next read or write.
  return ready > 0;
}

}  // namespace conclave
