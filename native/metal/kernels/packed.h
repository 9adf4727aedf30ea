// Panels of packed formats (core/panel-layout.h) in words of 32 bits: a lane is an output, and a word of codes has both
// inputs of its pairs, the even one in the lower half. Values have the bits of core/packed-matrix.h.
//
// Guarded as numbers.h is.
#if !defined(CONCLAVE_PACKED_H)
#define CONCLAVE_PACKED_H

// Where the parts of a panel begin, in words.
struct PanelParts {
  int scales, biases, codes, words;
};

static inline bool is_affine(int codes) { return codes >= affine2Codes && codes <= affine8Codes; }

static inline int bits_of(int codes) {
  if (codes == affine8Codes || codes == e4m3Codes) return 8;
  return codes == e2m1Codes ? 4 : codes - affine2Codes + 2;
}

static inline PanelParts parts_of(CONSTANT(PackedFormat) format, int inputs) {
  const int bytes = format.scales == f32Scales ? 4 : (format.scales == f16Scales || format.scales == bf16Scales ? 2 : 1);
  const int each = (inputs / format.group * 32 * bytes + 63) / 64 * 16;
  PanelParts parts;
  parts.scales = format.scales == e4m3Scales ? 32 : 0;
  parts.biases = parts.scales + each;
  parts.codes = is_affine(CODES_OF(format)) ? parts.biases + each : parts.biases;
  parts.words = parts.codes + inputs * bits_of(CODES_OF(format));
  return parts;
}

static inline float e4m3_to_float(uint code) {
  const uint exponent = (code >> 3) & 15u, fraction = code & 7u;
  const float magnitude =
      exponent == 0u ? (float)fraction * 0.001953125f : as_type<float>(((exponent + 120u) << 23) | (fraction << 20));
  return (code & 0x80u) != 0u ? -magnitude : magnitude;
}

static inline float e2m1_to_float(uint code) {
  const uint exponent = (code >> 1) & 3u, fraction = code & 1u;
  const float magnitude =
      exponent == 0u ? (float)fraction * 0.5f : as_type<float>(((exponent + 126u) << 23) | (fraction << 22));
  return (code & 8u) != 0u ? -magnitude : magnitude;
}

static inline float code_value(int codes, uint code) {
  if (codes == e2m1Codes) return e2m1_to_float(code);
  return codes == e4m3Codes ? e4m3_to_float(code) : (float)code;
}

// One plane's fields of a pair of inputs of a unit.
static inline uint fields_at(DEVICE(const uint) plane, int width, int pair, uint output) {
  const int slot = 2 * pair + (int)output / 16, per_word = 16 / width;
  const uint mask = (1u << width) - 1u;
  return (plane[slot / per_word * 16 + (int)output % 16] >> (slot % per_word * width)) & (mask | mask << 16);
}

// The codes of inputs i and i + 1, in the halves of a word.
static inline uint codes_at(DEVICE(const uint) codes, int bits, int i, uint output) {
  const int lower = bits == 3 ? 2 : (bits > 4 && bits < 8 ? 4 : bits), pair = i % 16 / 2;
  DEVICE(const uint) unit = codes + i / 16 * 16 * bits;
  uint both = fields_at(unit, lower, pair, output);
  if (bits > lower) both |= fields_at(unit + 16 * lower, bits - lower, pair, output) << lower;
  return both;
}

static inline float scale_number(DEVICE(const uint) numbers, int scales, int index) {
  if (scales == f32Scales) return as_type<float>(numbers[index]);
  if (scales == f16Scales || scales == bf16Scales) {
    const ushort bits = (ushort)((numbers[index / 2] >> (index % 2 * 16)) & 0xffffu);
    return scales == f16Scales ? half_to_float(bits) : bf16_to_float(bits);
  }
  const uint bits = (numbers[index / 4] >> (index % 4 * 8)) & 0xffu;
  return scales == e8m0Scales ? as_type<float>(bits << 23) : e4m3_to_float(bits);
}

