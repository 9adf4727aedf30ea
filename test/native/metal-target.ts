// The C++ tests of the Metal backend as a program: on a Mac with Apple silicon with its GPU, elsewhere without one.
import { buildNativeTests, METAL_FOLDERS } from './build-native-tests.ts';
import { HAS_APPLE_SILICON, HOST_COMPILER, HOST_VARIANTS } from './host-target.ts';

/** Returns the program's path. Rejects with the compiler's output. */
export function buildMetalTests(): Promise<string> {
  return buildNativeTests({
    name: 'metal',
    compiler: HOST_COMPILER,
    // The emulated device checks kernels' memory itself, more sharply than AddressSanitizer could.
    flags: ['-O2', '-g1', '-fsanitize=undefined', '-fno-sanitize-recover=all'],
    variants: HOST_VARIANTS,
    folders: METAL_FOLDERS,
    ...(HAS_APPLE_SILICON && { appleDevice: true as const }),
  });
}
