// Replies of Redis: each type is read, no matter where it is cut; what is no reply is refused.
#include "../../native/exchange/resp.h"

#include "../../native/core/failure.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;
using Type = RespValue::Type;
using namespace std::string_view_literals;

namespace {

// As redis-cli would show it.
std::string shown(const RespValue& value) {
  switch (value.type) {
    case Type::text:
      return std::string(1, '"').append(value.text).append(1, '"');
    case Type::error:
      return std::string(1, '!').append(value.text);
    case Type::integer:
      return std::to_string(value.integer);
    case Type::null:
      return "nil";
    case Type::array:
      break;
  }
  std::string all = "[";
  for (const RespValue& item : value.items) all.append(all.size() > 1 ? " " : "").append(shown(item));
  return all.append("]");
}

std::string read(std::string_view bytes) {
  const std::optional<RespReply> reply = readReply(bytes);
  if (!reply.has_value()) return "incomplete";
  return shown(reply->value) + (reply->size == bytes.size() ? "" : " and " + std::string(bytes.substr(reply->size)));
}

bool isRefused(std::string_view bytes) {
  try {
    readReply(bytes);
  } catch (const Failure& failure) {
    return failure.code == FailureCode::exchange;
  }
  return false;
}

struct Example {
  std::string bytes, shown;
};

const std::vector<Example> examples{
    {"+OK\r\n", "\"OK\""},
    {"+\r\n", "\"\""},
    {"-ERR no such key\r\n", "!ERR no such key"},
    {":0\r\n", "0"},
    {":-9223372036854775808\r\n", "-9223372036854775808"},
    {"$-1\r\n", "nil"},
    {"*-1\r\n", "nil"},
    {"$0\r\n\r\n", "\"\""},
    {"$5\r\na\r\nb-\r\n", "\"a\r\nb-\""},
    {"*0\r\n", "[]"},
    {"*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-b\r\n", "[1 nil [\"a\" !b]]"},
    {"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-2\r\n*4\r\n$1\r\nh\r\n$2\r\nxx\r\n$1\r\nb\r\n$0\r\n\r\n",
     "[[\"s\" [[\"1-2\" [\"h\" \"xx\" \"b\" \"\"]]]]]"},
};

}  // namespace

TEST("every type of reply is read, and what comes after it is left") {
  for (const auto& [bytes, expected] : examples) {
    CHECK(read(bytes) == expected, expected + " is read as " + read(bytes));
    CHECK(read(bytes + "+next\r\n") == expected + " and +next\r\n", expected + " ends where it ends");
  }
}

TEST("a reply that is cut anywhere is not complete") {
  for (const auto& [bytes, expected] : examples) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK(read(bytes.substr(0, size)) == "incomplete", expected + ", the first " + std::to_string(size) + " bytes");
    }
  }
}

TEST("what is no reply is refused") {
  const std::string deep = "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n";
  CHECK(read(deep + ":1\r\n") == "[[[[[[[[1]]]]]]]]", "eight deep");
  const std::string tooDeep = deep + "*1\r\n:1\r\n";
  const std::vector<std::string_view> noType{"\r\n", "OK\r\n", "\0\r\n"sv};
  const std::vector<std::string_view> noNumber{"$\r\n", "$x\r\n", "$1x\r\n", ":1.5\r\n", ":9223372036854775808\r\n"};
  const std::vector<std::string_view> noLength{"$-2\r\n", "*-2\r\n", "$1000000000\r\n", "*1048577\r\n"};
  const std::vector<std::string_view> otherLength{"$1\r\nabc\r\n", "$2\r\nab\n\r"};
  for (const auto& group : {noType, noNumber, noLength, otherLength, {tooDeep}}) {
    for (const std::string_view bytes : group) CHECK(isRefused(bytes), std::string(bytes) + "is refused");
  }
}

TEST("a reply that was changed anywhere is read, refused or incomplete") {
  Random random(31);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random.of(examples).bytes;
    for (int change = random.between(1, 3); change > 0; --change) {
      const size_t at = static_cast<size_t>(random.below(static_cast<int32_t>(bytes.size())));
      bytes[at] = random.below(2) == 0 ? static_cast<char>(random.bits()) : "*$+-:0123456789\r\n"[random.below(17)];
    }
    try {
      const std::optional<RespReply> reply = readReply(bytes);
      CHECK(!reply.has_value() || reply->size <= bytes.size(), "reads no more than there is");
    } catch (const Failure& failure) {
      CHECK(failure.code == FailureCode::exchange, failure.what());
      ++refused;
    }
  }
  CHECK(refused > 1'000 && refused < 19'000, std::to_string(refused) + " were refused");
}

TEST("a command is an array of its arguments, whatever is in them") {
  std::string out = "+";
  appendCommand(out, {"XADD", "", "\r\n\0"sv});
  CHECK(out == "+*3\r\n$4\r\nXADD\r\n$0\r\n\r\n$3\r\n\r\n\0\r\n"sv, out);
}
