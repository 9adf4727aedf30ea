#include "fake-redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace conclave::test {
namespace {

// Longer than a busy machine takes; only a test that fails waits for it.
constexpr auto timeout = std::chrono::seconds(20);
// Between the pieces of an answer, so that they arrive apart.
constexpr auto pause = std::chrono::milliseconds(10);

std::string folderOfItsOwn() {
  char name[] = "/tmp/conclave-exchange-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error("no folder for a socket");
  return name;
}

template <typename Address>
int listenOn(const Address& address, int family) {
  const int listener = socket(family, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener, 128) != 0) {
    throw std::runtime_error(std::string("cannot listen: ") + std::strerror(errno));
  }
  return listener;
}

int listenOnPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  return listenOn(address, AF_UNIX);
}

int listenOnTcp(int& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = listenOn(address, AF_INET);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return listener;
}

std::string array(const std::vector<std::string>& items) {
  std::string all = std::string(1, '*').append(std::to_string(items.size())).append("\r\n");
  for (const std::string& item : items) all += item;
  return all;
}

std::string texts(const std::vector<std::string>& items) {
  std::vector<std::string> written;
  for (const std::string& item : items) written.push_back(FakeRedis::bulk(item));
  return array(written);
}

}  // namespace

FakeRedis::FakeRedis(Script script, bool onTcp)
    : script_(std::move(script)),
      folder_(folderOfItsOwn()),
      listener_(onTcp ? listenOnTcp(port_) : listenOnPath(folder_ + "/redis")) {
  threads_.emplace_back([this] { accept(); });
}

FakeRedis::~FakeRedis() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    for (const int each : sockets_) shutdown(each, SHUT_RDWR);
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  // Only the first thread starts others, and it ends before they are joined.
  for (size_t i = 0; i < threads_.size(); ++i) threads_[i].join();
  close(listener_);
  unlink((folder_ + "/redis").c_str());
  rmdir(folder_.c_str());
}

RedisAddress FakeRedis::address() const {
  return port_ == 0 ? RedisAddress{folder_ + "/redis", "", 0, "", "", 0}
                    : RedisAddress{"", "127.0.0.1", port_, "", "", 0};
}

void FakeRedis::add(const std::string& stream, const std::string& id, std::vector<std::string> fields) {
  {
    const std::lock_guard lock(mutex_);
    streams_[stream].entries[idOf(id)] = std::move(fields);
  }
  changed_.notify_all();
}

std::vector<FakeRedis::Command> FakeRedis::commands(const std::string& name, size_t count) {
  std::vector<Command> found;
  const auto haveCome = [&] {
    found.clear();
    std::copy_if(commands_.begin(), commands_.end(), std::back_inserter(found),
                 [&](const Command& command) { return command[0] == name; });
    return found.size() >= count;
  };
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, timeout, haveCome)) throw std::runtime_error("too few commands " + name);
  found.resize(count);
  return found;
}

size_t FakeRedis::count(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(commands_.begin(), commands_.end(), [&](const Command& command) { return command[0] == name; }));
}

std::string FakeRedis::bulk(const std::string& text) {
  return std::string(1, '$').append(std::to_string(text.size())).append("\r\n").append(text).append("\r\n");
}

void FakeRedis::accept() {
  for (;;) {
    const int socket = ::accept(listener_, nullptr, nullptr);
    const std::lock_guard lock(mutex_);
    if (over_ && socket != -1) close(socket);
    if (over_ || socket == -1) return;
    sockets_.insert(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
  }
}

void FakeRedis::serve(int socket) {
  std::string received;
  std::vector<char> chunk(1 << 16);
  for (bool open = true; open;) {
    const ssize_t more = recv(socket, chunk.data(), chunk.size(), 0);
    if (more <= 0) break;
    received.append(chunk.data(), static_cast<size_t>(more));
    while (const std::optional<RespReply> reply = open ? readReply(received) : std::nullopt) {
      Command command;
      for (const RespValue& item : reply->value.items) command.emplace_back(item.text);
      received.erase(0, reply->size);
      const std::vector<std::string> pieces = answer(command);
      for (const std::string& piece : pieces) {
        if (&piece != pieces.data()) std::this_thread::sleep_for(pause);
        if (piece == hangUp) open = false;
        if (open) ::send(socket, piece.data(), piece.size(), MSG_NOSIGNAL);
      }
    }
  }
  const std::lock_guard lock(mutex_);
  sockets_.erase(socket);
  close(socket);
}

std::vector<std::string> FakeRedis::answer(const Command& command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(command);
  }
  changed_.notify_all();
  if (script_) {
    if (auto scripted = script_(command)) return *scripted;
  }
  if (command[0] == "XADD") return {append(command)};
  if (command[0] == "XREAD") return {read(command)};
  return {"+OK\r\n"};
}

// XADD key MINID = kept id field value...
std::string FakeRedis::append(const Command& command) {
  const Id id = idOf(command[5]);
  {
    const std::lock_guard lock(mutex_);
    Stream& stream = streams_[command[1]];
    if (id <= stream.last)
      return "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n";
    stream.entries[id] = {command.begin() + 6, command.end()};
    stream.last = id;
    stream.entries.erase(stream.entries.begin(), stream.entries.lower_bound(idOf(command[4])));
  }
  changed_.notify_all();
  return bulk(command[5]);
}

// XREAD BLOCK 0 STREAMS keys... ids...
std::string FakeRedis::read(const Command& command) {
  std::unique_lock lock(mutex_);
  std::string entries;
  // Clients that have left are noticed when the server ends.
  changed_.wait(lock, [&] { return over_ || !(entries = newEntries(command)).empty(); });
  return entries;
}

std::string FakeRedis::newEntries(const Command& command) {
  const size_t streams = (command.size() - 4) / 2;
  std::vector<std::string> found;
  for (size_t i = 0; i < streams; ++i) {
    const std::string& key = command[4 + i];
    const auto& entries = streams_[key].entries;
    std::vector<std::string> written;
    for (auto entry = entries.upper_bound(idOf(command[4 + streams + i])); entry != entries.end(); ++entry) {
      const auto& [id, fields] = *entry;
      written.push_back(array({bulk(std::to_string(id.first) + "-" + std::to_string(id.second)), texts(fields)}));
    }
    if (!written.empty()) found.push_back(array({bulk(key), array(written)}));
  }
  return found.empty() ? "" : array(found);
}

FakeRedis::Id FakeRedis::idOf(const std::string& text) {
  const size_t dash = text.find('-');
  return {std::stoull(text), std::stoull(text.substr(dash + 1))};
}

}  // namespace conclave::test
