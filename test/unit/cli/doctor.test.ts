// What `conclave doctor` concludes from facts, and how its answers and event streams are read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMemory, checkNode } from '../../../infra/cli/commands/doctor-run.ts';
import { formatTable } from '../../../infra/cli/format-table.ts';
import { readServerEvents } from '../../../infra/cli/read-server-events.ts';

test('an old Node is a failure that names what is expected', () => {
  assert.deepEqual(checkNode('18.19.0'), { what: 'node', state: 'fail', detail: '18.19.0; install Node 20 or newer' });
  assert.equal(checkNode('22.1.0').state, 'ok');
});

test('little free memory is a warning', () => {
  assert.equal(checkMemory(2 ** 29, 2 ** 34).state, 'warn');
  assert.equal(checkMemory(2 ** 31, 2 ** 34).state, 'ok');
});

test('a table is as wide as its cells and ends no line in spaces', () => {
  assert.equal(formatTable(['A', 'LONG'], [['wide cell', '']]), 'A          LONG\nwide cell\n');
});

test('events are read whatever pieces their bytes arrive in', async () => {
  const text = ': queued position=1\n\nid: 1\ndata: {"é":1}\n\nevent: error\ndata: x\n\n';
  const expected = [
    { type: 'comment', data: 'queued position=1' },
    { type: 'message', data: '{"é":1}' },
    { type: 'error', data: 'x' },
  ];
  for (const size of [1, 2, 3, 7, 1000]) {
    const bytes = new TextEncoder().encode(text);
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events = [];
    for await (const event of readServerEvents(pieces())) events.push(event);
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});
