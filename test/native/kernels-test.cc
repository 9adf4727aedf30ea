// Every variant this CPU runs gives the reference's bits at odd shapes; the reference agrees with f64 mathematics.
#include "../../native/cpu/kernels.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "../../native/core/float-bits.h"
#include "../../native/core/packed-matrix.h"
#include "check.h"
#include "packed-formats.h"

using namespace conclave;
using conclave::test::Random;
using conclave::test::randomPackedFormat;

namespace {

const Kernels& reference() { return *availableKernels().back(); }

std::vector<float> values(Random& random, int64_t count, float scale = 1.0f) {
  std::vector<float> result(static_cast<size_t>(count));
  for (float& x : result) x = random.value(scale);
  return result;
}

bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Random panels and rows in the dtype's own formats, some of them tiny enough to underflow.
struct Product {
  Panels w;
  std::vector<std::byte> panels, input;
  std::vector<const void*> rows;
  DType rowType;
  std::vector<float> groupSums;
  std::vector<const float*> sums;  // of each row

  InputRows inputs() const { return {rows.data(), rowType, sums.data()}; }
};

void fill(Random& random, DType dtype, std::vector<std::byte>& bytes, int64_t count) {
  bytes.resize(static_cast<size_t>(count) * bytesPerWeight(dtype));
  for (int64_t i = 0; i < count; ++i) {
    const float scale = random.below(16) == 0 ? 1e-20f : 1.0f;
    if (dtype == DType::f32) {
      reinterpret_cast<float*>(bytes.data())[i] = random.value(scale);
    } else if (dtype == DType::bf16) {
      reinterpret_cast<uint16_t*>(bytes.data())[i] = f32ToBf16(random.value(scale));
    } else {
      reinterpret_cast<uint16_t*>(bytes.data())[i] = static_cast<uint16_t>(random.bits() & 0xbfff);  // finite
    }
  }
}

void setInput(Random& random, Product& product, DType type, int32_t rows) {
  const int32_t inputs = product.w.inputs;
  product.rowType = type;
  fill(random, type, product.input, int64_t{rows} * inputs);
  product.rows.clear();
  for (int32_t r = 0; r < rows; ++r) {
    product.rows.push_back(product.input.data() + static_cast<size_t>(r * inputs) * bytesPerWeight(type));
  }
}

void randomProduct(Random& random, Product& product) {
  const DType dtype = random.of<DType>({DType::f32, DType::f16, DType::bf16});
  const int32_t outputs = random.between(1, 150), inputs = 2 * random.between(0, 60), rows = random.between(1, 30);
  const int64_t stride = panelBytes(dtype, inputs);
  fill(random, dtype, product.panels, panelCount(outputs) * stride / static_cast<int64_t>(bytesPerWeight(dtype)));
  product.w = {product.panels.data(), dtype, stride, inputs, outputs};
  setInput(random, product, activationType(dtype), rows);
}

// Codes of all values; scales of both signs, zero and tiny ones among them.
void fillPacked(Random& random, const WeightFormat& format, int32_t outputs, int32_t inputs,
                std::vector<std::byte>& panels) {
  std::vector<std::byte> codes(static_cast<size_t>(outputs) * static_cast<size_t>(inputs * format.bits() / 8));
  for (std::byte& b : codes) {
    b = static_cast<std::byte>(random.below(256));
    if (format.codes == WeightCodes::e4m3 && (b & std::byte{0x7f}) == std::byte{0x7f}) b = std::byte{0x7e};
  }
  std::vector<std::byte> scales;
  const int64_t count = int64_t{outputs} * inputs / format.group;
  if (format.scaleBytes() == 1) {
    for (int64_t i = 0; i < count; ++i) scales.push_back(static_cast<std::byte>(random.below(0x7f)));
  } else {
    fill(random,
         format.scales == ScaleType::f32   ? DType::f32
         : format.scales == ScaleType::f16 ? DType::f16
                                           : DType::bf16,
         scales, count);
  }
  const int64_t codeStride = inputs * format.bits() / 8, scaleStride = inputs / format.group * format.scaleBytes();
  panels.resize(static_cast<size_t>(matrixBytes(format, outputs, inputs)));
  packPanels({format,
              outputs,
              inputs,
              {codes.data(), codeStride},
              {scales.data(), scaleStride},
              {scales.data(), scaleStride},
              0.37f},
             panels.data(), 1, 0);
}

void randomPackedProduct(Random& random, Product& product) {
  const WeightFormat format = randomPackedFormat(random);
  const int32_t outputs = random.between(1, 100), inputs = format.group * random.between(1, 600 / format.group);
  fillPacked(random, format, outputs, inputs, product.panels);
  product.w = {product.panels.data(), format, panelBytes(format, inputs), inputs, outputs};
  const int32_t rows = random.of<int32_t>({1, 2, 3, random.between(1, 30), random.between(90, 110)});
  setInput(random, product, random.of<DType>({DType::f32, DType::bf16}), rows);
  const int32_t groups = inputs / format.group;
  product.groupSums.resize(static_cast<size_t>(rows * groups));
  product.sums.clear();
  for (int32_t r = 0; r < rows; ++r) {
    float* sums = product.groupSums.data() + r * groups;
    reference().sumGroups(product.rows[static_cast<size_t>(r)], product.rowType, inputs, format.group, sums);
    product.sums.push_back(sums);
  }
}

std::vector<float> multiplyWith(const Kernels& kernels, const Product& product, int64_t padding) {
  const int64_t stride = product.w.outputs + padding;
  std::vector<float> y(product.rows.size() * static_cast<size_t>(stride), 42.0f);
  kernels.matmul(product.w, product.inputs(), static_cast<int32_t>(product.rows.size()), y.data(), stride);
  return y;
}

// Applies a row operation with every variant and with the reference to the same input.
template <typename Operation>
void sameAsReference(const char* name, Random& random, float scale, const Operation& operation) {
  for (int trial = 0; trial < 200; ++trial) {
    const std::vector<float> input = values(random, random.between(1, 200), scale);
    std::vector<float> expected = input;
    operation(reference(), expected);
    for (const Kernels* kernels : availableKernels()) {
      std::vector<float> actual = input;
      operation(*kernels, actual);
      CHECK(sameBits(actual, expected), std::string(name) + " with " + kernels->name);
    }
  }
}

int32_t widthOf(const std::vector<float>& x) { return static_cast<int32_t>(x.size()); }

}  // namespace

