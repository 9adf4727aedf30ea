// The part of the Metal language that the kernels use, as C++: a kernel's source compiles against this and runs on the
// emulated device. Pointers into device and threadgroup memory check every access.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "../../core/float-bits.h"
#include "threadgroup.h"

namespace conclave::emulated {

using uint = uint32_t;
using ushort = uint16_t;
using ulong = uint64_t;

struct uint3 {
  uint x, y, z;
};

inline Site siteOf(const char* file, int line) { return {file, line}; }
#define CONCLAVE_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

[[noreturn]] inline void refuseAccess(const char* what, const std::string& memory, int64_t offset) {
  throw Violation{std::string(what) + ' ' + memory + " at byte " + std::to_string(offset)};
}

// ---- Device memory

template <typename T>
T loadFrom(const BoundBuffer& buffer, int64_t offset) {
  const auto name = [&] { return "buffer " + std::to_string(buffer.index); };
  if (offset < 0 || offset + static_cast<int64_t>(sizeof(T)) > buffer.bytes)
    refuseAccess("read outside", name(), offset);
  if (buffer.shadow != nullptr &&
      !buffer.shadow->read(buffer.offset + offset, sizeof(T), Threadgroup::current().access(deviceMemory))) {
    refuseAccess("race: read of", name(), offset);
  }
  T value;
  std::memcpy(&value, buffer.data + offset, sizeof(T));
  return value;
}

template <typename T>
void storeTo(const BoundBuffer& buffer, int64_t offset, T value) {
  const auto name = [&] { return "buffer " + std::to_string(buffer.index); };
  if (offset < 0 || offset + static_cast<int64_t>(sizeof(T)) > buffer.bytes)
    refuseAccess("write outside", name(), offset);
  if (!buffer.shadow->write(buffer.offset + offset, sizeof(T), Threadgroup::current().access(deviceMemory))) {
    refuseAccess("race: write of", name(), offset);
  }
  std::memcpy(buffer.data + offset, &value, sizeof(T));
}

// An element that can be assigned to: `Memory` is a pointer class below.
template <typename Pointer, typename T>
class Element {
 public:
  Element(const Pointer& pointer, int64_t index) : pointer_(pointer), index_(index) {}
  operator T() const { return pointer_.load(index_); }
  Element& operator=(T value) {
    pointer_.store(index_, value);
    return *this;
  }
  Element& operator=(const Element& other) { return *this = static_cast<T>(other); }
  Element& operator+=(T value) { return *this = static_cast<T>(*this) + value; }

 private:
  Pointer pointer_;
  int64_t index_;
};

template <typename T>
class DevicePointer {
 public:
  using Value = std::remove_const_t<T>;

  DevicePointer(const BoundBuffer* buffer, int64_t offset) : buffer_(buffer), offset_(offset) {}
  operator DevicePointer<const T>() const { return {buffer_, offset_}; }

  DevicePointer operator+(int64_t count) const { return {buffer_, offset_ + count * int64_t{sizeof(T)}}; }
  auto operator[](int64_t index) const {
    if constexpr (std::is_const_v<T>)
      return load(index);
    else
      return Element<DevicePointer, Value>(*this, index);
  }
  Value load(int64_t index) const { return loadFrom<Value>(*buffer_, offset_ + index * int64_t{sizeof(T)}); }
  void store(int64_t index, Value value) const { storeTo(*buffer_, offset_ + index * int64_t{sizeof(T)}, value); }

 private:
  const BoundBuffer* buffer_;
  int64_t offset_;
};

// ---- Threadgroup memory

template <typename T>
class ThreadgroupPointer {
 public:
  ThreadgroupPointer(int64_t begin, int64_t bytes, int64_t offset) : begin_(begin), bytes_(bytes), offset_(offset) {}

  ThreadgroupPointer operator+(int64_t count) const { return {begin_, bytes_, offset_ + count * int64_t{sizeof(T)}}; }
  Element<ThreadgroupPointer, T> operator[](int64_t index) const { return {*this, index}; }
  T load(int64_t index) const { return load(index, Threadgroup::current().access(threadgroupMemory)); }
  void store(int64_t index, T value) const { store(index, value, Threadgroup::current().access(threadgroupMemory)); }

