import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseOutOfReach } from '../../../workers/cluster/find-exchange.ts';

test('an exchange that only its host reaches is refused elsewhere, without its password', () => {
  for (const url of ['unix:///tmp/x.sock?password=secret', 'redis://:secret@127.0.0.1:6380', 'redis://localhost']) {
    assert.throws(() => refuseOutOfReach({ url, host: 'red' }, 'main', 'blue'), {
      code: 'bad_config',
      message:
        'The exchange Redis of group main can be reached on red only. Start the first node with EXCHANGE_URL set to an ' +
        'address that every node reaches, or set EXCHANGE_URL for this one.',
    });
    refuseOutOfReach({ url, host: 'red' }, 'main', 'red');
  }
  refuseOutOfReach({ url: 'redis://:secret@10.0.0.2:6380', host: 'red' }, 'main', 'blue');
});