TEST("matrix products have the reference's bits and stay inside their outputs") {
  Random random(5);
  Product product;
  for (int trial = 0; trial < 400; ++trial) {
    randomProduct(random, product);
    const std::vector<float> expected = multiplyWith(reference(), product, 3);
    for (const Kernels* kernels : availableKernels()) {
      CHECK(sameBits(multiplyWith(*kernels, product, 3), expected),
            std::string(kernels->name) + ", format " + std::to_string(static_cast<int>(product.w.format.codes)) + ", " +
                std::to_string(product.rows.size()) + " rows of " + std::to_string(product.w.inputs) + " to " +
                std::to_string(product.w.outputs));
    }
  }
}

TEST("products by packed panels have the reference's bits, alone and beside other rows") {
  Random random(11);
  Product product;
  for (int trial = 0; trial < 120; ++trial) {
    randomPackedProduct(random, product);
    const std::vector<float> expected = multiplyWith(reference(), product, 3);
    for (const Kernels* kernels : availableKernels()) {
      CHECK(sameBits(multiplyWith(*kernels, product, 3), expected),
            std::string(kernels->name) + ", format " + std::to_string(static_cast<int>(product.w.format.codes)) + " " +
                std::to_string(static_cast<int>(product.w.format.scales)) + ", " + std::to_string(product.rows.size()) +
                " rows of " + std::to_string(product.w.inputs) + " to " + std::to_string(product.w.outputs));
      const size_t row = static_cast<size_t>(random.below(static_cast<int32_t>(product.rows.size())));
      const size_t outputs = static_cast<size_t>(product.w.outputs);
      std::vector<float> alone(outputs);
      kernels->matmul(product.w, product.inputs().from(static_cast<int32_t>(row)), 1, alone.data(), product.w.outputs);
      CHECK(std::memcmp(alone.data(), expected.data() + row * (outputs + 3), outputs * sizeof(float)) == 0,
            std::string("one row with ") + kernels->name);
    }
  }
}

