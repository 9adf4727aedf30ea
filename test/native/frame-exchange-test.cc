// Frames on their way over the exchange: how they are written, put together, kept for their time and dropped.
#include "../../native/exchange/frame-exchange.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <set>
#include <thread>

#include "../../native/core/failure.h"
#include "check.h"
#include "fake-redis.h"

using namespace conclave;
using namespace conclave::test;
using Command = FakeRedis::Command;
using Pieces = std::vector<std::string>;

namespace {

constexpr uint32_t epoch = 5;
constexpr uint64_t prefixOfStep7 = uint64_t{epoch} << 32 | 7;

Clock::time_point in(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }
Clock::time_point soon() { return in(20'000); }

FrameHeader outputs(uint16_t layer, uint32_t slots = 1) {
  FrameHeader header{};
  header.kind = FrameKind::outputs;
  header.layer = layer;
  header.rows = header.slots = slots;
  header.width = 1;
  return header;
}

std::vector<std::byte> bodyOf(size_t bytes, char of = 'x') {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(of));
}

// One member of three, the first.
struct Member {
  explicit Member(const FakeRedis& server)
      : exchange("me", epoch,
                 {{server.address()},
                  {{0, "me>all"}},
                  {{0, ""}, {0, "me>1"}, {0, "me>2"}},
                  {{"1>all", 1}, {"1>me", 1}, {"2>all", 2}, {"2>me", 2}}}) {
    exchange.beginStep(7);
  }
  FrameExchange exchange;

  std::optional<ReceivedFrame> next(uint16_t layer, Clock::time_point deadline = soon()) {
    return exchange.next(FrameKind::outputs, layer, deadline);
  }
  // Member and body of what comes next, or what is thrown.
  std::string told(uint16_t layer, Clock::time_point deadline = soon()) {
    try {
      const std::optional<ReceivedFrame> frame = next(layer, deadline);
      return frame.has_value() ? std::to_string(frame->from) + ": " + std::string(frame->body) : "none";
    } catch (const BadFrame& bad) {
      return "bad " + std::to_string(bad.from) + ": " + bad.what();
    } catch (const Failure& failure) {
      return (failure.code == FailureCode::exchange ? "exchange " : "other ") + std::string(failure.what());
    }
  }
};

// What another member's XADD of a frame leaves on a stream.
struct Written {
  FrameHeader header;
  std::string body;

  Written(uint16_t layer, std::string text)
      : header(outputs(layer, static_cast<uint32_t>(text.size() / 4))), body(text) {
    header.epoch = epoch;
    header.step = 7;
  }
  std::string id(uint16_t piece = 0) const {
    return std::to_string(uint64_t{header.epoch} << 32 | header.step) + "-" +
           std::to_string((header.layer + 1) * 0x10000 + piece);
  }
  Pieces fields(uint16_t piece = 0) const {
    FrameHeader of = header;
    of.bodyBytes = static_cast<uint32_t>(body.size());
    of.pieces = piecesOf(body.size());
    of.piece = piece;
    const auto bytes = encodeFrameHeader(of);
    return {"h", {bytes.data(), bytes.size()}, "b", body.substr(piece * pieceBytes, pieceBytes)};
  }
  void to(FakeRedis& server, const std::string& stream) const {
    for (uint16_t piece = 0; piece < piecesOf(body.size()); ++piece) server.add(stream, id(piece), fields(piece));
  }
};

std::string readingFrom(const Pieces& answer) {
  FakeRedis server(
      [&](const Command& command) { return command[0] == "XREAD" ? std::optional(answer) : std::nullopt; });
  return Member(server).told(0, in(2'000));
}

}  // namespace

TEST("a frame is written as TypeScript writes it, and drops frames no longer needed") {
  FakeRedis server;
  Member member(server);
  const std::vector<std::byte> body = bodyOf(4);
  member.exchange.broadcast(outputs(0), body, -1);
  member.exchange.broadcast(outputs(3), body, 1);
  member.exchange.sendTo(2, outputs(0), body, 1);
  const std::vector<Command> written = server.commands("XADD", 3);
  // `<epoch<<32|step>-<(layer+1)<<16|attempt<<12|piece>`
  const std::string step = std::to_string(prefixOfStep7) + "-", before = std::to_string(prefixOfStep7 - 1) + "-0";
  const auto expected = [&](const char* stream, const std::string& kept, const std::string& id, uint16_t layer) {
    return Command{"XADD", stream, "MINID", "=", kept, id, "h", Written(layer, "xxxx").fields()[1], "b", "xxxx"};
  };
  CHECK(written[0] == expected("me>all", before, step + "65536", 0), "keeps the step before");
  CHECK(written[1] == expected("me>all", step + "196608", step + "262144", 3), "keeps the layer before");
  CHECK(written[2] == expected("me>2", step + "0", step + "65536", 0), "to one; there is no layer before");
}

TEST("the first step has none before it to keep") {
  FakeRedis server;
  Member member(server);
  FrameExchange first("me", epoch, {{server.address()}, {{0, "me>all"}}, {}, {}});
  first.beginStep(0);
  first.broadcast(outputs(0), bodyOf(4), -1);
  CHECK(server.commands("XADD", 1)[0][4] == std::to_string(uint64_t{epoch} << 32) + "-0", "from its own beginning");
}

TEST("streams of members that are gone disappear") {
  FakeRedis server;
  Member member(server);
  for (uint16_t layer = 0; layer < 3; ++layer) member.exchange.broadcast(outputs(layer), bodyOf(4), 1);
  member.exchange.sendTo(1, outputs(3), bodyOf(4), 1);
  server.commands("XADD", 4);
  const std::vector<Command> set = server.commands("PEXPIRE", 2);
  CHECK((set == std::vector<Command>{{"PEXPIRE", "me>all", "600000"}, {"PEXPIRE", "me>1", "600000"}}),
        "after 10 minutes");
  CHECK(server.count("PEXPIRE") == 2, "said once in a while");
}

TEST("an exchange that takes nothing any more is away") {
  std::promise<void> enough;
  const std::shared_future<void> until = enough.get_future().share();
  FakeRedis server([&](const Command& command) {
    if (command[0] == "XADD") until.wait();
    return std::nullopt;
  });
  FrameExchange exchange("me", epoch, {{server.address()}, {{0, "me>all"}}, {}, {}}, std::chrono::milliseconds(50));
  exchange.beginStep(7);
  const std::vector<std::byte> body = bodyOf(8 << 20);
  std::string thrown;
  try {
    exchange.broadcast(outputs(0, static_cast<uint32_t>(body.size() / 4)), body, 1);
  } catch (const Failure& failure) {
    CHECK(failure.code == FailureCode::exchange, "of the exchange");
    thrown = failure.what();
  }
  CHECK(thrown == "The exchange takes nothing any more.", thrown);
  enough.set_value();
}

TEST("a write that was refused is a failure of the next") {
  FakeRedis server([](const Command& command) {
    return command[0] == "XADD" ? std::optional(Pieces{"-OOM command not allowed\r\n"}) : std::nullopt;
  });
  Member member(server);
  std::string thrown;
  for (uint16_t layer = 0; layer < 2'000 && thrown.empty(); ++layer) {
    try {
      member.exchange.broadcast(outputs(layer), bodyOf(4), 1);
      server.commands("XADD", layer + 1u);
    } catch (const Failure& failure) {
      CHECK(failure.code == FailureCode::exchange, "of the exchange");
      thrown = failure.what();
    }
  }
  CHECK(thrown == "The exchange: OOM command not allowed", thrown);
}

TEST("frames of all members come, one after the other") {
  FakeRedis server;
  Written(0, "soon").to(server, "1>me");
  Written(0, "also").to(server, "2>all");
  Member member(server);
  std::set<std::string> told{member.told(0), member.told(0)};
  Written(0, "then").to(server, "1>all");
  told.insert(member.told(0));
  CHECK((told == std::set<std::string>{"1: soon", "1: then", "2: also"}), "three frames");
}

TEST("a large frame is put together") {
  FakeRedis server;
  Member member(server);
  FrameExchange other("other", epoch, {{server.address()}, {{0, "1>all"}}, {}, {}});
  other.beginStep(7);
  std::vector<std::byte> body = bodyOf(3 * pieceBytes - 40);
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::byte>(i * 31 >> 5);
  other.broadcast(outputs(2, static_cast<uint32_t>(body.size() / 4)), body, 1);
  const std::optional<ReceivedFrame> frame = member.next(2);
  CHECK(server.count("XADD") == 3, "three pieces");
  CHECK(frame->from == 1 && frame->header.pieces == 3 && frame->header.bodyBytes == body.size(), "header");
  CHECK(std::ranges::equal(frame->body, body, {}, {}, [](std::byte byte) { return static_cast<char>(byte); }), "body");
}

TEST("a piece that does not follow is a bad frame of its member, and the next frame is read") {
  const std::string large(2 * pieceBytes + 4, 'L'), larger(3 * pieceBytes + 4, 'M');
  struct Case {
    std::string name;
    std::vector<std::pair<Written, uint16_t>> pieces;
  };
  const Written frame(0, large), same(1, large), more(1, larger);
  for (const auto& [name, pieces] : std::vector<Case>{
           {"nothing before it", {{frame, 1}}},
           {"a piece is missing", {{frame, 0}, {frame, 2}}},
           {"a piece of another frame", {{frame, 0}, {same, 1}}},
           {"a piece of a larger frame", {{frame, 0}, {frame, 1}, {more, 2}}},
           {"one more than all", {{frame, 0}, {frame, 1}, {frame, 2}, {more, 3}}},
       }) {
    FakeRedis server;
    Member member(server);
    for (const auto& [of, piece] : pieces) server.add("2>all", of.id(piece), of.fields(piece));
    const auto [last, piece] = pieces.back();
    if (pieces.size() == 4) CHECK(member.told(0) == "2: " + large, name + ": all there is");
    const std::string expected =
        "bad 2: A frame's piece " + std::to_string(piece) + " does not follow those before it.";
    CHECK(member.told(last.header.layer) == expected, name);
    Written(3, "next").to(server, "2>all");
    CHECK(member.told(3) == "2: next", name + ": usable after");
  }
}

TEST("what is no frame is a bad one of its member, and the next frame is read") {
  FakeRedis server;
  Member member(server);
  const Pieces good = Written(0, "good").fields();
  server.add("1>me", std::to_string(prefixOfStep7) + "-1", {"h", good[1]});
  CHECK(member.told(0) == "bad 1: A frame has other fields than header and body.", "a field is missing");
  server.add("1>me", std::to_string(prefixOfStep7) + "-2", {"h", "x", "b", "good"});
  CHECK(member.told(0) == "bad 1: A frame has a header of 1 bytes.", "another header");
  Written(0, "good").to(server, "1>me");
  CHECK(member.told(0) == "1: good", "a good one");
}

TEST("what is late or of another epoch is dropped, what is early is kept") {
  FakeRedis server;
  Member member(server);
  Written next(0, "next"), old(2, "old!"), foreign(1, "else"), sums(1, "sums");
  next.header.step = 8;
  old.header.step = 6;
  foreign.header.epoch = 6;
  sums.header.kind = FrameKind::sums;
  next.to(server, "1>all");
  server.add("2>all", std::to_string(prefixOfStep7) + "-1", old.fields());
  server.add("2>all", std::to_string(prefixOfStep7) + "-2", Written(0, "late").fields());
  server.add("2>all", std::to_string(prefixOfStep7) + "-3", foreign.fields());
  Written(2, "two!").to(server, "2>me");
  server.add("2>me", std::to_string(prefixOfStep7) + "-999999", sums.fields());
  CHECK(member.told(1, in(50)) == "none", "nothing yet");
  CHECK(member.exchange.next(FrameKind::sums, 1, RedisConnection::now)->body == "sums", "another kind of the layer");
  CHECK(member.told(2, RedisConnection::now) == "2: two!", "the next layer");
  CHECK(member.told(2, in(10)) == "none", "once");
  member.exchange.beginStep(8);
  CHECK(member.told(0, RedisConnection::now) == "1: next", "the next step");
}

TEST("a failure is handed out at once, of whatever point") {
  for (const uint16_t layer : {0, 1, 9}) {
    FakeRedis server;
    Member member(server);
    server.add("2>me", Written(layer, "gone").id(), {"failure", "gone"});
    const std::optional<ReceivedFrame> frame = member.next(1, in(2'000));
    CHECK(frame.has_value() && frame->header.kind == FrameKind::failure && frame->from == 2 && frame->body == "gone",
          "a failure in layer " + std::to_string(layer));
    CHECK(frame->header.step == 7 && frame->header.layer == layer, "its id says of what");
  }
}

TEST("no frame by the deadline gives null, and a later one is received") {
  FakeRedis server;
  Member member(server);
  const Clock::time_point start = Clock::now();
  CHECK(member.told(0, in(30)) == "none", "none");
  CHECK(Clock::now() - start >= std::chrono::milliseconds(30), "it was waited for");
  Written(0, "late").to(server, "1>all");
  CHECK(member.told(0) == "1: late", "the frame");
}

TEST("an exchange that was interrupted stays so, even where frames are there") {
  FakeRedis server;
  Member member(server);
  std::thread other([&] {
    server.commands("XREAD", 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    member.exchange.interrupt();
  });
  const std::string expected = "other the wait was interrupted";
  CHECK(member.told(0, RedisConnection::never) == expected, "the wait");
  other.join();
  for (uint16_t layer = 0; layer < 3; ++layer) Written(layer, "here").to(server, "1>all");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(member.told(0) == expected, "the next");
}

TEST("what is no answer to a read is a failure of the exchange") {
  const std::string unexpected = "exchange The exchange answers something else than was asked.";
  const auto answer = [](const std::string& stream, const std::string& id) {
    return "*1\r\n*2\r\n" + FakeRedis::bulk(stream) + "*1\r\n*2\r\n" + FakeRedis::bulk(id) + "*0\r\n";
  };
  CHECK(readingFrom({answer("1>all", "1-1")}).starts_with("bad 1: "), "an entry without fields");
  for (const std::string& reply : {
           answer("other", "1-1"),
           answer("1>all", "1"),
           answer("1>all", "1-"),
           answer("1>all", "x-1"),
           answer("1>all", "1x1"),
           answer("1>all", "1-99999999999999999999"),
           std::string("+OK\r\n"),
           std::string(":1\r\n"),
           std::string("*1\r\n:1\r\n"),
           std::string("*1\r\n*2\r\n$5\r\n1>all\r\n*0\r\n"),
           std::string("*1\r\n*2\r\n$5\r\n1>all\r\n*1\r\n:1\r\n"),
       }) {
    CHECK(readingFrom({reply}) == unexpected, reply + "gives " + readingFrom({reply}));
  }
  CHECK(
      readingFrom({"-NOAUTH Authentication required.\r\n"}) == "exchange The exchange: NOAUTH Authentication required.",
      "an error");
  CHECK(readingFrom({FakeRedis::hangUp}) == "exchange The exchange: the connection was closed", "the end");
}

TEST("an exchange that could not connect is asked again") {
  int refused = 0;
  FakeRedis server([&](const Command& command) {
    return command[0] == "CLIENT" && ++refused == 1 ? std::optional(Pieces{FakeRedis::hangUp}) : std::nullopt;
  });
  FrameExchange exchange("me", epoch, {{server.address()}, {{0, "me>all"}}, {}, {{"1>all", 1}}});
  try {
    exchange.beginStep(7);
    CHECK(false, "there is no connection");
  } catch (const Failure& failure) {
    CHECK(failure.code == FailureCode::exchange, failure.what());
  }
  exchange.beginStep(7);
  Written(0, "here").to(server, "1>all");
  CHECK(exchange.next(FrameKind::outputs, 0, soon())->body == "here", "a frame");
}

TEST("a frame goes to every exchange at which others read, and to that of a single receiver") {
  FakeRedis here, there;
  FrameExchange exchange("me", epoch,
                         {{here.address(), there.address()},
                          {{0, "me>all"}, {1, "me>all"}},
                          {{0, ""}, {0, "me>1"}, {1, "me>2"}},
                          {{"2>me", 2}}});
  exchange.beginStep(7);
  exchange.broadcast(outputs(0), bodyOf(4), 1);
  exchange.sendTo(2, outputs(1), bodyOf(4), 1);
  exchange.sendTo(1, outputs(1), bodyOf(4), 1);
  const auto streamsAt = [](FakeRedis& server) {
    std::vector<std::string> streams;
    for (const Command& command : server.commands("XADD", 2)) streams.push_back(command[1]);
    return streams;
  };
  CHECK((streamsAt(here) == Pieces{"me>all", "me>1"}), "here");
  CHECK((streamsAt(there) == Pieces{"me>all", "me>2"}), "there");
  Written(1, "here").to(here, "2>me");
  CHECK(exchange.next(FrameKind::outputs, 1, soon())->body == "here", "it reads at the first");
  CHECK(there.count("XREAD") == 0, "and only there");
}
