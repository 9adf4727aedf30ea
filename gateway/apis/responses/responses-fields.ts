// Treatment of the fields of bodies of the Responses API that are not served (decision 0116).
import { fieldTable } from '../../request/drop-idle-fields.ts';
import { hint, refused, refusedValues, type UnservedField } from '../../request/unserved-fields.ts';

type Level = 'body' | 'item' | 'part' | 'tool' | 'text' | 'reasoning';

const NESTED = {
  body: { input: 'item', tools: 'tool', text: 'text', reasoning: 'reasoning', stream_options: 'stream_options' },
  item: { content: 'part', output: 'part', summary: 'part' },
};

const BODY: readonly Level[] = ['body'];

export const UNSERVED_RESPONSES_FIELDS: readonly UnservedField<Level>[] = [
  hint(BODY, 'safety_identifier', "the provider's key for finding abuse by an end user"),
  hint(BODY, 'prompt_cache_key', 'where to look for a cached prefix; the cache here finds every prefix of the tenant'),
  hint(BODY, 'prompt_cache_retention', 'how long a prefix is cached; changes time, not text'),
  hint(BODY, 'prompt_cache_options', 'how a prefix is cached; changes time, not text'),
  hint(BODY, 'service_tier', 'price and priority at the provider; here the tenant has a weight'),
  hint(BODY, 'stream_options', 'padding against observers of the network; no part of the answer'),
  hint(BODY, 'truncation', 'what does not fit into the context is always refused, never left out'),
  hint(BODY, 'max_tool_calls', "limits the provider's own tools, which are not served"),
  hint(BODY, 'client_metadata', 'labels of the client'),
  hint(['text'], 'verbosity', 'advice to models trained to follow it; no model served here is'),
  hint(['reasoning'], 'summary', 'reasoning is shown whole, not as a summary'),
  hint(['reasoning'], 'generate_summary', 'older name of summary'),
  hint(['item'], 'phase', 'whether a message is a comment or the answer; no chat template shows it to the model'),
  hint(['part'], 'annotations', 'citations of an earlier answer; no chat template shows them to the model'),
  hint(['part'], 'logprobs', 'log-probabilities of an earlier answer'),
  hint(['part'], 'prompt_cache_breakpoint', 'where a cached prefix ends; changes time, not text'),
  refused(BODY, 'conversation', [], 'conversations are not kept here; previous_response_id continues one'),
  refused(BODY, 'prompt', [], 'templates of prompts are not kept here'),
  refused(BODY, 'top_logprobs', [0], 'the client would wait for log-probabilities'),
  refused(BODY, 'context_management', [], 'the client would rely on a shortened context'),
  refused(BODY, 'moderation', [], 'the client would rely on a verdict that was never made'),
  refused(['tool'], 'defer_loading', [false], 'the model would have to search for the tool'),
  refused(['tool'], 'allowed_callers', [['direct']], "the provider's programs cannot call tools here"),
  refusedValues(
    ['tool'],
    'type',
    [
      'file_search',
      'code_interpreter',
      'computer',
      'computer_use_preview',
      'image_generation',
      'mcp',
      'local_shell',
      'shell',
      'apply_patch',
      'custom',
      'tool_search',
    ],
    'the gateway calls no tools itself, and calls are JSON',
  ),
  refusedValues(
    ['item'],
    'type',
    [
      'file_search_call',
      'computer_call',
      'computer_call_output',
      'web_search_call',
      'image_generation_call',
      'code_interpreter_call',
      'local_shell_call',
      'local_shell_call_output',
      'shell_call',
      'shell_call_output',
      'apply_patch_call',
      'apply_patch_call_output',
      'mcp_list_tools',
      'mcp_approval_request',
      'mcp_approval_response',
      'mcp_call',
      'custom_tool_call',
      'custom_tool_call_output',
      'compaction',
      'tool_search_call',
      'tool_search_output',
    ],
    'the model would not see it',
  ),
  refusedValues(
    ['part'],
    'type',
    ['input_image', 'input_file', 'input_audio', 'refusal'],
    'the model would see the text only',
  ),
];

export const RESPONSES_FIELDS = fieldTable(NESTED, UNSERVED_RESPONSES_FIELDS, [
  'content',
  'output',
  'summary',
  'text',
  'parameters',
  'arguments',
  'name',
]);