  T load(int64_t index, const Access& access) const {
    Threadgroup& group = Threadgroup::current();
    const int64_t at = place(index, "read outside");
    if (!group.arenaShadow().wasWritten(at, sizeof(T), access)) refuse("read before any write in", index);
    if (!group.arenaShadow().read(at, sizeof(T), access)) refuse("race: read of", index);
    T value;
    std::memcpy(&value, group.arena() + at, sizeof(T));
    return value;
  }
  void store(int64_t index, T value, const Access& access) const {
    Threadgroup& group = Threadgroup::current();
    const int64_t at = place(index, "write outside");
    if (!group.arenaShadow().write(at, sizeof(T), access)) refuse("race: write of", index);
    std::memcpy(group.arena() + at, &value, sizeof(T));
  }

 private:
  int64_t place(int64_t index, const char* what) const {
    const int64_t at = offset_ + index * int64_t{sizeof(T)};
    if (at < 0 || at + int64_t{sizeof(T)} > bytes_) refuse(what, index);
    return begin_ + at;
  }
  [[noreturn]] void refuse(const char* what, int64_t index) const {
    refuseAccess(what, "threadgroup memory", offset_ + index * int64_t{sizeof(T)});
  }

  int64_t begin_, bytes_, offset_;
};

template <typename T>
ThreadgroupPointer<T> reserveThreadgroupArray(int64_t count) {
  const int64_t bytes = count * int64_t{sizeof(T)};
  return {Threadgroup::current().reserve(bytes), bytes, 0};
}

// ---- Kernel parameters

template <typename Arguments>
struct ArgumentsParameter : Arguments {};

template <int index, typename T>
struct BufferParameter : DevicePointer<T> {};

template <typename T>
struct ThreadgroupParameter : ThreadgroupPointer<T> {};

struct GroupPosition : uint3 {};
template <int which>
struct Index {
  uint value;
  operator uint() const { return value; }
};
using ThreadIndex = Index<0>;
using LaneIndex = Index<1>;
using SimdgroupIndex = Index<2>;

// How a parameter of each kind is filled in, and what it says about the kernel.
template <typename Parameter>
struct Binding;

template <typename Arguments>
struct Binding<ArgumentsParameter<Arguments>> {
  static constexpr int64_t argumentBytes = sizeof(Arguments);
  static constexpr int index = 0;
  static constexpr uint32_t writes = 0;
  static ArgumentsParameter<Arguments> from(const Bindings& bindings, const Position&) {
    ArgumentsParameter<Arguments> arguments;
    std::memcpy(&arguments, bindings.arguments, sizeof(Arguments));
    return arguments;
  }
};

template <int bufferIndex, typename T>
struct Binding<BufferParameter<bufferIndex, T>> {
  static constexpr int64_t argumentBytes = 0;
  static constexpr int index = bufferIndex;
  static constexpr uint32_t writes = std::is_const_v<T> ? 0 : 1u << (bufferIndex - 1);
  static BufferParameter<bufferIndex, T> from(const Bindings& bindings, const Position&) {
    const BoundBuffer& buffer = bindings.buffers[bufferIndex - 1];
    if (reinterpret_cast<uintptr_t>(buffer.data) % alignof(T) != 0) {
      throw Violation{"buffer " + std::to_string(bufferIndex) + " is not aligned to its elements"};
    }
    return {{&buffer, 0}};
  }
};

template <typename T>
struct Binding<ThreadgroupParameter<T>> {
  static constexpr int64_t argumentBytes = 0;
  static constexpr int index = -1;
  static constexpr uint32_t writes = 0;
  static ThreadgroupParameter<T> from(const Bindings& bindings, const Position&) {
    const int64_t begin = Threadgroup::current().reserve(bindings.threadgroupBytes);
    return {{begin, bindings.threadgroupBytes, 0}};
  }
};

template <typename T>
struct PositionBinding {
  static constexpr int64_t argumentBytes = 0;
  static constexpr int index = -1;
  static constexpr uint32_t writes = 0;
};
template <>
struct Binding<GroupPosition> : PositionBinding<GroupPosition> {
  static GroupPosition from(const Bindings&, const Position& at) { return {{at.group[0], at.group[1], at.group[2]}}; }
};
template <>
struct Binding<ThreadIndex> : PositionBinding<ThreadIndex> {
  static ThreadIndex from(const Bindings&, const Position& at) { return {at.thread}; }
};
template <>
struct Binding<LaneIndex> : PositionBinding<LaneIndex> {
  static LaneIndex from(const Bindings&, const Position& at) { return {at.lane}; }
};
template <>
struct Binding<SimdgroupIndex> : PositionBinding<SimdgroupIndex> {
  static SimdgroupIndex from(const Bindings&, const Position& at) { return {at.simdgroup}; }
};

template <auto function>
struct KernelEntry;

template <typename... Parameters, void (*function)(Parameters...)>
struct KernelEntry<function> {
  static constexpr int buffers = static_cast<int>(((Binding<Parameters>::index > 0 ? 1 : 0) + ...));
  static_assert(((Binding<Parameters>::index <= buffers) && ...), "buffers are numbered without gaps");

