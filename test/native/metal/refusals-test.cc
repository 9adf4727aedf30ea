// What Metal would refuse, or leave undefined, the emulated device refuses by name: small kernels that do it, and
// dispatches that ask for it.
#include "../../../native/core/failure.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/emulated/metal-language.h"
#include "../../../native/metal/kernels/kernel-args.h"
#include "../check.h"

using namespace conclave;
using namespace conclave::emulated;

namespace {

struct NoArguments {
  int32_t unused;
};

KERNEL(takes_too_much)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  THREADGROUP_ARRAY(float, half_of_it, 4097);
  THREADGROUP_ARRAY(float, other_half, 4097);
  half_of_it[0] = other_half[0] = y[0] = 1.0f;
}

KERNEL(returns_before_a_barrier)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  if (thread_index == 7) return;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index == 0) y[0] = 1.0f;
}

KERNEL(waits_at_two_barriers)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  if (simdgroup == 0) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  } else {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (thread_index == 0) y[0] = 1.0f;
}

KERNEL(diverges_in_a_simdgroup)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  float largest = 0.0f;
  if (lane < 5) {
    largest = simd_max(1.0f);
  } else {
    largest = simd_max(2.0f);
  }
  if (thread_index == 0) y[0] = largest;
}

KERNEL(diverges_with_matrices)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  simdgroup_float8x8 sum;
  if (lane != 3) sum = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index == 0) y[0] = 1.0f;
}

KERNEL(reads_before_any_write)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  THREADGROUP_ARRAY(float, scratch, 64);
  if (thread_index == 0) y[0] = scratch[3];
}

KERNEL(races_in_threadgroup_memory)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  THREADGROUP_ARRAY(float, scratch, 64);
  scratch[thread_index] = 1.0f;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  scratch[thread_index] = 2.0f;
  y[group.x * 64 + thread_index] = scratch[(thread_index + 1) % 64];
}

// The barrier orders the wrong kind of memory.
KERNEL(races_in_device_memory)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  y[thread_index] = 1.0f;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index == 0) y[63] = y[0] + y[1];
}

KERNEL(races_across_threadgroups)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  if (thread_index == 0) y[0] = y[0] + 1.0f;
}

KERNEL(reads_beyond)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  if (thread_index == 0) y[0] = y[64];
}

// One that is right: barriers where they belong.
KERNEL(behaves)(ARGUMENTS(NoArguments), BUFFER(1, float, y), POSITION) {
  THREADGROUP_ARRAY(float, scratch, 64);
  scratch[thread_index] = 1.0f;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[group.x * 64 + thread_index] = scratch[(thread_index + 1) % 64];
  threadgroup_barrier(mem_flags::mem_device);
  if (thread_index == 0) y[group.x * 64] = y[group.x * 64 + 1] + 1.0f;
}

// Runs the kernel on 64 threads in 3 groups over 3 * 64 floats; says what was refused.
std::string refusalOf(const Kernel& kernel) {
  std::vector<float> y(3 * 64);
  ShadowMemory shadow(1024);
  const NoArguments arguments{0};
  const Bindings bindings{reinterpret_cast<const std::byte*>(&arguments),
                          {{reinterpret_cast<std::byte*>(y.data()),
                            kernel.name == std::string("reads_beyond") ? 256 : 768, 0, &shadow, 1}}};
  Threadgroup threadgroup(1, {});
  try {
    threadgroup.beginScope();
    threadgroup.runGrid(kernel, bindings, {3, 1, 1}, 64);
    return "";
  } catch (const Violation& violation) {
    return violation.message;
  }
}

