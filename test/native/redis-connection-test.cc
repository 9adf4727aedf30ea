// The connection to the exchange: how it signs in, waits, is interrupted and is lost.
#include "../../native/exchange/redis-connection.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include "../../native/core/failure.h"
#include "check.h"
#include "fake-redis.h"

using namespace conclave;
using namespace conclave::test;
using Command = FakeRedis::Command;
using Pieces = std::vector<std::string>;

namespace {

Clock::time_point in(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }
Clock::time_point soon() { return in(20'000); }

// `exchange: what it says`, or that nothing was thrown.
template <typename Call>
std::string outcome(const Call& call) {
  try {
    call();
  } catch (const Failure& failure) {
    return (failure.code == FailureCode::exchange      ? "exchange: "
            : failure.code == FailureCode::interrupted ? "interrupted: "
                                                       : "other: ") +
           std::string(failure.what());
  }
  return "nothing thrown";
}

std::string connecting(const RedisAddress& address) {
  const Interrupt interrupt;
  return outcome([&] { RedisConnection(address, "me", interrupt); });
}

// A server that answers PING with these pieces.
FakeRedis::Script answering(Pieces pieces) {
  return [=](const Command& command) { return command[0] == "PING" ? std::optional(pieces) : std::nullopt; };
}

std::string receiving(const Pieces& pieces) {
  FakeRedis server(answering(pieces));
  const Interrupt interrupt;
  RedisConnection connection(server.address(), "me", interrupt);
  connection.send({"PING"});
  std::string text;
  const std::string thrown = outcome([&] { text = connection.receive(soon()).value().text; });
  return text.empty() ? thrown : text;
}

// Everything that has come to the server when the connection is there.
std::vector<Command> signingIn(const RedisAddress& as) {
  FakeRedis server;
  RedisAddress address = server.address();
  address.user = as.user;
  address.password = as.password;
  address.database = as.database;
  const Interrupt interrupt;
  const RedisConnection connection(address, "me", interrupt);
  std::vector<Command> all = server.commands("AUTH", server.count("AUTH"));
  for (const char* name : {"SELECT", "CLIENT"}) {
    for (const Command& command : server.commands(name, server.count(name))) all.push_back(command);
  }
  return all;
}

}  // namespace

TEST("a connection signs in as its address says") {
  using Commands = std::vector<Command>;
  const Command name{"CLIENT", "SETNAME", "me"};
  CHECK((signingIn({"", "", 0, "", "", 0}) == Commands{name}), "without credentials");
  CHECK((signingIn({"", "", 0, "", "secret", 0}) == Commands{{"AUTH", "secret"}, name}), "with a password");
  CHECK((signingIn({"", "", 0, "ann", "secret", 3}) == Commands{{"AUTH", "ann", "secret"}, {"SELECT", "3"}, name}),
        "as a user, in another database");
}

TEST("a connection over TCP is one, too") {
  FakeRedis server({}, true);
  const Interrupt interrupt;
  RedisConnection connection(server.address(), "me", interrupt);
  connection.send({"PING"});
  CHECK(connection.receive(soon())->text == "OK", "an answer");
}

TEST("a refused sign-in has its reason") {
  const auto refusing = [](const std::string& name, const std::string& answer) {
    FakeRedis server(
        [&](const Command& command) { return command[0] == name ? std::optional(Pieces{answer}) : std::nullopt; });
    RedisAddress address = server.address();
    address.password = "secret";
    address.database = 99;
    return connecting(address);
  };
  CHECK(refusing("AUTH", "-WRONGPASS invalid password\r\n") == "exchange: The exchange: WRONGPASS invalid password",
        "");
  CHECK(
      refusing("SELECT", "-ERR DB index is out of range\r\n") == "exchange: The exchange: ERR DB index is out of range",
      "an invalid database");
  CHECK(refusing("CLIENT", FakeRedis::hangUp) == "exchange: The exchange: the connection was closed", "a closed door");
  CHECK(refusing("CLIENT", "HTTP/1.1 400\r\n") == "exchange: The exchange answers something that is not RESP.",
        "another kind of server");
}

TEST("without a listener there is no connection") {
  CHECK(connecting({"/tmp/conclave-no-listener-here", "", 0, "", "", 0}) ==
            "exchange: The exchange: No such file or directory",
        "no socket");
  CHECK(connecting({std::string(200, 'x'), "", 0, "", "", 0}) ==
            "exchange: The exchange: the path of its socket is too long",
        "a long path");
  // Nothing listens on port 1 of this machine.
  CHECK(connecting({"", "127.0.0.1", 1, "", "", 0}) == "exchange: The exchange: Connection refused", "no server");
  CHECK(connecting({"", "256.0.0.1.invalid", 1, "", "", 0}).starts_with("exchange: The exchange: "), "no host");
}

TEST("an answer may come in pieces") {
  CHECK(receiving({"$5\r\nhe", "llo\r", "\n"}) == "hello", "three pieces");
  const std::string large(300'000, 'x');
  CHECK(receiving({"$300000\r\n" + large.substr(0, 100'000), large.substr(100'000) + "\r\n"}) == large, "a large one");
}

TEST("an error, the end of the connection and nonsense are failures of the exchange") {
  CHECK(receiving({"-OOM command not allowed\r\n"}) == "exchange: The exchange: OOM command not allowed", "an error");
  CHECK(receiving({FakeRedis::hangUp}) == "exchange: The exchange: the connection was closed", "the end");
  CHECK(receiving({"$5\r\nhe", FakeRedis::hangUp}) == "exchange: The exchange: the connection was closed",
        "in between");
  CHECK(receiving({"what?\r\n"}) == "exchange: The exchange answers something that is not RESP.", "nonsense");
}

TEST("answers come in the order of the commands, null after the deadline") {
  FakeRedis server([](const Command& command) {
    if (command[0] == "ECHO") return std::optional(Pieces{FakeRedis::bulk(command[1])});
    return command[0] == "WAIT" ? std::optional(Pieces{}) : std::nullopt;
  });
  const Interrupt interrupt;
  RedisConnection connection(server.address(), "me", interrupt);
  CHECK(!connection.receive(RedisConnection::now).has_value(), "nothing was asked");
  const std::string large(200'000, 'x');
  for (const std::string_view text : {std::string_view("1"), std::string_view(large), std::string_view("3")}) {
    connection.send({"ECHO", text});
  }
  CHECK(connection.receive(soon())->text == "1", "the first");
  CHECK(connection.receive(soon())->text == large, "the second");
  CHECK(connection.receive(RedisConnection::never)->text == "3", "the third");
  connection.send({"WAIT"});
  const Clock::time_point start = Clock::now();
  CHECK(!connection.receive(in(30)).has_value(), "no answer");
  CHECK(Clock::now() - start >= std::chrono::milliseconds(30), "it was waited for");
}

TEST("a signal does not end a wait") {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &before);
  const Interrupt interrupt;
  const Clock::time_point start = Clock::now();
  std::thread other([waiting = pthread_self()] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pthread_kill(waiting, SIGUSR1);
  });
  CHECK(!interrupt.await(-1, -1, 50), "nothing to wait for");
  CHECK(Clock::now() - start >= std::chrono::milliseconds(50), "it lasts as long as it was to");
  other.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST("a wait is interrupted from another thread, and all that come") {
  FakeRedis server(answering({}));
  Interrupt interrupt;
  RedisConnection connection(server.address(), "me", interrupt);
  connection.send({"PING"});
  std::thread other([&] {
    server.commands("PING", 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    interrupt.raise();
  });
  const std::string expected = "interrupted: the wait was interrupted";
  CHECK(outcome([&] { connection.receive(RedisConnection::never); }) == expected, "the wait");
  other.join();
  CHECK(outcome([&] { connection.receive(RedisConnection::never); }) == expected, "the next");
  interrupt.raise();
  CHECK(outcome([&] { RedisConnection(server.address(), "me", interrupt); }) == expected, "a connection");
}

TEST("a writer without a reader waits, and is interrupted") {
  std::promise<void> enough;
  const std::shared_future<void> until = enough.get_future().share();
  FakeRedis server([&](const Command& command) {
    if (command[0] == "PING") until.wait();
    return std::nullopt;
  });
  Interrupt interrupt;
  RedisConnection connection(server.address(), "me", interrupt);
  connection.send({"PING"});
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    interrupt.raise();
  });
  const std::string large(8 << 20, 'x');
  CHECK(outcome([&] { connection.send({"ECHO", large}); }) == "interrupted: the wait was interrupted", "the write");
  other.join();
  enough.set_value();
}
