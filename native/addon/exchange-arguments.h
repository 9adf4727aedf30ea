// Reading where the exchange is and where frames lie: AddonGroupStreams of addon-types.ts.
#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "../exchange/frame-exchange.h"
#include "arguments.h"

namespace conclave {

inline RedisAddress redisAddressOf(const Napi::Value& value) {
  const Napi::Object address = objectOf(value, "exchange");
  const auto text = [&](const char* name) { return stringOf(address.Get(name), name); };
  return {text("path"),     text("host"),     int32Of(address.Get("port"), "port"),
          text("username"), text("password"), int32Of(address.Get("db"), "db")};
}

inline std::vector<std::string> stringsOf(const Napi::Value& value, const char* name) {
  require(value.IsArray(), std::string(name) + " must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(stringOf(array.Get(i), name));
  return strings;
}

inline std::vector<ExchangeStreams::Outgoing> outgoingOf(const Napi::Value& value, const char* name) {
  require(value.IsArray(), std::string(name) + " must be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<ExchangeStreams::Outgoing> streams;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Object stream = objectOf(array.Get(i), name);
    streams.push_back({uint32Of(stream.Get("exchange"), "exchange"), stringOf(stream.Get("key"), "key")});
  }
  return streams;
}

/** Indices of exchanges are checked by FrameExchange. */
inline ExchangeStreams exchangeStreamsOf(const Napi::Object& options, int32_t members) {
  ExchangeStreams streams{
      {}, outgoingOf(options.Get("toAll"), "toAll"), outgoingOf(options.Get("toMember"), "toMember"), {}};
  require(streams.toMember.size() == static_cast<size_t>(members), "toMember must have one stream for each member");
  require(options.Get("exchanges").IsArray(), "exchanges must be an array");
  const auto exchanges = options.Get("exchanges").As<Napi::Array>();
  require(exchanges.Length() > 0, "exchanges must not be empty");
  for (uint32_t i = 0; i < exchanges.Length(); ++i) streams.exchanges.push_back(redisAddressOf(exchanges.Get(i)));
  const std::vector<std::string> keys = stringsOf(options.Get("incoming"), "incoming");
  const std::vector<int32_t> from = int32sOf(options.Get("incomingFrom"), "incomingFrom");
  require(keys.size() == from.size(), "incoming and incomingFrom must have the same length");
  for (size_t i = 0; i < keys.size(); ++i) {
    require(from[i] >= 0 && from[i] < members, "incomingFrom has no such member");
    streams.incoming.push_back({keys[i], from[i]});
  }
  return streams;
}

}  // namespace conclave