TEST("a product by packed panels is the sum over its weights") {
  Random random(12);
  for (int trial = 0; trial < 60; ++trial) {
    Product product;
    randomPackedProduct(random, product);
    const auto& [data, format, stride, inputs, outputs] = product.w;
    const std::vector<float> y = multiplyWith(reference(), product, 0);
    const int32_t o = random.below(outputs);
    double sum = 0, magnitude = 1e-30;
    for (int32_t i = 0; i < inputs; ++i) {
      const double x = product.rowType == DType::f32 ? static_cast<const float*>(product.rows[0])[i]
                                                     : bf16ToF32(static_cast<const uint16_t*>(product.rows[0])[i]);
      const double weight = packedWeight(data + o / 32 * stride, format, inputs, i, o % 32);
      sum += weight * x;
      magnitude += std::fabs(weight * x);
      if (format.affine())
        magnitude += std::fabs(biasAt(data + o / 32 * stride, format, inputs, i / format.group, o % 32) * x);
    }
    CHECK(std::fabs(sum - y[static_cast<size_t>(o)]) <= 2e-5 * magnitude, "output " + std::to_string(o));
  }
}

TEST("a row of a product does not depend on the rows beside it") {
  Random random(6);
  Product product;
  for (int trial = 0; trial < 100; ++trial) {
    randomProduct(random, product);
    for (const Kernels* kernels : availableKernels()) {
      const std::vector<float> together = multiplyWith(*kernels, product, 0);
      const size_t outputs = static_cast<size_t>(product.w.outputs);
      for (size_t r = 0; r < product.rows.size(); ++r) {
        std::vector<float> alone(outputs);
        kernels->matmul(product.w, product.inputs().from(static_cast<int32_t>(r)), 1, alone.data(), product.w.outputs);
        CHECK(std::memcmp(alone.data(), together.data() + r * outputs, outputs * sizeof(float)) == 0,
              std::string("row ") + std::to_string(r) + " with " + kernels->name);
      }
    }
  }
}

TEST("the reference product is the sum it claims to be") {
  Random random(7);
  const int32_t inputs = 64, outputs = 33;
  std::vector<float> weights = values(random, panelCount(outputs) * 32 * inputs), x = values(random, inputs);
  const void* row = x.data();
  std::vector<float> y(static_cast<size_t>(outputs));
  reference().matmul(
      {reinterpret_cast<const std::byte*>(weights.data()), DType::f32, panelBytes(DType::f32, inputs), inputs, outputs},
      {&row, DType::f32}, 1, y.data(), outputs);
  for (int32_t o = 0; o < outputs; ++o) {
    double sum = 0;
    for (int32_t i = 0; i < inputs; ++i) {
      sum +=
          static_cast<double>(weights[static_cast<size_t>(o / 32 * 32 * inputs + panelIndex(DType::f32, i, o % 32))]) *
          x[static_cast<size_t>(i)];
    }
    CHECK(std::fabs(sum - y[static_cast<size_t>(o)]) < 1e-5, "output " + std::to_string(o));
  }
}

namespace {

const Activation activations[] = {{ActivationKind::silu, 0, 0},
                                  {ActivationKind::gelu, 0, 0},
                                  {ActivationKind::geluTanh, 0, 0},
                                  {ActivationKind::clampedSwiglu, 7, 1.702f}};

double exactly(const Activation& activation, double gate, double up) {
  switch (activation.kind) {
    case ActivationKind::silu:
      return gate / (1 + std::exp(-gate)) * up;
    case ActivationKind::gelu:
      return gate * 0.5 * (1 + std::erf(gate / std::sqrt(2.0))) * up;
    case ActivationKind::geluTanh:
      return 0.5 * gate * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (gate + 0.044715 * std::pow(gate, 3)))) * up;
    case ActivationKind::clampedSwiglu: {
      const double g = std::min<double>(gate, activation.limit);
      const double u = std::clamp<double>(up, -activation.limit, activation.limit);
      return (u + 1) * g / (1 + std::exp(-static_cast<double>(activation.alpha) * g));
    }
  }
  return NAN;
}

}  // namespace

