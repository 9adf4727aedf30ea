// What the host hands each kernel in buffer 0. One definition for both: host and kernels include this file. Strides and
// widths count elements unless said otherwise; every member is 4 or 8 bytes wide and lies at a multiple of its size.
// Yes and no are 1 and 0.
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

// As core/weight-format.h numbers them.
enum PackedCodes { affine2Codes = 3, affine8Codes = 8, e2m1Codes = 9, e4m3Codes = 10 };
enum PackedScales { f32Scales = 1, f16Scales, bf16Scales, e8m0Scales, e4m3Scales };

// Of a packed format; 0 of plain ones.
struct PackedFormat {
  int32_t codes = 0, scales = 0, group = 0;
};

struct EmbedArguments {
  int32_t width;
  float scale;
  PackedFormat format = {};
};

struct NormArguments {
  int32_t width;
  int32_t centred;  // a layer norm, else an RMS norm
  int32_t rounds;   // to activations, before the weight
  float epsilon;
};

struct NormalizeArguments {
  NormArguments norm;
  int32_t outStride;
  int32_t bias;
};

struct AddAndNormalizeArguments {
  NormArguments norm;
  int32_t outStride;
  int32_t bias;
  float scale;
};

// Some columns of rows.
struct ColumnArguments {
  int32_t width, stride;
  float value;  // what the kernel works with
};

// One matrix of a product: its outputs go to columns from `column` on.
struct MatrixPart {
  int32_t panels = 0, outputs = 0, column = 0;
};

// y[r, column + o] = sum over i of x[rows[r], i] w[o, i], for up to three matrices w of the same inputs; panels as in
// core/panel-layout.h.
struct MultiplyArguments {
  int32_t inputs;  // even
  int32_t rows;
  int32_t xStride, yStride;
  MatrixPart parts[3];
  GridStart start = {};
  PackedFormat format = {};
};

enum HeadStepKind { addHeadBias, normalizeHeads, clipHeads, rotateHeads };
enum HeadVector { queryBiasVector, keyBiasVector, valueBiasVector, queryNormVector, keyNormVector };

// What happens to a row of query, key and value; each kind has its own of these.
struct HeadStep {
  int32_t kind;
  int32_t column, heads, width;  // `heads` of `width` each, from `column` on
  int32_t vector;                // of addHeadBias and normalizeHeads
  NormArguments norm;            // of normalizeHeads
  float limit;                   // of clipHeads
  int32_t pairs, adjacent;       // of rotateHeads
};

constexpr int mostHeadSteps = 8;

struct HeadsArguments {
  int32_t heads, kvHeads, headDim;
  int32_t blockTableWidth;
  int32_t pairs;  // of a row of cosines and sines
  int32_t steps;
  HeadStep step[mostHeadSteps];
};

struct AttendArguments {
  int32_t heads, kvHeads, headDim;
  int32_t qStride, blockTableWidth;
  int32_t partialBlocks;  // blocks per head that the partial results have room for
  int32_t window;         // 0: none
  int32_t sinks;
  float scale;
  GridStart start = {};
};

// As core/model-description.h numbers them.
enum RouterScores { softmaxScores, softmaxOfChosenScores, sigmoidScores, sparseMixerScores };

struct RouteArguments {
  int32_t experts, topK;
  int32_t scores, choiceBias;
  int32_t groups, chosenGroups;  // 0: none
  int32_t normalize;             // weights of a row are divided by their sum and epsilon, or by the minimum
  float epsilon, minimum, scale, threshold;
};

struct GroupArguments {
  int32_t slots, experts, tileRows;
};

// As core/model-description.h numbers them.
enum ActivationFunction { siluFunction, geluFunction, geluTanhFunction, clampedSwigluFunction };

// Where experts lie: the table [experts] has the buffer and the offset in it, in units of 16 bytes; no buffer is negative.
// Buffers [firstBuffer, firstBuffer + 16) are the kernel's.
struct ExpertArguments {
  int32_t inputs;  // even
  int32_t outputs;
  int32_t xStride, yStride;
  int32_t firstBuffer;
  int32_t bias, biasStride;  // 0: places have one bias
  int32_t function;
  float limit, alpha;
  GridStart start = {};
  PackedFormat format = {};
};

struct GatherArguments {
  int32_t width, firstBuffer;
};

struct SumOutputsArguments {
  int32_t width, topK;
};

enum SharedPart { noSharedPart, sharedPart, gatedSharedPart };

struct AddOutputsArguments {
  int32_t width, topK;
  int32_t shared;
  float scale;
};

struct AddRowsArguments {
  int32_t width;
  int32_t shared;
  float scale;
};

struct TouchArguments {
  int32_t place;
};
