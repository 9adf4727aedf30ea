// Apple's GPU through Metal: apple-device.mm. Elsewhere no-apple-device.cc throws a Failure.
#pragma once
#include <memory>

#include "gpu-device.h"

namespace conclave {

/** Throws Failure unavailable saying what is missing: a Mac, Apple silicon, a recent macOS. */
std::unique_ptr<GpuDevice> openAppleDevice();

}  // namespace conclave
