// This machine as a target of C++ tests.
import { arch, platform } from 'node:os';

const AVX2 = ['-mavx2', '-mfma', '-mf16c'];
const AVX512 = [...AVX2, '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512bf16'];

export const NEON_VARIANTS = [
  { file: 'matmul-neon.cc', flags: [] },
  { file: 'matmul-packed-neon.cc', flags: [] },
];
const X64_VARIANTS = [
  { file: 'matmul-avx2.cc', flags: AVX2 },
  { file: 'matmul-packed-avx2.cc', flags: AVX2 },
  { file: 'matmul-avx512-bf16.cc', flags: AVX512 },
  { file: 'matmul-packed-avx512-bf16.cc', flags: AVX512 },
];

export const HAS_APPLE_SILICON = platform() === 'darwin' && arch() === 'arm64';
export const HOST_COMPILER = platform() === 'darwin' ? 'clang++' : 'g++';
/** The product's. */
export const FAST_FLAGS = ['-O3', '-fno-trapping-math'];
export const HOST_VARIANTS = arch() === 'arm64' ? NEON_VARIANTS : X64_VARIANTS;
