#include "command-budget.h"

#include <algorithm>
#include <cmath>

namespace conclave {
namespace {

constexpr double usualSeconds = 0.05, leastSeconds = 0.5e-3, launchSeconds = 5e-6;

// As Apple published them for the M1 of each tier: bytes per second, single-precision operations per second (M3 Pro:
// 150 GB/s). None is measured here; a kernel may reach a fraction of either.
struct Tier {
  const char* name;
  double bytesPerSecond, flops;
};
constexpr Tier tiers[] = {{"Ultra", 800e9, 20.8e12}, {"Max", 400e9, 10.4e12}, {"Pro", 150e9, 5.2e12}};
constexpr Tier base{"", 68e9, 2.6e12};
constexpr double shareOfBandwidth = 0.25, shareOfFlops = 0.125;

int32_t ceilingOf(int32_t count, int32_t divisor) { return (count + divisor - 1) / divisor; }

}  // namespace

GpuRates conservativeRates(const std::string& name) {
  const auto named = std::find_if(std::begin(tiers), std::end(tiers),
                                  [&](const Tier& tier) { return name.find(tier.name) != std::string::npos; });
  const Tier& tier = named != std::end(tiers) ? *named : base;
  return {tier.flops * shareOfFlops, tier.bytesPerSecond * shareOfBandwidth};
}

double predictedSeconds(const GpuRates& rates, const GpuWork& work) {
  return launchSeconds + std::max(work.flops / rates.flops, work.bytes / rates.bytesPerSecond);
}

CommandBudget::CommandBudget(const GpuRates& rates) : rates_(rates), seconds_(usualSeconds) {}

GpuGrid CommandBudget::piece(const GpuGrid& grid, const GpuWork& work) const {
  const double share = predicted(work) / (seconds_ - launchSeconds);
  if (share <= 1) return grid;
  const int32_t pieces = static_cast<int32_t>(std::min(std::ceil(share), static_cast<double>(grid.x) * grid.y));
  const int32_t rows = std::max(1, grid.y / pieces);
  const int32_t columns = rows > 1 ? grid.x : std::max(1, grid.x / ceilingOf(pieces, grid.y));
  return {columns, rows, grid.z};
}

bool CommandBudget::shrink() {
  if (seconds_ <= leastSeconds) return false;
  seconds_ = std::max(seconds_ / 5, leastSeconds);
  return true;
}

}  // namespace conclave
