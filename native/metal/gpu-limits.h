// What the backend demands of a GPU before it gives it work: each refusal says what to do.
#pragma once
#include <string>

#include "../core/mapped-file.h"
#include "gpu-device.h"

namespace conclave {

/** Throws Failure unavailable unless the kernels were written for such a GPU. */
void requireAppleSilicon(const GpuProperties& gpu);

/** Throws Failure outOfMemory unless the GPU may hold that many bytes. */
void requireRoom(const GpuProperties& gpu, int64_t bytes);

/** Throws Failure outOfMemory naming `what` and the remedy unless a buffer may have that many bytes. */
void requireBuffer(const GpuProperties& gpu, const std::string& what, int64_t bytes, const std::string& remedy);

/** Throws Failure unavailable unless the kernel's registers leave room for threadgroups of that size. */
void requireThreads(const std::string& kernel, int64_t most, int32_t wanted);

/** Throws Failure unavailable unless a threadgroup may have that much memory; `purpose` is what a model needs it for.
 */
void requireThreadgroupMemory(const std::string& kernel, int64_t bytes, const std::string& purpose);

/** Throws Failure unavailable unless the file's mapping begins on a page of the GPU. */
void requirePages(const GpuProperties& gpu, const MappedFile& pack);

}  // namespace conclave
