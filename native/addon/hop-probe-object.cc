#include "hop-probe-object.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "exchange-arguments.h"

namespace conclave {
namespace {

// A frame stays below what Redis takes, and its size inside its header's 32 bits.
constexpr int64_t mostValues = int64_t{1} << 27;

uint32_t blockOf(const Napi::Value& value) {
  const int32_t block = int32Of(value, "block");
  require(block >= 1, "block must be at least 1");
  return static_cast<uint32_t>(block);
}

// A round is a layer of a frame.
uint16_t roundsOf(const Napi::Value& value) {
  const int32_t rounds = int32Of(value, "rounds");
  require(rounds >= 1 && rounds <= std::numeric_limits<uint16_t>::max(), "rounds must be 1 to 65535");
  return static_cast<uint16_t>(rounds);
}

HopProbe::Load loadOf(const Napi::Object& options) {
  const int32_t slots = int32Of(options.Get("slots"), "slots"), width = int32Of(options.Get("width"), "width");
  require(slots >= 1 && width >= 1 && int64_t{slots} * width <= mostValues, "slots and width are out of range");
  return {static_cast<uint32_t>(slots), static_cast<uint32_t>(width), options.Get("centralized").ToBoolean()};
}

}  // namespace

Napi::Function HopProbeObject::define(Napi::Env env) {
  return DefineClass(env, "HopProbe",
                     {InstanceMethod<&HopProbeObject::exchangeSeconds>("exchangeSeconds"),
                      InstanceMethod<&HopProbeObject::transportSeconds>("transportSeconds")});
}

HopProbeObject::HopProbeObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<HopProbeObject>(info) {
  guarded(info.Env(), [&] {
    const Napi::Object options = objectOf(info[0], "options");
    std::vector<std::string> bare = stringsOf(options.Get("bare"), "bare");
    const int32_t me = int32Of(options.Get("me"), "me"), nodes = static_cast<int32_t>(bare.size());
    require(me >= 0 && me < nodes, "there is no such node");
    probe_ = std::make_unique<HopProbe>(stringOf(options.Get("name"), "name"), exchangeStreamsOf(options, nodes),
                                        std::move(bare), me, loadOf(options));
  });
}

Napi::Value HopProbeObject::exchangeSeconds(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), probe_->exchangeSeconds(blockOf(info[0]), roundsOf(info[1])));
  });
}

Napi::Value HopProbeObject::transportSeconds(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), probe_->transportSeconds(blockOf(info[0]), roundsOf(info[1])));
  });
}

}  // namespace conclave
