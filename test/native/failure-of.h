// What a call throws, to be looked at.
#pragma once
#include <functional>
#include <optional>

#include "../../native/core/failure.h"

namespace conclave::test {

inline std::optional<Failure> failureOf(const std::function<void()>& call) {
  try {
    call();
    return std::nullopt;
  } catch (const Failure& failure) {
    return failure;
  }
}

}  // namespace conclave::test