static inline float scale_at(DEVICE(const uint) panel, CONSTANT(PackedFormat) format, PanelParts parts, int group,
                             uint output) {
  const float scale = scale_number(panel + parts.scales, format.scales, group * 32 + (int)output);
  return format.scales == e4m3Scales ? scale * as_type<float>(panel[(int)output]) : scale;
}
static inline float bias_at(DEVICE(const uint) panel, CONSTANT(PackedFormat) format, PanelParts parts, int group,
                            uint output) {
  return scale_number(panel + parts.biases, format.scales, group * 32 + (int)output);
}

static inline long panel_units(CONSTANT(PackedFormat) format, int inputs) { return parts_of(format, inputs).words; }

static inline float packed_weight(int codes, uint code, float scale, float bias) {
  const float scaled = code_value(codes, code) * scale;
  return is_affine(codes) ? scaled + bias : scaled;
}

// Weights by themselves, each rounded twice.
static inline Pair weights_at(DEVICE(const uint) panel, CONSTANT(PackedFormat) format, int inputs, int i, uint output) {
  const PanelParts parts = parts_of(format, inputs);
  const int codes = CODES_OF(format), group = i / format.group;
  const float scale = scale_at(panel, format, parts, group, output);
  const float bias = is_affine(codes) ? bias_at(panel, format, parts, group, output) : 0.0f;
  const uint both = codes_at(panel + parts.codes, bits_of(codes), i, output);
  Pair pair;
  pair.even = packed_weight(codes, both & 0xffffu, scale, bias);
  pair.odd = packed_weight(codes, both >> 16, scale, bias);
  return pair;
}

// As multiply_in_lanes of plain formats, by the rule of docs/design.md#numerics-v2: per group a sum of code * input and one
// of inputs, then the bias times the one and the scale times the other.
template <int most>
static inline void multiply_in_lanes(DEVICE(const uint) panel, CONSTANT(PackedFormat) format, DEVICE(const InputUnit) x,
                                     DEVICE(const int) rows_of_tile, int rows, int x_stride, int inputs, uint lane,
                                     THREAD(float) acc) {
  const PanelParts parts = parts_of(format, inputs);
  const int codes = CODES_OF(format), bits = bits_of(codes), size = format.group;
  const bool affine = is_affine(codes);
  long row_at[most];
  for (int r = 0; r < most; ++r) {
    row_at[r] = input_units((long)rows_of_tile[min(r, rows - 1)] * x_stride);
    acc[r] = 0.0f;
  }
  for (int first = 0; first < inputs; first += size) {
    float sum[most], total[most];
    for (int r = 0; r < most; ++r) sum[r] = total[r] = 0.0f;
    for (int unit = first; unit < first + size; unit += 16) {
      // A unit's loads are on their way together.
      uint both[8];
      for (int p = 0; p < 8; ++p) both[p] = codes_at(panel + parts.codes, bits, unit + 2 * p, lane);
      for (int p = 0; p < 8; ++p) {
        const float even = code_value(codes, both[p] & 0xffffu), odd = code_value(codes, both[p] >> 16);
        for (int r = 0; r < most; ++r) {
          const Pair input = inputs_at(x + row_at[r], unit + 2 * p);
          sum[r] = fma(odd, input.odd, sum[r]);
          sum[r] = fma(even, input.even, sum[r]);
          if (affine) {
            total[r] = total[r] + input.odd;
            total[r] = total[r] + input.even;
          }
        }
      }
    }
    const float scale = scale_at(panel, format, parts, first / size, lane);
    const float bias = affine ? bias_at(panel, format, parts, first / size, lane) : 0.0f;
    for (int r = 0; r < most; ++r) {
      if (affine) acc[r] = fma(bias, total[r], acc[r]);
      acc[r] = fma(scale, sum[r], acc[r]);
    }
  }
}

#endif
