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

/** Packs are kept below `home`. */
export async function checkEngine(name: string, home: string, backend: Backend, variant = ''): Promise<void> {
  const fixture = readGolden(name);
  const engine = await open(fixture, home, backend, variant);
  try {
    const logits = await logitsOf(engine.session, fixture.tokens, fixture.positions);
    const { max, rms } = difference(logits, fixture.logits);
    const relative = max / fixture.scale;
    console.log(
      `${name}: max ${relative.toExponential(2)} of the largest logit, rms ${(rms / fixture.scale).toExponential(2)}` +
        (fixture.dtypeError === null
          ? ''
          : `; transformers in ${fixture.dtype}: max ${(fixture.dtypeError.max / fixture.scale).toExponential(2)}, rms ${(fixture.dtypeError.rms / fixture.scale).toExponential(2)}`),
    );
    if (fixture.dtypeError === null) assert.ok(relative <= F32_TOLERANCE, `largest difference ${relative}`);
    else {
      assert.ok(max <= fixture.dtypeError.max, `largest error ${max}, transformers ${fixture.dtypeError.max}`);
      assert.ok(rms <= fixture.dtypeError.rms, `rms error ${rms}, transformers ${fixture.dtypeError.rms}`);
    }
    checkGreedy(fixture, await greedyTokens(engine.session, fixture));
  } finally {
    await engine.close();
  }
}
