// The C++ tests' whole framework: named tests that register themselves, checks that print and count, seeded randomness.
#pragma once
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace conclave::test {

struct Test {
  std::string name;
  std::function<void()> body;
};

std::vector<Test>& allTests();
void fail(const char* file, int line, const std::string& message);

struct Registration {
  Registration(const char* name, std::function<void()> body) { allTests().push_back({name, std::move(body)}); }
};

/** Fixed seed: a failure repeats. */
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int32_t below(int32_t bound) { return static_cast<int32_t>(engine_() % static_cast<uint32_t>(bound)); }
  int32_t between(int32_t low, int32_t high) { return low + below(high - low + 1); }
  /** In [-scale, scale). */
  float value(float scale = 1.0f) { return (static_cast<float>(engine_()) * 0x1p-31f - 1.0f) * scale; }
  uint32_t bits() { return static_cast<uint32_t>(engine_()); }
  template <typename T>
  const T& of(const std::vector<T>& items) {
    return items[static_cast<size_t>(below(static_cast<int32_t>(items.size())))];
  }

 private:
  std::mt19937 engine_;
};

}  // namespace conclave::test

#define CONCLAVE_JOIN_(a, b) a##b
#define CONCLAVE_JOIN(a, b) CONCLAVE_JOIN_(a, b)
#define TEST(name)                                                                                                  \
  static void CONCLAVE_JOIN(test_, __LINE__)();                                                                     \
  static const conclave::test::Registration CONCLAVE_JOIN(registration_, __LINE__)(name,                            \
                                                                                   CONCLAVE_JOIN(test_, __LINE__)); \
  static void CONCLAVE_JOIN(test_, __LINE__)()
#define CHECK(condition, message) \
  if (!(condition)) conclave::test::fail(__FILE__, __LINE__, message)
