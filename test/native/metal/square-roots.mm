// Counts how many square roots of a GPU differ from the CPU's: precise by name and unqualified, with the option for precise
// functions and without. A program of its own, built by `npm run verify:metal` on a Mac.
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

constexpr NSUInteger count = 1 << 20;

constexpr const char* source = R"(
#include <metal_stdlib>
kernel void named(device const float *x [[buffer(0)]], device float *y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  y[i] = metal::precise::sqrt(x[i]);
}
kernel void plain(device const float *x [[buffer(0)]], device float *y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  y[i] = metal::sqrt(x[i]);
}
)";

// Normal numbers of many exponents.
void fill(float* x) {
  uint32_t state = 1;
  for (NSUInteger i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    const uint32_t bits = (1u + (state >> 24) % 253u) << 23 | (state & 0x7fffffu);
    std::memcpy(x + i, &bits, sizeof bits);
  }
}

id<MTLLibrary> compile(id<MTLDevice> device, bool precise) {
  MTLCompileOptions* options = [[MTLCompileOptions alloc] init];
  if (@available(macOS 15.0, *)) {
    options.mathMode = MTLMathModeSafe;
    if (precise) options.mathFloatingPointFunctions = MTLMathFloatingPointFunctionsPrecise;
  } else {
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    options.fastMathEnabled = NO;
#pragma clang diagnostic pop
  }
  NSError* error = nil;
  return [device newLibraryWithSource:@(source) options:options error:&error];
}

bool compare(id<MTLDevice> device, id<MTLLibrary> library, const char* kernel, const char* option) {
  NSError* error = nil;
  id<MTLFunction> function = [library newFunctionWithName:@(kernel)];
  if (function == nil) return false;
  id<MTLComputePipelineState> state = [device newComputePipelineStateWithFunction:function error:&error];
  id<MTLBuffer> x = [device newBufferWithLength:count * sizeof(float) options:MTLResourceStorageModeShared];
  id<MTLBuffer> y = [device newBufferWithLength:count * sizeof(float) options:MTLResourceStorageModeShared];
  if (state == nil || x == nil || y == nil) return false;
  float* inputs = static_cast<float*>([x contents]);
  fill(inputs);
  id<MTLCommandBuffer> commands = [[device newCommandQueue] commandBuffer];
  id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoder];
  [encoder setComputePipelineState:state];
  [encoder setBuffer:x offset:0 atIndex:0];
  [encoder setBuffer:y offset:0 atIndex:1];
  [encoder dispatchThreadgroups:MTLSizeMake(count / 32, 1, 1) threadsPerThreadgroup:MTLSizeMake(32, 1, 1)];
  [encoder endEncoding];
  [commands commit];
  [commands waitUntilCompleted];
  if ([commands status] == MTLCommandBufferStatusError) return false;
  const float* roots = static_cast<const float*>([y contents]);
  NSUInteger different = 0;
  for (NSUInteger i = 0; i < count; ++i) different += roots[i] == std::sqrt(inputs[i]) ? 0 : 1;
  std::printf("%s, %s: %lu of %lu differ from the CPU's\n", kernel, option, different, count);
  return true;
}

}  // namespace

int main() {
  id<MTLDevice> device = MTLCreateSystemDefaultDevice();
  bool compared = device != nil;
  for (const bool precise : {true, false}) {
    id<MTLLibrary> library = compared ? compile(device, precise) : nil;
    const char* option = precise ? "precise functions asked for" : "functions as by default";
    for (const char* kernel : {"named", "plain"}) {
      compared = compared && library != nil && compare(device, library, kernel, option);
    }
  }
  if (!compared) std::printf("not compared: no GPU, or it refused the kernels\n");
  return compared ? 0 : 1;
}
