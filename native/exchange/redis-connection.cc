#include "redis-connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// As long as the connections of the rest of the product take (infra/redis/connect.ts).
constexpr int connectMs = 3'000, replyMs = 5'000;
constexpr size_t receiveBytes = 64 * 1024;

#ifdef MSG_NOSIGNAL
constexpr int sendFlags = MSG_NOSIGNAL;
#else
constexpr int sendFlags = 0;
#endif

[[noreturn]] void lost(const std::string& why) { throw Failure(FailureCode::exchange, "The exchange: " + why); }
[[noreturn]] void lostByErrno() { lost(std::strerror(errno)); }
bool mustWait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int millisecondsUntil(Clock::time_point deadline) {
  if (deadline == RedisConnection::never) return -1;
  if (deadline == RedisConnection::now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

void prepareSocket(int socket) {
  const int on = 1;
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  fcntl(socket, F_SETFL, O_NONBLOCK);
  // Refused by Unix sockets, which need neither.
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef SO_NOSIGPIPE
  setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

}  // namespace

RedisConnection::RedisConnection(const RedisAddress& address, const std::string& name, const Interrupt& interrupt)
    : interrupt_(interrupt) {
  try {
    connectTo(address);
    signIn(address, name);
  } catch (...) {
    if (socket_ != -1) close(socket_);
    throw;
  }
}

RedisConnection::~RedisConnection() { close(socket_); }

void RedisConnection::connectTo(const RedisAddress& address) {
  if (address.path.empty()) {
    connectToHost(address.host, address.port);
  } else {
    connectToPath(address.path);
  }
}

void RedisConnection::connectToPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) lost("the path of its socket is too long");
  std::copy(path.begin(), path.end(), address.sun_path);
  if (!tryConnect(AF_UNIX, &address, sizeof address)) lostByErrno();
}

void RedisConnection::connectToHost(const std::string& host, int32_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) lost(gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (tryConnect(each->ai_family, each->ai_addr, each->ai_addrlen)) return;
  }
  lostByErrno();
}

// False, with errno, if no server answers there.
bool RedisConnection::tryConnect(int family, const void* address, uint32_t addressBytes) {
  if (socket_ != -1) close(socket_);
  socket_ = ::socket(family, SOCK_STREAM, 0);
  if (socket_ == -1) return false;
  prepareSocket(socket_);
  if (connect(socket_, static_cast<const sockaddr*>(address), addressBytes) == 0) return true;
  if (errno != EINPROGRESS) return false;
  int error = ETIMEDOUT;
  socklen_t size = sizeof error;
  if (interrupt_.await(-1, socket_, connectMs)) getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0;
}

void RedisConnection::signIn(const RedisAddress& address, const std::string& name) {
  if (!address.password.empty() && address.user.empty()) call({"AUTH", address.password});
  if (!address.user.empty()) call({"AUTH", address.user, address.password});
  if (address.database != 0) call({"SELECT", std::to_string(address.database)});
  call({"CLIENT", "SETNAME", name});
}

void RedisConnection::call(const std::vector<std::string_view>& command) {
  send(command);
  if (!receive(Clock::now() + std::chrono::milliseconds(replyMs)).has_value()) lost("no answer");
}

void RedisConnection::queue(const std::vector<std::string_view>& command) {
  out_.erase(0, std::exchange(written_, 0));
  appendCommand(out_, command);
}

bool RedisConnection::flush() {
  while (written_ < out_.size()) {
    const ssize_t more = ::send(socket_, out_.data() + written_, out_.size() - written_, sendFlags);
    if (more < 0 && !mustWait()) lostByErrno();
    if (more < 0) return false;
    written_ += static_cast<size_t>(more);
  }
  return true;
}

void RedisConnection::send(const std::vector<std::string_view>& command) {
  queue(command);
  while (!flush()) interrupt_.await(-1, socket_, -1);
}

void RedisConnection::readAvailable() { fill(now); }

std::optional<RespValue> RedisConnection::receive(Clock::time_point deadline) {
  for (;;) {
    std::optional<RespValue> reply = takeReply();
    if (reply.has_value() && reply->type == RespValue::Type::error) lost(std::string(reply->text));
    if (reply.has_value() || !fill(deadline)) return reply;
  }
}

// Its texts stay where they are, what comes after it starts a new reply.
std::optional<RespValue> RedisConnection::takeReply() {
  std::optional<RespReply> reply = readReply({in_.data(), received_});
  if (!reply.has_value()) return std::nullopt;
  std::swap(in_, held_);
  const size_t rest = received_ - reply->size;
  if (in_.size() < rest) in_.resize(held_.size());
  std::copy_n(held_.begin() + static_cast<ptrdiff_t>(reply->size), rest, in_.begin());
  received_ = rest;
  return std::move(reply->value);
}

// Appends what has come; false when nothing has by the deadline.
bool RedisConnection::fill(Clock::time_point deadline) {
  if (in_.size() - received_ < receiveBytes / 2) in_.resize(std::max(receiveBytes, 2 * in_.size()));
  for (;;) {
    const ssize_t more = recv(socket_, in_.data() + received_, in_.size() - received_, 0);
    if (more > 0) {
      received_ += static_cast<size_t>(more);
      return true;
    }
    if (more == 0) lost("the connection was closed");
    if (!mustWait()) lostByErrno();
    const int left = millisecondsUntil(deadline);
    if (left == 0) return false;
    interrupt_.await(socket_, -1, left);
  }
}

}  // namespace conclave
