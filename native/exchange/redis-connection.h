// A connection to the exchange Redis for a thread that computes: no event loop, every wait can be interrupted. Once a
// call has thrown, the connection is of no use any more.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "interrupt.h"
#include "resp.h"

namespace conclave {

using Clock = std::chrono::steady_clock;

struct RedisAddress {
  std::string path;  // of a Unix socket; '' for host and port
  std::string host;
  int32_t port;
  std::string user, password;  // '' for none
  int32_t database;
};

class RedisConnection {
 public:
  /** Connects and signs in. `name` is what CLIENT LIST shows. Throws Failure `exchange` or `interrupted`. */
  RedisConnection(const RedisAddress& address, const std::string& name, const Interrupt& interrupt);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // A member that writes much while others write to it must read meanwhile: queue, then alternate flush and
  // readAvailable.

  /** A command to be written. */
  void queue(const std::vector<std::string_view>& command);
  /** Writes what is queued as far as the system takes it; false when that is not all. Throws Failure `exchange`. */
  bool flush();
  /** Takes in what has come, for later calls of receive. Throws Failure `exchange`. */
  void readAvailable();
  /** For Interrupt::await. */
  int descriptor() const { return socket_; }

  /** Writes a command and does not wait for its reply. Throws Failure `exchange` or `interrupted`. */
  void send(const std::vector<std::string_view>& command);
  /**
   * The next reply, in the order of the commands; its texts live until the next call. Null when there is none by
   * `deadline`. Throws Failure `exchange` for an error reply or a lost connection, `interrupted`.
   */
  std::optional<RespValue> receive(Clock::time_point deadline);

  static constexpr Clock::time_point never = Clock::time_point::max();
  static constexpr Clock::time_point now = Clock::time_point::min();

 private:
  void connectTo(const RedisAddress& address);
  void connectToPath(const std::string& path);
  void connectToHost(const std::string& host, int32_t port);
  bool tryConnect(int family, const void* address, uint32_t addressBytes);
  void signIn(const RedisAddress& address, const std::string& name);
  void call(const std::vector<std::string_view>& command);
  std::optional<RespValue> takeReply();
  bool fill(Clock::time_point deadline);

  const Interrupt& interrupt_;
  int socket_ = -1;
  std::string out_;  // from written_ on not yet written
  size_t written_ = 0;
  std::vector<char> in_;  // received and not yet handed out: [0, received_)
  size_t received_ = 0;
  std::vector<char> held_;  // what the latest reply's texts lie in
};

}  // namespace conclave
