// quantizeRows of addon-types.ts.
#pragma once
#include <napi.h>

namespace conclave {

Napi::Value quantizeRowsOf(const Napi::CallbackInfo& info);

}  // namespace conclave
