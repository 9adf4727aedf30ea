// Metal behind gpu-device.h: nothing but calls, as nothing here can run without a Mac. Checked for types on every system
// (test/native/metal-sources.test.ts). Compiled with ARC.
#include "apple-device.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <map>
#include <mutex>
#include <string>
#include <unistd.h>

#include "../build/generated/shader-source.h"
#include "../core/failure.h"
#include "command-budget.h"
#include "command-failure.h"
#include "emulated/kernels.h"
#include "gpu-limits.h"

namespace conclave {
namespace {

std::string textOf(NSError* error) { return error == nil ? "no reason given" : [[error localizedDescription] UTF8String]; }

CommandError kindOf(NSError* error) {
  if (error != nil && [error code] == MTLCommandBufferErrorOutOfMemory) return CommandError::outOfMemory;
  if (error != nil && [error code] == MTLCommandBufferErrorTimeout) return CommandError::timeout;
  return CommandError::other;
}

class AppleBuffer final : public GpuBuffer {
 public:
  explicit AppleBuffer(id<MTLBuffer> buffer) : metal(buffer) {}
  std::byte* contents() const override { return static_cast<std::byte*>([metal contents]); }
  int64_t bytes() const override { return static_cast<int64_t>([metal length]); }
  const id<MTLBuffer> metal;
};

class ApplePipeline final : public GpuPipeline {
 public:
  ApplePipeline(id<MTLComputePipelineState> state, int32_t groupThreads, uint32_t writtenBuffers)
      : GpuPipeline(groupThreads, writtenBuffers, {static_cast<int64_t>([state maxTotalThreadsPerThreadgroup]),
                                   static_cast<int64_t>([state staticThreadgroupMemoryLength])}),
        metal(state) {}
  const id<MTLComputePipelineState> metal;
};

std::unique_ptr<GpuBuffer> bufferOf(id<MTLBuffer> buffer, int64_t bytes) {
  if (buffer == nil) {
    throw Failure(FailureCode::outOfMemory, "the GPU gave no buffer of " + std::to_string(bytes) + " bytes");
  }
  return std::make_unique<AppleBuffer>(buffer);
}

class AppleEvent final : public GpuEvent {
 public:
  explicit AppleEvent(id<MTLSharedEvent> event) : metal(event) {}
  uint64_t signalled() const override { return [metal signaledValue]; }
  void sleepUntil(uint64_t value, std::chrono::milliseconds atMost) override {
    [metal waitUntilSignaledValue:value timeoutMS:static_cast<uint64_t>(atMost.count())];
  }
  const id<MTLSharedEvent> metal;
};

// References are not retained, as every one would cost time: what commands name is kept by who encodes them.
class AppleCommands final : public GpuCommands {
 public:
  explicit AppleCommands(id<MTLCommandQueue> queue) : buffer_([queue commandBufferWithUnretainedReferences]) {}

  ~AppleCommands() override {
    @autoreleasepool {
      endEncoder();
      if (submitted_) [buffer_ waitUntilCompleted];
    }
  }

  void dispatch(const GpuDispatch& dispatch) override {
    @autoreleasepool {
      beginEncoder();
      [encoder_ setComputePipelineState:static_cast<const ApplePipeline*>(dispatch.pipeline)->metal];
      if (dispatch.threadgroupBytes > 0) {
        [encoder_ setThreadgroupMemoryLength:static_cast<NSUInteger>(dispatch.threadgroupBytes) atIndex:0];
      }
      [encoder_ setBytes:dispatch.arguments length:static_cast<NSUInteger>(dispatch.argumentBytes) atIndex:0];
      NSUInteger index = 1;
      for (const GpuView& view : dispatch.buffers) {
        const id<MTLBuffer> buffer = static_cast<const AppleBuffer*>(view.buffer)->metal;
        [encoder_ setBuffer:buffer offset:static_cast<NSUInteger>(view.offset) atIndex:index++];
      }
      const GpuGrid& groups = dispatch.groups;
      [encoder_ dispatchThreadgroups:MTLSizeMake(static_cast<NSUInteger>(groups.x), static_cast<NSUInteger>(groups.y),
                                                 static_cast<NSUInteger>(groups.z))
               threadsPerThreadgroup:MTLSizeMake(static_cast<NSUInteger>(dispatch.pipeline->threads), 1, 1)];
    }
  }

  void barrier() override { [encoder_ memoryBarrierWithScope:MTLBarrierScopeBuffers]; }

  // Between two encoders.
  void signal(GpuEvent& event, uint64_t value) override {
    @autoreleasepool {
      endEncoder();
      [buffer_ encodeSignalEvent:static_cast<AppleEvent&>(event).metal value:value];
    }
  }

