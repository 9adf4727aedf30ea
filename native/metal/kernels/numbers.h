// Number formats and functions with the bits that every backend agrees on (docs/design.md#numerics-v1): the same formulas as
// core/float-bits.h and cpu/row-kernels.h.
//
// Guarded by macros, as the emulated device includes it once per type of weights (emulated/compile-kernels.h).
#if !defined(CONCLAVE_NUMBERS_H)
#define CONCLAVE_NUMBERS_H

// Storage types by CONCLAVE_DTYPE, numbered as core/dtype.h: what weights and activations are in memory.
#if CONCLAVE_DTYPE == 0
typedef float Weight;
#else
typedef ushort Weight;
#endif
#if CONCLAVE_DTYPE == 2
typedef ushort Activation;
#else
typedef float Activation;
#endif

static inline float bf16_to_float(uint bits) { return as_type<float>(bits << 16); }

// Nearest, ties to even; a NaN stays a quiet NaN.
static inline ushort float_to_bf16(float value) {
  const uint bits = as_type<uint>(value);
  const uint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint quiet = (bits >> 16) | 0x40u;
  return (ushort)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

static inline float weight_to_float(float value) { return value; }
#if CONCLAVE_DTYPE == 1
static inline float weight_to_float(ushort bits) { return half_to_float(bits); }
#else
static inline float weight_to_float(ushort bits) { return bf16_to_float(bits); }
#endif

#if CONCLAVE_DTYPE == 2
static inline Activation to_activation(float value) { return float_to_bf16(value); }
static inline float from_activation(Activation bits) { return bf16_to_float(bits); }
#else
static inline Activation to_activation(float value) { return value; }
static inline float from_activation(Activation value) { return value; }
#endif
static inline float round_to_activation(float value) { return from_activation(to_activation(value)); }

// e^x within 2 ulp; 0 below the smallest normal.
static inline float exponential(float x) {
  const float lowest = -87.3365448f, highest = 88.3762626f;
  const float to_integer = 12582912.0f;  // 1.5 * 2^23: leaves the nearest integer in the low bits
  const float clamped = x < lowest ? lowest : (x > highest ? highest : x);
  const float shifted = fma(clamped, 1.44269504f, to_integer);
  const float n = shifted - to_integer;
  float r = fma(n, -0.693359375f, clamped);
  r = fma(n, 2.12194440e-4f, r);
  float p = 1.0f / 5040;
  p = fma(p, r, 1.0f / 720);
  p = fma(p, r, 1.0f / 120);
  p = fma(p, r, 1.0f / 24);
  p = fma(p, r, 1.0f / 6);
  p = fma(p, r, 0.5f);
  p = fma(p, r, 1.0f);
  p = fma(p, r, 1.0f);
  const uint power = (as_type<uint>(shifted) - as_type<uint>(to_integer) + 127u) << 23;
  const float value = p * as_type<float>(power);
  return x < lowest ? 0.0f : (x == x ? value : x);
}

static inline float sigmoid_of(float x) { return 1.0f / (1.0f + exponential(-x)); }

// 1 - 2 / (e^2x + 1), which is exact in sign and at both ends.
static inline float tanh_of(float x) { return 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f); }

// A Chebyshev fit: erfc(z) = t exp(-z^2 + p(t)), t = 1 / (1 + z / 2); relative error 1.2e-7.
static inline float erf_of(float x) {
  const float z = x < 0.0f ? -x : x, t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  p = fma(p, t, -0.82215223f);
  p = fma(p, t, 1.48851587f);
  p = fma(p, t, -1.13520398f);
  p = fma(p, t, 0.27886807f);
  p = fma(p, t, -0.18628806f);
  p = fma(p, t, 0.09678418f);
  p = fma(p, t, 0.37409196f);
  p = fma(p, t, 1.00002368f);
  const float complement = t * exponential(fma(p, t, -1.26551223f) - z * z);
  return x < 0.0f ? complement - 1.0f : 1.0f - complement;
}

// Sums run over 16 virtual lanes; these add them up: 8 + 8, 4 + 4, 2 + 2, 1 + 1.
static inline float sum_of_lanes(THREADGROUP(float) lanes) {
  float part[16];
  for (int l = 0; l < 16; ++l) part[l] = lanes[l];
  for (int width = 8; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) part[l] = part[l] + part[l + width];
  }
  return part[0];
}
// The same where lane l of a simdgroup has the sum of virtual lane l % 16: every lane gets the total.
static inline float sum_in_simdgroup(float sum) {
  for (ushort mask = 8; mask > 0; mask /= 2) sum = sum + simd_shuffle_xor(sum, mask);
  return sum;
}

// Two neighbouring inputs of a product, as f32.
struct Pair {
  float even, odd;
};

// How weights, rows that are multiplied by them, and the KV cache are read: in pairs of neighbouring inputs. A panel's
// 32 outputs are the 32 lanes (core/panel-layout.h).
#if CONCLAVE_DTYPE == 2
typedef uint InputUnit;
#else
typedef float InputUnit;
#endif
#if CONCLAVE_DTYPE == 2 || defined(CONCLAVE_PACKED)
typedef uint WeightUnit;
#else
typedef Weight WeightUnit;
#endif

// Units of `elements` of a row.
static inline long input_units(long elements) {
#if CONCLAVE_DTYPE == 2
  return elements / 2;
#else
  return elements;
#endif
}

static inline Pair unpack(uint bits) {
  Pair pair;
  pair.even = as_type<float>(bits << 16);
  pair.odd = as_type<float>(bits & 0xffff0000u);
  return pair;
}

// Inputs i and i + 1 of one output of a KV panel; i is even.
static inline Pair cached_at(DEVICE(const InputUnit) panel, int i, uint output) {
#if CONCLAVE_DTYPE == 2
  return unpack(panel[(i / 2) * 32 + (int)output]);
#else
  Pair pair;
  pair.even = panel[i * 32 + (int)output];
  pair.odd = panel[(i + 1) * 32 + (int)output];
  return pair;
#endif
}

// Elements i and i + 1 of a row; i is even.
static inline Pair inputs_at(DEVICE(const InputUnit) row, int i) {
#if CONCLAVE_DTYPE == 2
  return unpack(row[i / 2]);
#else
  Pair pair;
  pair.even = row[i];
  pair.odd = row[i + 1];
  return pair;
#endif
}

#endif
