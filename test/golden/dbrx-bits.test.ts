// DBRX's logits keep the bits that they had before a model became data: SHA-256 of all logits of a fixture's tokens, f32
// little-endian, computed by the engine when DBRX was its only architecture.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DEFAULT_ENGINE, openEngine } from '../../workers/serve/open-engine.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { logitsOf } from './check-engine.ts';
import { readGolden } from './golden-fixtures.ts';

const DIGESTS: readonly (readonly [fixture: string, sha256: string])[] = [
  ['bf16-all-kv-top1-sharded', 'fb17e47c01094bc5b56150f7f140b7085437a632915fc3e3e1583e7f387bd5d9'],
  ['bf16-kv1-top4-odd', 'a90df258044e1c3888ca3369086e93c60aae6a1ee549e811319635bfa4d789d0'],
  ['bf16-kv2-top2', 'ec105eec933e6060c2c3d099e99c863277c296e3dd9a9e5705b3556cc886be56'],
  ['f16-all-kv-top1-odd', '31bed3a42b7f2b6e086f32d9a98fb4bcd909b654cd286747f6ca8d03f197b2bd'],
  ['f16-kv2-top2', '37e4a88d147b99cb7f73834f22ea569526856e83179ca64488b349bce148614e'],
  ['f32-all-kv-top4-sharded', '4aa47349fa8872c7e7f7c3196d1df9f7c155ac7e3e4cbedc43a938b29ee271f3'],
  ['f32-kv1-top1-odd', '50f47bc66bb6078f235d4a4543dee1a88eae9312815ca62ef0ebe1d8f9379c9f'],
  ['f32-kv2-top2', '6caf05eed28099f2dcb6a000978120ac1b8c7d2af6716f009dad184ff4cbb429'],
  ['f32-long', 'bfdfd4d6b8b483304e7122ca9bbf06b84c353234ac49aca6caf76c491c7c3a45'],
];

for (const [name, digest] of DIGESTS) {
  test(`${name} has the bits it had`, async (t) => {
    const { folder, tokens } = readGolden(name);
    const events = { onProgress: () => {}, onWait: () => {} };
    const home = await temporaryFolder(t);
    const engine = await openEngine(
      { folder, home, packs: 'all', events },
      { ...DEFAULT_ENGINE, backend: 'cpu', kvTokens: 1024 },
    );
    t.after(() => engine.close());
    const { data } = await logitsOf(engine.session, tokens, [...tokens.keys()]);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), digest);
  });
}
