import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentEntries } from '../../../workers/tokens/recent-entries.ts';
import { FINISHED } from '../../queue-fixture.ts';

const entry = (seq: number, id = 'request-a') => ({ id, seq, tokens: 1, json: `${seq}` });

test('entries of the last two seconds can be written again, older ones cannot', () => {
  let now = 0;
  const recent = new RecentEntries(() => now);
  for (let seq = 1; seq <= 5; seq += 1) {
    now = seq * 1_000;
    recent.add(entry(seq));
    recent.prune(new Set(['request-a']));
  }
  assert.deepEqual(
    recent.after('request-a', 2)?.map(({ seq }) => seq),
    [3, 4, 5],
  );
  assert.equal(recent.after('request-a', 1), null, 'entry 2 is gone');
});

test('time without Redis does not age anything: only a write that succeeded forgets', () => {
  let now = 0;
  const recent = new RecentEntries(() => now);
  recent.add(entry(1));
  now = 60_000;
  recent.add(entry(1, 'request-b'));
  recent.prune(new Set(['request-b']));
  assert.deepEqual(
    recent.after('request-a', 0)?.map(({ seq }) => seq),
    [1],
  );
});

test('an ended request is kept for two seconds with its terminal entry', () => {
  let now = 0;
  const recent = new RecentEntries(() => now);
  recent.add(entry(1));
  recent.ended('request-a', 2, FINISHED);
  assert.equal(recent.lastSeq('request-a'), 2);
  assert.deepEqual(recent.after('request-a', 1), [], 'only the terminal entry is missing');
  now = 2_001;
  recent.prune(new Set());
  assert.deepEqual(recent.ids(), []);
});