  void submit() override {
    @autoreleasepool {
      endEncoder();
      [buffer_ commit];
      submitted_ = true;
    }
  }

  void wait() override {
    @autoreleasepool {
      [buffer_ waitUntilCompleted];
      if ([buffer_ status] != MTLCommandBufferStatusError) return;
      NSError* error = [buffer_ error];
      throwCommandFailure(kindOf(error), textOf(error));
    }
  }

  bool haveEnded() const override { return [buffer_ status] >= MTLCommandBufferStatusCompleted; }

  double gpuSeconds() const override { return [buffer_ GPUEndTime] - [buffer_ GPUStartTime]; }

 private:
  void beginEncoder() {
    if (encoder_ == nil) encoder_ = [buffer_ computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
  }
  void endEncoder() {
    [encoder_ endEncoding];
    encoder_ = nil;
  }

  id<MTLCommandBuffer> buffer_;
  id<MTLComputeCommandEncoder> encoder_;
  bool submitted_ = false;
};

class API_AVAILABLE(macos(15.0)) AppleResidencySet final : public GpuResidencySet {
 public:
  AppleResidencySet(id<MTLCommandQueue> queue, id<MTLResidencySet> set) : queue_(queue), set_(set) {
    [queue_ addResidencySet:set_];
  }
  ~AppleResidencySet() override {
    @autoreleasepool {
      [queue_ removeResidencySet:set_];
      [set_ endResidency];
      // Before the memory is unmapped below it.
      [set_ removeAllAllocations];
      [set_ commit];
    }
  }
  void change(const BufferList& added, const BufferList& removed) override {
    @autoreleasepool {
      for (const GpuBuffer* buffer : removed) [set_ removeAllocation:static_cast<const AppleBuffer*>(buffer)->metal];
      for (const GpuBuffer* buffer : added) [set_ addAllocation:static_cast<const AppleBuffer*>(buffer)->metal];
      [set_ commit];
      [set_ requestResidency];
    }
  }
  void request() override {
    @autoreleasepool {
      [set_ requestResidency];
    }
  }

 private:
  id<MTLCommandQueue> queue_;
  id<MTLResidencySet> set_;
};

struct Compiled {
  id<MTLLibrary> library = nil;
  std::string warnings;
};

Compiled compile(id<MTLDevice> device, const KernelTypes& types) {
  MTLCompileOptions* options = [[MTLCompileOptions alloc] init];
  options.languageVersion = MTLLanguageVersion3_0;
  const int codes = static_cast<int>(types.codes);
  options.preprocessorMacros = @{
    @"CONCLAVE_DTYPE" : @(types.isPacked() ? static_cast<int>(types.activations) : codes),
    @"CONCLAVE_CODES" : @(codes)
  };
  if (@available(macOS 15.0, *)) {
    options.mathMode = MTLMathModeSafe;
    // Fast by default whatever the mode; kernels ask for precise functions by name as well.
    options.mathFloatingPointFunctions = MTLMathFloatingPointFunctionsPrecise;
  } else {
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    options.fastMathEnabled = NO;
#pragma clang diagnostic pop
  }
  NSError* error = nil;
  id<MTLLibrary> library = [device newLibraryWithSource:@(shaderSource) options:options error:&error];
  if (library == nil) throw didNotCompile(textOf(error));
  return {library, error == nil ? "" : textOf(error)};
}

// The source is compiled once per process and types: a process has one source and one GPU. Between processes
// the system keeps what it compiled, by the source's hash (docs/decisions/0094).
const Compiled& libraryFor(id<MTLDevice> device, const KernelTypes& types) {
  static std::mutex mutex;
  static std::map<KernelTypes, Compiled> libraries;
  const std::lock_guard lock(mutex);
  const auto known = libraries.find(types);
  return known != libraries.end() ? known->second : libraries.emplace(types, compile(device, types)).first->second;
}

class AppleDevice final : public GpuDevice {
 public:
  AppleDevice(id<MTLDevice> device, GpuProperties properties)
      : device_(device), queue_([device newCommandQueue]), properties_(std::move(properties)) {}

  const GpuProperties& properties() const override { return properties_; }

  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override {
    @autoreleasepool {
      // Metal fills new buffers with zeros.
      return bufferOf([device_ newBufferWithLength:static_cast<NSUInteger>(bytes) options:MTLResourceStorageModeShared],
                      bytes);
    }
  }

