// A GPU that is lost, or has too little memory, ends its node with what to do; the group goes on without it.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { loadAddon } from '../../../native/load-addon.ts';
import { leadFor, serveModel } from '../../../workers/serve/serve-model.ts';
import { assertSameWhereClear, generate, generateAlone, groupOf, WHOLE_GPU } from '../../emulated-group.ts';

const COMPUTES_NO_MORE = /This node can no longer compute: the GPU gave up a step: .*; restart this node\./;

afterEach(() => loadAddon().setEmulatedGpu(WHOLE_GPU));

test('a member whose GPU is lost ends, and the group goes on without it', async (t) => {
  const { home, folder, options } = await groupOf(t);
  const stop = new AbortController();
  let ended: Promise<unknown> = Promise.resolve();
  const follow = () => {
    // Enough for the canary's steps and a few more.
    loadAddon().setEmulatedGpu({ ...WHOLE_GPU, dispatchesUntilLost: 60 });
    ended = serveModel(options('b', { backend: 'metal-emulated' }), stop.signal).then(
      () => null,
      (thrown: unknown) => thrown,
    );
  };
  try {
    const group = await leadFor(options('a', { backend: 'cpu' }), 2, follow, (_, executor) => generate(executor));
    assertSameWhereClear(group, await generateAlone(folder, home));
    const why = await ended;
    assert.ok(why instanceof DomainError && why.code === 'native_error', String(why));
    assert.match(why.message, COMPUTES_NO_MORE);
  } finally {
    stop.abort();
  }
});

test('a leader whose GPU is lost ends, saying why', async (t) => {
  const { options } = await groupOf(t);
  loadAddon().setEmulatedGpu({ ...WHOLE_GPU, dispatchesUntilLost: 400 });
  await assert.rejects(
    leadFor(
      options('a', { backend: 'metal-emulated' }),
      1,
      () => {},
      async (_, executor) => {
        for (;;) await generate(executor);
      },
    ),
    (thrown) => thrown instanceof DomainError && COMPUTES_NO_MORE.test(thrown.message),
  );
});

test('a worker whose GPU is lost before its group computes ends, so that it is started again', async (t) => {
  const { options } = await groupOf(t);
  loadAddon().setEmulatedGpu({ ...WHOLE_GPU, dispatchesUntilLost: 30 });
  await assert.rejects(
    serveModel(options('a', { backend: 'metal-emulated' }), new AbortController().signal),
    (thrown) => thrown instanceof DomainError && COMPUTES_NO_MORE.test(thrown.message),
  );
});

test('a node whose GPU has too little memory says what to do', async (t) => {
  const { options } = await groupOf(t);
  loadAddon().setEmulatedGpu({ ...WHOLE_GPU, workingSetBytes: 100_000 });
  await assert.rejects(
    serveModel(options('a', { backend: 'metal-emulated' }), new AbortController().signal),
    (thrown) =>
      thrown instanceof DomainError &&
      /may hold 0\.0 GiB; raise the limit with: sudo sysctl iogpu/.test(thrown.message),
  );
});
