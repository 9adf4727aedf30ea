// Reading JavaScript arguments: every type, length and range is checked here, whatever TypeScript promised.
#pragma once
#include <napi.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../core/failure.h"

namespace conclave {

/** A Failure as a JavaScript error with a `code` (native-error.ts). */
inline Napi::Error toJavaScript(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

inline const char* codeName(FailureCode code) {
  switch (code) {
    case FailureCode::invalidArgument:
      return "invalid_argument";
    case FailureCode::closed:
      return "closed";
    case FailureCode::busy:
      return "busy";
    case FailureCode::io:
      return "io";
    case FailureCode::outOfMemory:
      return "out_of_memory";
    case FailureCode::unavailable:
      return "unavailable";
    case FailureCode::deviceLost:
      return "device_lost";
    case FailureCode::exchange:
      return "exchange";
    case FailureCode::interrupted:
      return "interrupted";
    case FailureCode::internal:
      return "internal";
  }
  return "internal";
}

/** Runs a call and throws what it throws as a JavaScript error. Every export goes through here. */
template <typename Call>
auto guarded(Napi::Env env, const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const Failure& failure) {
    throw toJavaScript(env, codeName(failure.code), failure.what());
  } catch (const std::bad_alloc&) {
    throw toJavaScript(env, "out_of_memory", "not enough memory");
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& unforeseen) {
    throw toJavaScript(env, codeName(FailureCode::internal), unforeseen.what());
  }
}

inline double numberOf(const Napi::Value& value, const char* name) {
  require(value.IsNumber(), std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

inline int64_t integerOf(const Napi::Value& value, const char* name) {
  const double number = numberOf(value, name);
  require(std::trunc(number) == number && std::fabs(number) <= 9007199254740991.0,
          std::string(name) + " must be a whole number");
  return static_cast<int64_t>(number);
}

inline int32_t int32Of(const Napi::Value& value, const char* name) {
  const int64_t number = integerOf(value, name);
  require(number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max(),
          std::string(name) + " is out of range");
  return static_cast<int32_t>(number);
}

inline uint32_t uint32Of(const Napi::Value& value, const char* name) {
  const int64_t number = integerOf(value, name);
  require(number >= 0 && number <= std::numeric_limits<uint32_t>::max(), std::string(name) + " is out of range");
  return static_cast<uint32_t>(number);
}

inline std::string stringOf(const Napi::Value& value, const char* name) {
  require(value.IsString(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Napi::Object objectOf(const Napi::Value& value, const char* name) {
  require(value.IsObject(), std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

template <typename T>
Napi::TypedArrayOf<T> arrayOf(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  require(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type,
          std::string(name) + " is a typed array of the wrong kind");
  return value.As<Napi::TypedArrayOf<T>>();
}

/** The array's data, of at least `elements` elements. */
template <typename T>
T* elementsOf(const Napi::Value& value, napi_typedarray_type type, const char* name, int64_t elements) {
  auto array = arrayOf<T>(value, type, name);
  require(static_cast<int64_t>(array.ElementLength()) >= elements, std::string(name) + " must have " +
                                                                       std::to_string(elements) + " elements but has " +
                                                                       std::to_string(array.ElementLength()));
  return array.Data();
}

inline std::vector<int32_t> int32sOf(const Napi::Value& value, const char* name) {
  const auto array = arrayOf<int32_t>(value, napi_int32_array, name);
  return {array.Data(), array.Data() + array.ElementLength()};
}

/** File offsets arrive as doubles, exact up to 2^53. */
inline std::vector<int64_t> offsetsOf(const Napi::Value& value, const char* name) {
  const auto array = arrayOf<double>(value, napi_float64_array, name);
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < array.ElementLength(); ++i) {
    const double offset = array.Data()[i];
    require(std::trunc(offset) == offset && offset >= 0 && offset <= 9007199254740991.0,
            std::string(name) + " must be whole numbers");
    offsets.push_back(static_cast<int64_t>(offset));
  }
  return offsets;
}

}  // namespace conclave
