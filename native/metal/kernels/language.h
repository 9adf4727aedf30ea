// The few words in which kernels declare themselves, so that one source is Metal for the GPU and C++ for the emulated
// device. In Metal these are the plain qualifiers and attributes; emulated/metal-language.h has the other meaning.
//
// Buffer 0 holds the arguments (kernel-args.h); the others are numbered as they are declared, without gaps.
#pragma once
#if defined(__METAL_VERSION__)
#include <metal_simdgroup_matrix>
#include <metal_stdlib>
using namespace metal;
#pragma METAL fp math_mode(safe)
#pragma METAL fp contract(off)

#define KERNEL(name) kernel void name
#define ARGUMENTS(type) constant type &args [[buffer(0)]]
#define BUFFER(index, type, name) device type *name [[buffer(index)]]
// Threadgroup memory whose size the dispatch gives.
#define THREADGROUP_ARGUMENT(type, name) threadgroup type *name [[threadgroup(0)]]
// Position of the threadgroup in the grid, of the thread in the threadgroup.
#define POSITION                                                                                           \
  uint3 group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],         \
      uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]

// What codes a packed format has, a constant for the compiler.
#define CODES_OF(format) CONCLAVE_CODES
#if CONCLAVE_CODES > 2
#define CONCLAVE_PACKED
#endif

#define CONSTANT(type) constant type &
#define DEVICE(type) device type *
#define THREAD(type) thread type *
#define THREADGROUP(type) threadgroup type *
#define THREADGROUP_ARRAY(type, name, count) threadgroup type name[count]

static inline float half_to_float(ushort bits) { return float(as_type<half>(bits)); }

#else
#include "../emulated/metal-language.h"
#endif
