#include "resp.h"

#include <charconv>

#include "../core/failure.h"

namespace conclave {
namespace {

// A reply to XREAD is five deep: streams, a stream, its entries, an entry, its fields.
constexpr int deepest = 8;
// What Redis itself allows for a string, and more items than any reply of ours has.
constexpr int64_t longestText = 512 << 20, mostItems = 1 << 20;
constexpr std::string_view lineEnd = "\r\n";

[[noreturn]] void malformed() {
  throw Failure(FailureCode::exchange, "The exchange answers something that is not RESP.");
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  size_t at() const { return at_; }

  // Null while it is not complete.
  std::optional<RespValue> value(int depth) {
    const std::optional<std::string_view> line = this->line();
    if (!line.has_value()) return std::nullopt;
    if (line->empty() || depth > deepest) malformed();
    const std::string_view rest = line->substr(1);
    switch (line->front()) {
      case '+':
        return RespValue{RespValue::Type::text, rest, 0, {}};
      case '-':
        return RespValue{RespValue::Type::error, rest, 0, {}};
      case ':':
        return RespValue{RespValue::Type::integer, {}, number(rest), {}};
      case '$':
        return text(number(rest));
      case '*':
        return array(number(rest), depth);
      default:
        malformed();
    }
  }

 private:
  std::optional<std::string_view> line() {
    const size_t end = bytes_.find(lineEnd, at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view found = bytes_.substr(at_, end - at_);
    at_ = end + lineEnd.size();
    return found;
  }

  static int64_t number(std::string_view digits) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) malformed();
    return value;
  }

  std::optional<RespValue> text(int64_t length) {
    if (length == -1) return RespValue{};
    if (length < 0 || length > longestText) malformed();
    const size_t size = static_cast<size_t>(length);
    if (bytes_.size() - at_ < size + lineEnd.size()) return std::nullopt;
    if (bytes_.substr(at_ + size, lineEnd.size()) != lineEnd) malformed();
    const std::string_view found = bytes_.substr(at_, size);
    at_ += size + lineEnd.size();
    return RespValue{RespValue::Type::text, found, 0, {}};
  }

  std::optional<RespValue> array(int64_t count, int depth) {
    if (count == -1) return RespValue{};
    if (count < 0 || count > mostItems) malformed();
    RespValue array{RespValue::Type::array, {}, 0, {}};
    for (int64_t i = 0; i < count; ++i) {
      std::optional<RespValue> item = value(depth + 1);
      if (!item.has_value()) return std::nullopt;
      array.items.push_back(std::move(*item));
    }
    return array;
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

void appendLength(std::string& out, char type, size_t length) {
  out += type;
  out += std::to_string(length);
  out += lineEnd;
}

}  // namespace

std::optional<RespReply> readReply(std::string_view bytes) {
  Cursor cursor(bytes);
  std::optional<RespValue> value = cursor.value(0);
  if (!value.has_value()) return std::nullopt;
  return RespReply{std::move(*value), cursor.at()};
}

void appendCommand(std::string& out, const std::vector<std::string_view>& arguments) {
  appendLength(out, '*', arguments.size());
  for (const std::string_view argument : arguments) {
    appendLength(out, '$', argument.size());
    out += argument;
    out += lineEnd;
  }
}

}  // namespace conclave
