// An engine against transformers (README.md): f32 within 1e-4 of the largest logit and the same greedy tokens; bf16 and f16
// no further from f32 than transformers' own run in that dtype, and the same greedy tokens where the margin is larger.
import assert from 'node:assert/strict';
import type { Backend } from '../../native/choose-backend.ts';
import type { ModelSession } from '../../native/model-session.ts';
import { DEFAULT_ENGINE, type Engine, openEngine } from '../../workers/serve/open-engine.ts';
import { type GoldenFixture, type Matrix, readGolden } from './golden-fixtures.ts';

const F32_TOLERANCE = 1e-4;

function open(fixture: GoldenFixture, home: string, backend: Backend, variant: string): Promise<Engine> {
  const events = { onProgress: () => {}, onWait: () => {} };
  const options = { ...DEFAULT_ENGINE, backend, variant, kvTokens: 1024 };
  return openEngine({ folder: fixture.folder, home, packs: 'all', events }, options);
}

/** Logits of the rows at `wanted`, all tokens in one step on the first KV blocks: [wanted, vocab]. */
export async function logitsOf(
  session: ModelSession,
  tokens: readonly number[],
  wanted: readonly number[],
): Promise<Matrix> {
  const columns = session.description.vocab;
  const logits = new Float32Array(wanted.length * columns);
  const blockTables = Int32Array.from({ length: Math.ceil(tokens.length / 64) }, (_, index) => index);
  await session.step(
    {
      tokens: Int32Array.from(tokens),
      positions: Int32Array.from(tokens, (_, index) => index),
      sequences: new Int32Array(tokens.length),
      blockTables,
      blockTableWidth: blockTables.length,
      logitRows: Int32Array.from(wanted),
    },
    logits,
  );
  return { rows: wanted.length, columns, data: logits };
}

interface Difference {
  readonly max: number;
  readonly rms: number;
}

function difference(actual: Matrix, expected: Matrix): Difference {
  assert.deepEqual([actual.rows, actual.columns], [expected.rows, expected.columns]);
  let max = 0;
  let squares = 0;
  for (const [index, value] of actual.data.entries()) {
    const distance = Math.abs(value - (expected.data[index] ?? Number.NaN));
    max = Math.max(max, distance);
    squares += distance * distance;
  }
  return { max, rms: Math.sqrt(squares / actual.data.length) };
}

export function largest(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > (values[best] ?? Number.NaN) ? index : best), 0);
}

/** Greedy tokens, each chosen after the reference's tokens before it, so that one difference does not hide the others. */
async function greedyTokens(session: ModelSession, fixture: GoldenFixture): Promise<number[]> {
  const { prompt, tokens } = fixture.greedy;
  const all = [...prompt, ...tokens];
  const { data, columns } = await logitsOf(
    session,
    all.slice(0, -1),
    tokens.map((_, index) => prompt.length - 1 + index),
  );
  return tokens.map((_, index) => largest(data.subarray(index * columns, (index + 1) * columns)));
}

function checkGreedy(fixture: GoldenFixture, actual: readonly number[]): void {
  const { tokens, margins, dtypeErrors } = fixture.greedy;
  for (const [index, token] of tokens.entries()) {
    const margin = margins[index] ?? 0;
    // Two logits can each be off by the error of the dtype.
    const noise = fixture.dtype === 'f32' ? F32_TOLERANCE * fixture.scale : 2 * (dtypeErrors?.[index] ?? 0);
    if (margin > noise) assert.equal(actual[index], token, `greedy token ${index}, margin ${margin}`);
  }
}

/** Logits of the rows below `length`, all of them in one step. */
async function checkLogits(session: ModelSession, fixture: GoldenFixture, length: number): Promise<void> {
  const positions = fixture.positions.filter((position) => position < length);
  const { columns, data } = fixture.logits;
  const expected = { rows: positions.length, columns, data: data.subarray(0, positions.length * columns) };
  const logits = await logitsOf(session, fixture.tokens.slice(0, length), positions);
  const { max, rms } = difference(logits, expected);
  const { name, dtype, dtypeError, scale } = fixture;
  const share = (error: number): string => (error / scale).toExponential(2);
  console.log(
    `${name}: max ${share(max)} of the largest logit, rms ${share(rms)}` +
      (dtypeError === null
        ? ''
        : `; transformers in ${dtype}: max ${share(dtypeError.max)}, rms ${share(dtypeError.rms)}`),
  );
  if (dtypeError === null) {
    assert.ok(max / scale <= F32_TOLERANCE, `largest difference ${max / scale}`);
    return;
  }
  assert.ok(max <= dtypeError.max, `largest error ${max}, transformers ${dtypeError.max}`);
  assert.ok(rms <= dtypeError.rms, `rms error ${rms}, transformers ${dtypeError.rms}`);
}

/** Packs are kept below `home`. */
export async function checkEngine(name: string, home: string, backend: Backend, variant = ''): Promise<void> {
  await checkFixture(readGolden(name), home, backend, variant);
}

export async function checkFixture(
  fixture: GoldenFixture,
  home: string,
  backend: Backend,
  variant = '',
): Promise<void> {
  const engine = await open(fixture, home, backend, variant);
  try {
    await checkLogits(engine.session, fixture, fixture.tokens.length);
    checkGreedy(fixture, await greedyTokens(engine.session, fixture));
  } finally {
    await engine.close();
  }
}

/** Only logits, and of no more than `length` rows: for a backend that takes long. */
export async function checkFirstLogits(name: string, home: string, backend: Backend, length: number): Promise<void> {
  const fixture = readGolden(name);
  const engine = await open(fixture, home, backend, '');
  try {
    await checkLogits(engine.session, fixture, Math.min(length, fixture.tokens.length));
  } finally {
    await engine.close();
  }
}
