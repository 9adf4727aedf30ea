// Runs every registered test whose name contains the first argument; prints one line per test, exits 1 on a failure.
#include <exception>

#include "../../native/core/flush-denormals.h"
#include "check.h"

namespace conclave::test {
namespace {

int failures = 0;

// Enough to see what is wrong without drowning the rest.
constexpr int printedPerTest = 5;

}  // namespace

std::vector<Test>& allTests() {
  static std::vector<Test> tests;
  return tests;
}

void fail(const char* file, int line, const std::string& message) {
  if (failures++ < printedPerTest) std::printf("  %s:%d: %s\n", file, line, message.c_str());
}

bool passes(const Test& test) {
  failures = 0;
  try {
    test.body();
  } catch (const std::exception& thrown) {
    fail(test.name.c_str(), 0, thrown.what());
  }
  std::printf("%s %s\n", failures == 0 ? "ok" : "FAILED", test.name.c_str());
  return failures == 0;
}

}  // namespace conclave::test

int main(int argc, char** argv) {
  using namespace conclave::test;
  // The state every computing thread is in.
  const conclave::FlushDenormals flush;
  const std::string wanted = argc > 1 ? argv[1] : "";
  int passed = 0, failed = 0;
  for (const Test& test : allTests()) {
    if (test.name.find(wanted) == std::string::npos) continue;
    (passes(test) ? passed : failed) += 1;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