TEST("row operations have the reference's bits") {
  Random random(8);
  const auto weight = values(random, 200);
  sameAsReference("layerNorm", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
    std::vector<float> y(x.size());
    k.layerNorm(x.data(), weight.data(), widthOf(x), 1e-5f, y.data());
    x = y;
  });
  for (const bool rounded : {false, true}) {
    sameAsReference("rmsNorm", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
      k.rmsNorm(x.data(), weight.data(), widthOf(x), 1e-6f, rounded, x.data());
    });
  }
  for (const DType type : {DType::f32, DType::bf16}) {
    sameAsReference("sumGroups", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
      x.resize((x.size() + 15) / 16 * 16);
      std::vector<uint16_t> halves(x.size());
      k.storeRows(x.data(), widthOf(x), 1, widthOf(x), {reinterpret_cast<std::byte*>(halves.data()), 0, DType::bf16});
      const void* from = type == DType::f32 ? static_cast<const void*>(x.data()) : halves.data();
      std::vector<float> sums(x.size() / 16);
      k.sumGroups(from, type, widthOf(x), 16, sums.data());
      x = sums;
    });
  }
  sameAsReference("storeRows", random, 1e3f, [](const Kernels& k, std::vector<float>& x) {
    std::vector<uint16_t> y(x.size());
    k.storeRows(x.data(), widthOf(x), 1, widthOf(x), {reinterpret_cast<std::byte*>(y.data()), 0, DType::bf16});
    for (size_t i = 0; i < x.size(); ++i) x[i] = bf16ToF32(y[i]);
  });
  sameAsReference("clip", random, 3.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.clip(x.data(), widthOf(x), 0.7f); });
  sameAsReference("rotate", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
    k.rotate(x.data(), weight.data(), weight.data() + 100, widthOf(x) / 2);
  });
  sameAsReference("rotateAdjacent", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
    k.rotateAdjacent(x.data(), weight.data(), weight.data() + 100, widthOf(x) / 2);
  });
  sameAsReference("sigmoid", random, 100.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.sigmoid(x.data(), widthOf(x)); });
  sameAsReference("scale", random, 3.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.scale(x.data(), widthOf(x), 0.37f); });
  sameAsReference("cap", random, 100.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.cap(x.data(), widthOf(x), 30.0f); });
  sameAsReference("divide", random, 3.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.divide(x.data(), widthOf(x), 0.3f); });
  for (const Activation& activation : activations) {
    sameAsReference("gateRows", random, 30.0f, [&](const Kernels& k, std::vector<float>& x) {
      const int32_t rows = widthOf(x) % 3 + 1, width = widthOf(x) / rows;
      std::vector<float> y(x.size());
      k.gateRows(activation, x.data(), weight.data(), width, rows, width,
                 {reinterpret_cast<std::byte*>(y.data()), width * int64_t{sizeof(float)}, DType::f32});
      std::vector<uint16_t> rounded(x.size());
      k.gateRows(activation, x.data(), weight.data(), width, rows, width,
                 {reinterpret_cast<std::byte*>(rounded.data()), width * int64_t{sizeof(uint16_t)}, DType::bf16});
      for (size_t i = 0; i < x.size(); ++i) CHECK(rounded[i] == f32ToBf16(y[i]), "rounds what it stores as f32");
      x = y;
    });
  }
  sameAsReference("add", random, 3.0f,
                  [&](const Kernels& k, std::vector<float>& x) { k.add(x.data(), weight.data(), widthOf(x)); });
  sameAsReference("addScaled", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
    k.addScaled(x.data(), weight.data(), DType::f32, 0.37f, widthOf(x));
  });
  sameAsReference("softmax", random, 60.0f,
                  [](const Kernels& k, std::vector<float>& x) { k.softmax(x.data(), widthOf(x)); });
  sameAsReference("mergeBlock", random, 3.0f, [&](const Kernels& k, std::vector<float>& x) {
    float m = x[0], sum = 2.5f;
    k.mergeBlock(x.data(), &m, &sum, weight.data(), 0.1f, 1.5f, widthOf(x));
    x.push_back(m);
    x.push_back(sum);
  });
}