  static void invoke(const Bindings& bindings, const Position& position) {
    function(Binding<Parameters>::from(bindings, position)...);
  }
  static constexpr Kernel named(const char* name) {
    return {name, invoke, (Binding<Parameters>::argumentBytes + ...), buffers, (Binding<Parameters>::writes | ...)};
  }
};

// ---- Functions of the Metal library

template <typename To, typename From>
To as_type(From from) {
  return std::bit_cast<To>(from);
}
inline float half_to_float(ushort bits) { return f16ToF32(bits); }
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
namespace precise {
inline float sqrt(float x) { return __builtin_sqrtf(x); }
}  // namespace precise
template <typename T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
T max(T a, T b) {
  return a < b ? b : a;
}

enum class mem_flags { mem_none = 0, mem_device = deviceMemory, mem_threadgroup = threadgroupMemory };
constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return static_cast<mem_flags>(static_cast<int>(a) | static_cast<int>(b));
}

inline void threadgroup_barrier(mem_flags flags, CONCLAVE_CALLER) {
  Threadgroup::current().barrier(static_cast<int>(flags), {file, line});
}
inline void simdgroup_barrier(mem_flags flags, CONCLAVE_CALLER) {
  Threadgroup::current().simd(SimdOperation::barrier, 0, static_cast<uint32_t>(flags), {file, line});
}
inline float simd_max(float value, CONCLAVE_CALLER) {
  return std::bit_cast<float>(
      Threadgroup::current().simd(SimdOperation::maximum, std::bit_cast<uint32_t>(value), 0, {file, line}));
}
template <typename T>
T simd_shuffle_down(T value, ushort delta, CONCLAVE_CALLER) {
  return std::bit_cast<T>(
      Threadgroup::current().simd(SimdOperation::shuffleDown, std::bit_cast<uint32_t>(value), delta, {file, line}));
}
template <typename T>
T simd_shuffle_xor(T value, ushort mask, CONCLAVE_CALLER) {
  return std::bit_cast<T>(
      Threadgroup::current().simd(SimdOperation::shuffleXor, std::bit_cast<uint32_t>(value), mask, {file, line}));
}

// ---- Simdgroup matrices. Which thread holds which element is unspecified: a simdgroup's first thread to arrive
// does the whole operation, the others only have to come too.