  std::unique_ptr<GpuBuffer> wrap(const std::byte* pages, int64_t bytes) override {
    @autoreleasepool {
      return bufferOf([device_ newBufferWithBytesNoCopy:const_cast<std::byte*>(pages)
                                                 length:static_cast<NSUInteger>(bytes)
                                                options:MTLResourceStorageModeShared
                                            deallocator:nil],
                      bytes);
    }
  }

  std::unique_ptr<GpuPipeline> pipeline(const KernelTypes& types, const std::string& kernel, int32_t threads) override {
    @autoreleasepool {
      id<MTLFunction> function = [libraryFor(device_, types).library newFunctionWithName:@(kernel.c_str())];
      if (function == nil) throw Failure(FailureCode::unavailable, "there is no kernel " + kernel);
      NSError* error = nil;
      id<MTLComputePipelineState> state = [device_ newComputePipelineStateWithFunction:function error:&error];
      if (state == nil) throw didNotCompile(kernel + ": " + textOf(error));
      if ([state threadExecutionWidth] != simdgroupThreads) {
        throw Failure(FailureCode::unavailable, "this GPU's simdgroups do not have 32 threads");
      }
      requireThreads(kernel, static_cast<int64_t>([state maxTotalThreadsPerThreadgroup]), threads);
      return std::make_unique<ApplePipeline>(state, threads, emulated::writtenBuffers(kernel));
    }
  }

  std::string warnings(const KernelTypes& types) override {
    @autoreleasepool {
      return libraryFor(device_, types).warnings;
    }
  }

  std::unique_ptr<GpuCommands> commands() override {
    @autoreleasepool {
      return std::make_unique<AppleCommands>(queue_);
    }
  }

  std::unique_ptr<GpuEvent> event() override {
    @autoreleasepool {
      id<MTLSharedEvent> event = [device_ newSharedEvent];
      if (event == nil) throw Failure(FailureCode::unavailable, "this GPU gave no event");
      return std::make_unique<AppleEvent>(event);
    }
  }

  std::unique_ptr<GpuResidencySet> residencySet() override {
    @autoreleasepool {
      if (@available(macOS 15.0, *)) {
        NSError* error = nil;
        id<MTLResidencySet> set = [device_ newResidencySetWithDescriptor:[[MTLResidencySetDescriptor alloc] init]
                                                                   error:&error];
        if (set == nil) throw Failure(FailureCode::outOfMemory, "no residency set: " + textOf(error));
        return std::make_unique<AppleResidencySet>(queue_, set);
      }
      throw Failure(FailureCode::unavailable, "residency sets need macOS 15");
    }
  }

 private:
  id<MTLDevice> device_;
  id<MTLCommandQueue> queue_;
  GpuProperties properties_;
};

// Families are numbered without gaps, and a new one supports the older ones: by number, one that these headers lack is found too.
constexpr NSInteger familyBase = 1000, newestFamily = 1099;

std::string family(id<MTLDevice> device) {
  for (NSInteger number = newestFamily; number > familyBase; --number) {
    if ([device supportsFamily:static_cast<MTLGPUFamily>(number)]) return "apple" + std::to_string(number - familyBase);
  }
  return "other";
}

// The compiler and the functions of the Metal library come with the system.
std::string className(id<MTLDevice> device) {
  const NSInteger major = [[NSProcessInfo processInfo] operatingSystemVersion].majorVersion;
  return family(device) + "-macos" + std::to_string(major);
}

// The default device alone may be nil in a process without a window.
id<MTLDevice> firstDevice() {
  NSArray<id<MTLDevice>>* devices = MTLCopyAllDevices();
  return [devices count] > 0 ? [devices objectAtIndex:0] : MTLCreateSystemDefaultDevice();
}

}  // namespace

std::unique_ptr<GpuDevice> openAppleDevice() {
  @autoreleasepool {
    id<MTLDevice> device = firstDevice();
    if (device == nil) throw Failure(FailureCode::unavailable, "this Mac shows no GPU to this process");
    const bool appleSilicon = [device supportsFamily:MTLGPUFamilyApple7] && [device hasUnifiedMemory];
    bool residencySets = false;
    if (@available(macOS 15.0, *)) residencySets = true;
    return std::make_unique<AppleDevice>(
        device, GpuProperties{[[device name] UTF8String], className(device), appleSilicon, appleSilicon, residencySets,
                              static_cast<int64_t>([[NSProcessInfo processInfo] physicalMemory]),
                              static_cast<int64_t>([device recommendedMaxWorkingSetSize]),
                              static_cast<int64_t>([device maxBufferLength]), getpagesize(),
                              conservativeRates([[device name] UTF8String])});
  }
}

}  // namespace conclave
