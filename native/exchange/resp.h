// The Redis protocol, RESP 2, as far as the exchange speaks it (redis.io, "Redis serialization protocol
// specification"): commands as arrays of strings, replies of every type. No input or output here.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conclave {

struct RespValue {
  enum class Type { text, error, integer, null, array };
  Type type = Type::null;
  std::string_view text;  // of text and error, within the bytes that were read
  int64_t integer = 0;
  std::vector<RespValue> items;
};

/** A reply at the beginning of `bytes`, and how many bytes it takes. */
struct RespReply {
  RespValue value;
  size_t size;
};

/** Null while the reply is not complete. Throws Failure `exchange` for what is not RESP. */
std::optional<RespReply> readReply(std::string_view bytes);

/** Appends a command of `arguments` to `out`. */
void appendCommand(std::string& out, const std::vector<std::string_view>& arguments);

}  // namespace conclave
