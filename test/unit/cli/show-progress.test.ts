import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressDisplay, progressLine } from '../../../infra/cli/show-progress.ts';

/** A screen that keeps what is written. */
function screen(isTTY: boolean): { isTTY: boolean; text: string; write(text: string): void } {
  return {
    isTTY,
    text: '',
    write(text) {
      this.text += text;
    },
  };
}

test('a line shows how much of what is done', () => {
  assert.equal(
    progressLine({ what: 'Building shared.pack', done: 1e9, total: 4e9 }),
    'Building shared.pack  [######------------------]  25 %  1.000 GB of 4.000 GB',
  );
  assert.match(progressLine({ what: 'Nothing', done: 0, total: 0 }), /100 %/);
});

test('a terminal is redrawn ten times a second at most, and always at the end', () => {
  const terminal = screen(true);
  let nowMs = 0;
  const display = progressDisplay(terminal, () => nowMs);
  for (let done = 0; done <= 100; done += 1) {
    display.show({ what: 'Loading', done, total: 100 });
    nowMs += 10;
  }
  display.end();
  display.end();
  const lines = terminal.text.split('\r\x1b[K').slice(1);
  assert.equal(lines.length, 11);
  assert.match(lines.at(-1) ?? '', / 100 % {2}100 B of 100 B\n$/);
});

test('elsewhere each piece of work is one line', () => {
  const file = screen(false);
  const display = progressDisplay(file, () => 0);
  display.show({ what: 'Building a', done: 1000, total: 3000 });
  display.show({ what: 'Building a', done: 2000, total: 3000 });
  display.show({ what: 'Building b', done: 3000, total: 3000 });
  display.end();
  assert.equal(file.text, 'Building a (1.000 kB of 3.000 kB)\nBuilding b (3.000 kB of 3.000 kB)\n');
});
