// The tables of fields that an API does not serve: hints change nothing, values that ask for nothing are taken, others are refused by
// the path of the field.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UNSERVED_MESSAGES_FIELDS } from '../../../../gateway/apis/messages/messages-fields.ts';
import { UNSERVED_OLLAMA_FIELDS } from '../../../../gateway/apis/ollama/ollama-fields.ts';
import { UNSERVED_RESPONSES_FIELDS } from '../../../../gateway/apis/responses/responses-fields.ts';
import type { UnservedField } from '../../../../gateway/request/unserved-fields.ts';
import { createScriptedGateway } from '../../../gateway-parts/scripted-gateway.ts';

interface Level {
  readonly prefix: string;
  body(fields: object): object;
}

interface Api {
  readonly path: string;
  readonly fields: readonly UnservedField<string>[];
  readonly levels: Readonly<Record<string, Level>>;
}

const MESSAGES = { model: 'tiny', max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] };
const RESPONSES = { model: 'tiny', input: 'Hi', store: false };
const CHAT = { model: 'tiny', messages: [{ role: 'user', content: 'Hi' }], stream: false };
const GENERATE = { model: 'tiny', prompt: 'Hi', stream: false };
const item = (fields: object) => ({ ...RESPONSES, input: [{ role: 'user', content: 'Hi', ...fields }] });
const part = { type: 'input_text', text: 'Hi' };

const APIS: readonly Api[] = [
  {
    path: '/v1/messages',
    fields: UNSERVED_MESSAGES_FIELDS,
    levels: {
      body: { prefix: '', body: (fields) => ({ ...MESSAGES, ...fields }) },
      block: {
        prefix: 'messages[0].content[0].',
        body: (fields) => ({
          ...MESSAGES,
          messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', ...fields }] }],
        }),
      },
      tool: {
        prefix: 'tools[0].',
        body: (fields) => ({ ...MESSAGES, tools: [{ name: 'f', input_schema: { type: 'object' }, ...fields }] }),
      },
    },
  },
  {
    path: '/v1/responses',
    fields: UNSERVED_RESPONSES_FIELDS,
    levels: {
      body: { prefix: '', body: (fields) => ({ ...RESPONSES, ...fields }) },
      text: { prefix: 'text.', body: (fields) => ({ ...RESPONSES, text: { format: { type: 'text' }, ...fields } }) },
      reasoning: {
        prefix: 'reasoning.',
        body: (fields) => ({ ...RESPONSES, reasoning: { effort: 'low', ...fields } }),
      },
      item: { prefix: 'input[0].', body: item },
      part: { prefix: 'input[0].content[0].', body: (fields) => item({ content: [{ ...part, ...fields }] }) },
      tool: {
        prefix: 'tools[0].',
        body: (fields) => ({ ...RESPONSES, tools: [{ type: 'function', name: 'f', ...fields }] }),
      },
    },
  },
  {
    path: '/api/chat',
    fields: UNSERVED_OLLAMA_FIELDS,
    levels: {
      chat: { prefix: '', body: (fields) => ({ ...CHAT, ...fields }) },
      options: { prefix: 'options.', body: (fields) => ({ ...CHAT, options: { seed: 1, ...fields } }) },
      message: {
        prefix: 'messages[0].',
        body: (fields) => ({ ...CHAT, messages: [{ role: 'user', content: 'Hi', ...fields }] }),
      },
    },
  },
  {
    path: '/api/generate',
    fields: UNSERVED_OLLAMA_FIELDS,
    levels: { generate: { prefix: '', body: (fields) => ({ ...GENERATE, ...fields }) } },
  },
];

/** Something that no field takes as nothing. */
const ASKS = [{ some: 'thing' }];

interface Entry {
  readonly level: Level;
  readonly name: string;
  readonly row: UnservedField<string>;
}

function entriesOf({ fields, levels }: Api): Entry[] {
  return fields.flatMap((row) =>
    row.levels.flatMap((name) =>
      levels[name] === undefined ? [] : [{ level: levels[name], name: `${name}.${row.field}`, row }],
    ),
  );
}

/** The values of a field that are taken, and that are refused. */
function samplesOf({ treatment }: UnservedField<string>): {
  readonly taken: readonly unknown[];
  readonly refused: readonly unknown[];
} {
  if (treatment.kind === 'hint') return { taken: [null, [], ASKS, 'x', 7], refused: [] };
  if (treatment.kind === 'refused-values') return { taken: [], refused: treatment.values };
  return { taken: [null, [], ...treatment.idle], refused: [ASKS] };
}

for (const api of APIS) {
  describe(api.path, () => {
    for (const { level, name, row } of entriesOf(api)) {
      test(name, async () => {
        const gateway = await createScriptedGateway();
        const post = async (value: unknown) => {
          const response = await gateway.post(api.path, level.body({ [row.field]: value }));
          return { status: response.status, text: await response.text() };
        };
        const { taken, refused } = samplesOf(row);
        for (const value of taken) {
          const { status, text } = await post(value);
          assert.equal(status, 200, `${JSON.stringify(value)}: ${text}`);
        }
        for (const value of refused) {
          const { status, text } = await post(value);
          assert.equal(status, 400, JSON.stringify(value));
          assert.ok(text.includes(`'${level.prefix}${row.field}' is not supported`), text);
        }
      });
    }
  });
}

test('every level of a table is tried', () => {
  for (const fields of new Set(APIS.map((api) => api.fields))) {
    const tried = new Set(APIS.filter((api) => api.fields === fields).flatMap(({ levels }) => Object.keys(levels)));
    for (const { levels } of fields) for (const level of levels) assert.ok(tried.has(level), level);
  }
});
