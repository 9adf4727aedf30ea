// What the host hands each kernel in buffer 0. One definition for both: host and kernels include this file. Strides and
// widths count elements unless said otherwise; every member is 4 or 8 bytes wide and lies at a multiple of its size.
#pragma once
#if defined(__METAL_VERSION__)
#include <metal_stdlib>
#else
#include <cstdint>
#endif

// Where a dispatch begins in a grid that is run in pieces.
struct GridStart {
  int32_t x = 0, y = 0;
};

struct EmbedArguments {
  int32_t width;
};

struct NormArguments {
  int32_t width, outStride;
  float epsilon;
};

// y[r, o] = sum over i of x[rows[r], i] w[o, i]; panels as in core/panel-layout.h.
struct MultiplyArguments {
  int32_t inputs;  // even
  int32_t outputs, rows;
  int32_t xStride, yStride;
  int32_t accumulate;  // 1: y += instead of y =
  GridStart start = {};
};

struct RotateArguments {
  int32_t heads, kvHeads, headDim;
  int32_t qStride, blockTableWidth;
  float clip;
};

struct AttendArguments {
  int32_t heads, kvHeads, headDim;
  int32_t qStride, blockTableWidth;
  int32_t partialBlocks;  // blocks per head that the partial results have room for
  float scale;
  GridStart start = {};
};

struct RouteArguments {
  int32_t experts, topK;
  int32_t normalize;  // 1: weights of a row add up to one
};

struct GroupArguments {
  int32_t slots, experts, tileRows;
};

// Experts [firstExpert, firstExpert + 16) are in the kernel's weight buffers.
struct ExpertArguments {
  int32_t inputs;  // even
  int32_t outputs;
  int32_t xStride, yStride;
  int32_t firstExpert;
  GridStart start = {};
};

struct CombineArguments {
  int32_t width, topK, outputStride;
  int32_t accumulate;  // 1: x += instead of x =
};

struct AddArguments {
  int32_t width;
};

struct TouchArguments {
  int32_t place;
};