TEST("a block's softmax has the reference's bits and is zero outside its keys") {
  Random random(9);
  for (int trial = 0; trial < 500; ++trial) {
    const std::vector<float> scores = values(random, 64, 40.0f);
    const int32_t first = random.of<int32_t>({0, 0, random.below(64)}), end = random.between(first + 1, 64);
    const bool rounded = random.below(2) == 1;
    std::vector<float> expected = scores;
    float m, sum;
    reference().softmaxBlock(expected.data(), first, end, 0.125f, rounded, &m, &sum);
    for (int32_t i = 0; i < 64; ++i) {
      CHECK(i >= first && i < end ? expected[static_cast<size_t>(i)] >= 0 : expected[static_cast<size_t>(i)] == 0.0f,
            "masked key");
    }
    for (const Kernels* kernels : availableKernels()) {
      std::vector<float> actual = scores;
      float actualM, actualSum;
      kernels->softmaxBlock(actual.data(), first, end, 0.125f, rounded, &actualM, &actualSum);
      CHECK(sameBits(actual, expected) && actualM == m && actualSum == sum, kernels->name);
    }
  }
}

TEST("the exponential inside softmax is within 2 ulp of the true one") {
  for (float x = -87.0f; x < 0.0f; x += 0.00137f) {
    // Two scores, 0 and x: p = {1, e^x} before the division by their sum.
    float scores[64] = {0.0f, x};
    float m, sum;
    reference().softmaxBlock(scores, 0, 2, 1.0f, false, &m, &sum);
    const double expected = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(expected) - 23);
    CHECK(std::fabs(scores[1] - expected) <= 2 * ulp, "exp of " + std::to_string(x));
  }
}

TEST("layerNorm agrees with f64 mathematics") {
  Random random(10);
  const std::vector<float> x = values(random, 1000, 5.0f), weight = values(random, 1000);
  std::vector<float> y(1000);
  reference().layerNorm(x.data(), weight.data(), 1000, 1e-5f, y.data());
  double mean = 0, variance = 0;
  for (float v : x) mean += v / 1000.0;
  for (float v : x) variance += (v - mean) * (v - mean) / 1000.0;
  for (size_t i = 0; i < 1000; ++i) {
    const double expected = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i];
    CHECK(std::fabs(y[i] - expected) < 2e-6, "element " + std::to_string(i));
  }
}

TEST("rmsNorm agrees with f64 mathematics") {
  Random random(10);
  const std::vector<float> x = values(random, 1000, 5.0f), weight = values(random, 1000);
  std::vector<float> y(1000);
  reference().rmsNorm(x.data(), weight.data(), 1000, 1e-5f, false, y.data());
  double square = 0;
  for (float v : x) square += static_cast<double>(v) * v / 1000.0;
  for (size_t i = 0; i < 1000; ++i) {
    CHECK(std::fabs(y[i] - x[i] / std::sqrt(square + 1e-5) * weight[i]) < 2e-6, "element " + std::to_string(i));
  }
}

TEST("activations agree with f64 mathematics") {
  for (const Activation& activation : activations) {
    for (float gate = -20.0f; gate < 20.0f; gate += 0.0137f) {
      const float up = 0.9f;
      float y;
      reference().gateRows(activation, &gate, &up, 1, 1, 1, {reinterpret_cast<std::byte*>(&y), 4, DType::f32});
      const double expected = exactly(activation, gate, up);
      CHECK(std::fabs(y - expected) <= 1e-6 * std::max(1.0, std::fabs(expected)),
            "activation " + std::to_string(static_cast<int>(activation.kind)) + " of " + std::to_string(gate));
    }
  }
}
