// How the native side refuses or fails: one exception type whose code the addon hands to JavaScript.
#pragma once
#include <stdexcept>
#include <string>

namespace conclave {

// `unavailable`: this machine has no such device; `deviceLost`: the GPU gave up, and only a new session helps;
// `exchange`: the Redis between the nodes is away or refuses; `interrupted`: a wait was ended from outside; `internal`:
// unexpected errors.
enum class FailureCode {
  invalidArgument,
  closed,
  busy,
  io,
  outOfMemory,
  unavailable,
  deviceLost,
  exchange,
  interrupted,
  internal
};

class Failure : public std::runtime_error {
 public:
  Failure(FailureCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  const FailureCode code;
};

/** Refuses the caller's arguments unless `condition` holds. */
inline void require(bool condition, const std::string& message) {
  if (!condition) throw Failure(FailureCode::invalidArgument, message);
}

}  // namespace conclave