class simdgroup_float8x8 {
 public:
  simdgroup_float8x8() : number_(Threadgroup::current().declareMatrix()) {}
  simdgroup_float8x8(const simdgroup_float8x8&) = delete;
  simdgroup_float8x8& operator=(const simdgroup_float8x8&) = delete;
  struct Filled {
    float value;
    Site site;
  };
  simdgroup_float8x8& operator=(const Filled& filled) {
    if (Threadgroup::current().beginMatrixOperation(filled.site, number_)) values().fill(filled.value);
    return *this;
  }
  Matrix& values() const { return Threadgroup::current().matrix(number_); }
  uint32_t number() const { return number_; }

 private:
  uint32_t number_;
};

template <typename T, int rows, int columns>
simdgroup_float8x8::Filled make_filled_simdgroup_matrix(T value, CONCLAVE_CALLER) {
  static_assert(rows == 8 && columns == 8);
  return {value, {file, line}};
}

inline void simdgroup_load(simdgroup_float8x8& matrix, ThreadgroupPointer<float> from, ulong stride, CONCLAVE_CALLER) {
  Threadgroup& group = Threadgroup::current();
  if (!group.beginMatrixOperation({file, line}, matrix.number())) return;
  const Access access = group.simdgroupAccess(threadgroupMemory);
  for (int64_t i = 0; i < 64; ++i) {
    matrix.values()[static_cast<size_t>(i)] = from.load(i / 8 * static_cast<int64_t>(stride) + i % 8, access);
  }
}

inline void simdgroup_store(const simdgroup_float8x8& matrix, ThreadgroupPointer<float> to, ulong stride,
                            CONCLAVE_CALLER) {
  Threadgroup& group = Threadgroup::current();
  if (!group.beginMatrixOperation({file, line}, matrix.number())) return;
  const Access access = group.simdgroupAccess(threadgroupMemory);
  for (int64_t i = 0; i < 64; ++i) {
    to.store(i / 8 * static_cast<int64_t>(stride) + i % 8, matrix.values()[static_cast<size_t>(i)], access);
  }
}

// sum = a b + c. The order in which an Apple GPU adds is not documented; here it is one that no other code uses.
inline void simdgroup_multiply_accumulate(simdgroup_float8x8& sum, const simdgroup_float8x8& a,
                                          const simdgroup_float8x8& b, const simdgroup_float8x8& c, CONCLAVE_CALLER) {
  if (!Threadgroup::current().beginMatrixOperation({file, line}, sum.number())) return;
  // The table of matrices may grow while it is asked for one: copies.
  const Matrix left = a.values(), right = b.values(), start = c.values();
  Matrix& result = sum.values();
  for (size_t i = 0; i < 64; ++i) {
    float even = 0, odd = 0;
    for (size_t k = 0; k < 8; k += 2) {
      even = even + left[i / 8 * 8 + k] * right[k * 8 + i % 8];
      odd = odd + left[i / 8 * 8 + k + 1] * right[(k + 1) * 8 + i % 8];
    }
    result[i] = start[i] + (even + odd);
  }
}

}  // namespace conclave::emulated

#define KERNEL(name) inline void name
#define ARGUMENTS(type) [[maybe_unused]] conclave::emulated::ArgumentsParameter<type> args
#define BUFFER(index, type, name) conclave::emulated::BufferParameter<index, type> name
#define THREADGROUP_ARGUMENT(type, name) conclave::emulated::ThreadgroupParameter<type> name
#define POSITION                                                     \
  [[maybe_unused]] conclave::emulated::GroupPosition group,          \
      [[maybe_unused]] conclave::emulated::ThreadIndex thread_index, \
      [[maybe_unused]] conclave::emulated::LaneIndex lane,           \
      [[maybe_unused]] conclave::emulated::SimdgroupIndex simdgroup

// Kernels are compiled once for all packed formats.
#define CODES_OF(format) (format).codes

#define CONSTANT(type) const type&
#define THREAD(type) type*
#define DEVICE(type) conclave::emulated::DevicePointer<type>
#define THREADGROUP(type) conclave::emulated::ThreadgroupPointer<type>
#define THREADGROUP_ARRAY(type, name, count) \
  const conclave::emulated::ThreadgroupPointer<type> name = conclave::emulated::reserveThreadgroupArray<type>(count)
