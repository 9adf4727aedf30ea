// AddonHopProbe of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>

#include "../exchange/hop-probe.h"

namespace conclave {

class HopProbeObject : public Napi::ObjectWrap<HopProbeObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit HopProbeObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value exchangeSeconds(const Napi::CallbackInfo& info);
  Napi::Value transportSeconds(const Napi::CallbackInfo& info);

  std::unique_ptr<HopProbe> probe_;  // always there, once the constructor is through
};

}  // namespace conclave
