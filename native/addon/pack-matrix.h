// packMatrix of addon-types.ts.
#pragma once
#include <napi.h>

namespace conclave {

void packMatrix(const Napi::CallbackInfo& info);

}  // namespace conclave
