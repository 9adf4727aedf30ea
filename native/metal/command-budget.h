// How much work goes into one command buffer. The system ends commands that keep the GPU from others: after about five
// seconds, with a display attached after some hundred milliseconds. Work is counted, its time predicted from rates
// below what such a GPU does, and kept an order of magnitude under the limit.
#pragma once
#include "gpu-device.h"

namespace conclave {

/** Rates of a GPU of that name, "Apple M2 Ultra": what the first generation of its tier has published, less a margin.
 */
GpuRates conservativeRates(const std::string& name);

/** Launch included. */
double predictedSeconds(const GpuRates& rates, const GpuWork& work);

class CommandBudget {
 public:
  explicit CommandBudget(const GpuRates& rates);

  /** Of a command buffer, unless one dispatch of one threadgroup column takes longer. */
  double seconds() const { return seconds_; }
  double predicted(const GpuWork& work) const { return predictedSeconds(rates_, work); }
  /** The largest part of a grid of that work that fits: fewer rows first, then fewer columns. z stays whole. */
  GpuGrid piece(const GpuGrid& grid, const GpuWork& work) const;
  /** After the watchdog ended commands. False when they were as small as they are worth trying. */
  bool shrink();

 private:
  GpuRates rates_;
  double seconds_;
};

}  // namespace conclave
