// A ModelDescription out of the object that model-description.ts declares.
#pragma once
#include <napi.h>

#include "../core/model-description.h"

namespace conclave {

/** Throws Failure naming the field that is missing or of the wrong kind. */
ModelDescription descriptionOf(const Napi::Object& object);

}  // namespace conclave