#define REFUSES(kernel, words)                                                              \
  {                                                                                         \
    const std::string refusal = refusalOf(KernelEntry<&kernel>::named(#kernel));            \
    CHECK(refusal.find(words) != std::string::npos, std::string(#kernel) + ": " + refusal); \
  }

std::string refusalOf(EmulatedDevice& device, const GpuDispatch& dispatch) {
  try {
    device.run(dispatch);
    return "";
  } catch (const Failure& failure) {
    return failure.what();
  }
}

}  // namespace

TEST("threadgroup memory that a dispatch gives ends where it says") {
  EmulatedDevice device;
  const auto pipeline = device.pipeline(DType::f32, "choose_experts", 32);
  const auto logits = device.allocate(128), bias = device.allocate(128), chosen = device.allocate(4),
             weights = device.allocate(4);
  const RouteArguments arguments{32, 1, softmaxScores, 0, 0, 0, 0, 0, 0, 1, 0};
  GpuDispatch dispatch{pipeline.get(),
                       {},
                       &arguments,
                       sizeof arguments,
                       {{logits.get(), 0, 128}, {bias.get(), 0, 128}, {chosen.get(), 0, 4}, {weights.get(), 0, 4}},
                       128};
  CHECK(refusalOf(device, dispatch).empty(), refusalOf(device, dispatch));
  dispatch.threadgroupBytes = 112;
  const std::string refusal = refusalOf(device, dispatch);
  CHECK(refusal.find("write outside threadgroup memory") != std::string::npos, refusal);
  dispatch.threadgroupBytes = mostThreadgroupBytes + 16;
  const std::string tooMuch = refusalOf(device, dispatch);
  CHECK(tooMuch.find("there are 32768") != std::string::npos, tooMuch);
}

TEST("kernels that Metal leaves undefined are refused") {
  CHECK(refusalOf(KernelEntry<&behaves>::named("behaves")).empty(), refusalOf(KernelEntry<&behaves>::named("behaves")));
  REFUSES(takes_too_much, "threadgroup memory of");
  REFUSES(returns_before_a_barrier, "returned before the barrier");
  REFUSES(waits_at_two_barriers, "diverging places");
  REFUSES(diverges_in_a_simdgroup, "diverging places");
  REFUSES(diverges_with_matrices, "diverge");
  REFUSES(reads_before_any_write, "before any write");
  REFUSES(races_in_threadgroup_memory, "race");
  REFUSES(races_in_device_memory, "race");
  REFUSES(races_across_threadgroups, "race");
  REFUSES(reads_beyond, "read outside buffer 1");
}

TEST("dispatches that Metal would not take are refused") {
  EmulatedDevice device;
  const auto pipeline = device.pipeline(DType::f32, "add_bias", 256);
  const auto x = device.allocate(64), y = device.allocate(64);
  const ColumnArguments arguments{16, 16, 0};
  const GpuDispatch good{pipeline.get(), {1, 1, 1}, &arguments, sizeof arguments, {{y.get(), 0, 64}, {x.get(), 0, 64}}};
  CHECK(refusalOf(device, good).empty(), refusalOf(device, good));
  const auto refuses = [&](const char* words, const std::function<void(GpuDispatch&)>& change) {
    GpuDispatch bad = good;
    change(bad);
    const std::string refusal = refusalOf(device, bad);
    CHECK(refusal.find(words) != std::string::npos, std::string(words) + ": " + refusal);
  };
  refuses("no multiple of 16", [](GpuDispatch& d) { d.threadgroupBytes = 24; });
  refuses("empty grid", [](GpuDispatch& d) { d.groups.y = 0; });
  refuses("arguments of 8 bytes", [](GpuDispatch& d) { d.argumentBytes = 8; });
  refuses("more than 31 buffers", [](GpuDispatch& d) { d.buffers.resize(31, d.buffers[0]); });
  refuses("the kernel takes 2", [](GpuDispatch& d) { d.buffers.pop_back(); });
  refuses("buffer 2 is missing", [](GpuDispatch& d) { d.buffers[1].buffer = nullptr; });
  refuses("view beyond its end", [](GpuDispatch& d) { d.buffers[0].offset = 4; });
  refuses("not aligned", [](GpuDispatch& d) { d.buffers[0] = {d.buffers[0].buffer, 2, 60}; });
  refuses("read outside buffer 1", [](GpuDispatch& d) { d.buffers[0].bytes = 60; });

  const std::vector<std::byte> tooLong(4097);
  const auto commands = device.commands();
  bool refused = false;
  try {
    commands->dispatch({pipeline.get(), {}, tooLong.data(), 4097, {}});
  } catch (const Failure& failure) {
    refused = std::string(failure.what()).find("4096") != std::string::npos;
  }
  CHECK(refused, "4097 bytes of arguments");
}

TEST("commands run when they are waited for, not before, and take no dispatch after submission") {
  EmulatedDevice device;
  const auto pipeline = device.pipeline(DType::f32, "add_bias", 32);
  const auto x = device.allocate(4), y = device.allocate(4);
  const ColumnArguments arguments{1, 1, 0};
  *reinterpret_cast<float*>(y->contents()) = 3.0f;
  const GpuDispatch add{pipeline.get(), {}, &arguments, sizeof arguments, {{y.get(), 0, 4}, {x.get(), 0, 4}}};
  const auto commands = device.commands();
  commands->dispatch(add);
  commands->submit();
  CHECK(*reinterpret_cast<float*>(x->contents()) == 0.0f, "a host that looks too early sees nothing");
  commands->wait();
  CHECK(*reinterpret_cast<float*>(x->contents()) == 3.0f, "the result is there");
  bool refused = false;
  try {
    commands->dispatch(add);
  } catch (const Failure&) {
    refused = true;
  }
  CHECK(refused, "a dispatch after submission");
}

TEST("weights that lie beyond 4 GiB are found there") {
  EmulatedDevice device;
  // Sparse: only what is touched takes memory.
  const int64_t beyond = (int64_t{5} << 30) + 256;
  const auto memory = device.allocate(beyond + 4096);
  const int32_t width = 8, vocab = static_cast<int32_t>(beyond / (width * 4));
  auto* embedding = reinterpret_cast<float*>(memory->contents());
  const int32_t token = vocab - 1;
  for (int32_t i = 0; i < width; ++i) embedding[int64_t{token} * width + i] = static_cast<float>(i + 1);
  const auto tokens = device.allocate(4), x = device.allocate(width * 4);
  *reinterpret_cast<int32_t*>(tokens->contents()) = token;
  const auto pipeline = device.pipeline(DType::f32, "embed", 256);
  const EmbedArguments arguments{width, 1};
  device.run({pipeline.get(),
              {},
              &arguments,
              sizeof arguments,
              {{tokens.get(), 0, 4}, {memory.get(), 0, beyond}, {x.get(), 0, width * 4}}});
  const auto* row = reinterpret_cast<const float*>(x->contents());
  CHECK(row[0] == 1.0f && row[width - 1] == 8.0f, "an index of more than 2^30 elements");

  // And by the view's own offset.
  const auto add = device.pipeline(DType::f32, "add_bias", 256);
  const ColumnArguments addArguments{width, width, 0};
  device.run({add.get(),
              {},
              &addArguments,
              sizeof addArguments,
              {{memory.get(), int64_t{token} * width * 4, width * 4}, {x.get(), 0, width * 4}}});
  CHECK(row[0] == 2.0f && row[width - 1] == 16.0f, "a view that begins beyond 4 GiB");
}
