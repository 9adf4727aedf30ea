// A Redis that knows what the exchange uses of it, for the C++ tests: XADD with MINID, XREAD that blocks, and "OK" to
// all else. A script may answer in its place.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../native/exchange/redis-connection.h"

namespace conclave::test {

class FakeRedis {
 public:
  using Command = std::vector<std::string>;
  /** What to answer instead, whole or in pieces that arrive one after the other; null: as Redis. */
  using Script = std::function<std::optional<std::vector<std::string>>(const Command& command)>;
  /** As a piece of an answer: the connection ends. */
  static inline const std::string hangUp;

  explicit FakeRedis(Script script = {}, bool onTcp = false);
  /** Ends all connections. */
  ~FakeRedis();

  RedisAddress address() const;
  /** Appends an entry as if a client had. */
  void add(const std::string& stream, const std::string& id, std::vector<std::string> fields);
  /** The first `count` commands of that name that have come; waits until that many have come. */
  std::vector<Command> commands(const std::string& name, size_t count);
  /** How many of that name have come so far. */
  size_t count(const std::string& name);

  static std::string bulk(const std::string& text);

 private:
  using Id = std::pair<uint64_t, uint64_t>;
  struct Stream {
    std::map<Id, std::vector<std::string>> entries;
    Id last;
  };

  void accept();
  void serve(int socket);
  std::vector<std::string> answer(const Command& command);
  std::string append(const Command& command);
  std::string read(const Command& command);
  std::string newEntries(const Command& command);
  static Id idOf(const std::string& text);

  const Script script_;
  std::string folder_;
  int port_ = 0;
  const int listener_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::set<int> sockets_;
  std::map<std::string, Stream> streams_;
  std::vector<Command> commands_;
  std::vector<std::thread> threads_;
};

}  // namespace conclave::test
