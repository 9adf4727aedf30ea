// Treatment of the fields of Ollama's request bodies that are not served (decision 0116).
import { fieldTable } from '../../request/drop-idle-fields.ts';
import { hint, refused, type UnservedField } from '../../request/unserved-fields.ts';

type Level = 'chat' | 'generate' | 'message' | 'options';

const NESTED = {
  chat: { messages: 'message', options: 'options' },
  generate: { options: 'options' },
};

const BODIES: readonly Level[] = ['chat', 'generate'];
const OPTIONS: readonly Level[] = ['options'];

/** How the program runs a model; nodes here are configured by their operator. */
const OF_THE_MACHINE = [
  'num_ctx',
  'num_keep',
  'num_batch',
  'num_gpu',
  'main_gpu',
  'num_thread',
  'numa',
  'low_vram',
  'f16_kv',
  'use_mmap',
  'use_mlock',
  'vocab_only',
  'logits_all',
  'draft_num_predict',
] as const;

export const UNSERVED_OLLAMA_FIELDS: readonly UnservedField<Level>[] = [
  hint(BODIES, 'keep_alive', 'how long the model stays loaded; here it stays'),
  hint(BODIES, 'truncate', 'what does not fit into the context is always refused, never left out'),
  hint(BODIES, 'shift', 'what does not fit into the context is always refused, never left out'),
  refused(BODIES, 'logprobs', [false], 'the client would wait for log-probabilities'),
  refused(BODIES, 'top_logprobs', [0], 'the client would wait for log-probabilities'),
  refused(['generate', 'message'], 'images', [], 'the model would see the text only'),
  refused(['generate'], 'suffix', [''], 'the text would not lead to the suffix'),
  refused(['generate'], 'template', [''], 'the model has a chat template of its own'),
  refused(['generate'], 'context', [], 'the model would not see the earlier tokens'),
  refused(['generate'], 'raw', [false], '/v1/completions continues a text without a chat template'),
  ...OF_THE_MACHINE.map((field) => hint(OPTIONS, field, 'how a machine runs the model')),
  hint(OPTIONS, 'mirostat_tau', 'belongs to mirostat'),
  hint(OPTIONS, 'mirostat_eta', 'belongs to mirostat'),
  refused(OPTIONS, 'mirostat', [0], 'another way to sample'),
  refused(OPTIONS, 'typical_p', [1], 'another way to sample'),
  refused(OPTIONS, 'tfs_z', [1], 'another way to sample'),
  refused(OPTIONS, 'penalize_newline', [true], 'penalties apply to every token'),
  refused(OPTIONS, 'repeat_last_n', [-1], 'penalties apply to the whole context'),
];

export const OLLAMA_FIELDS = fieldTable(NESTED, UNSERVED_OLLAMA_FIELDS, ['content', 'tool_calls', 'stop']);
