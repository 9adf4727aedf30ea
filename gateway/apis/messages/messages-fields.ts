// Treatment of the fields of Anthropic's request bodies that are not served (decision 0116).
import { fieldTable } from '../../request/drop-idle-fields.ts';
import { hint, refused, refusedValues, type UnservedField } from '../../request/unserved-fields.ts';

type Level = 'body' | 'message' | 'block' | 'tool' | 'tool_choice' | 'output_config' | 'metadata';

const NESTED = {
  body: {
    messages: 'message',
    system: 'block',
    tools: 'tool',
    tool_choice: 'tool_choice',
    output_config: 'output_config',
    metadata: 'metadata',
  },
  message: { content: 'block' },
  block: { content: 'block' },
};

export const UNSERVED_MESSAGES_FIELDS: readonly UnservedField<Level>[] = [
  hint(
    ['body', 'block', 'tool'],
    'cache_control',
    'where a cached prefix ends; the cache here finds every prefix of the tenant',
  ),
  hint(['body'], 'service_tier', 'price and priority at the provider; here the tenant has a weight'),
  hint(['body'], 'inference_geo', 'where the provider computes'),
  hint(['body'], 'speed', 'price and priority at the provider'),
  hint(['body'], 'context_management', 'which old blocks the provider may leave out; none are'),
  hint(['body'], 'user_profile_id', "the provider's profile of an end user"),
  hint(['body'], 'betas', 'names of trial features, which clients send as a header'),
  hint(['block'], 'citations', 'sources of an earlier answer; no chat template shows them to the model'),
  hint(['block'], 'caller', 'who made a call; here it is always the model'),
  hint(['tool'], 'eager_input_streaming', 'how soon arguments are streamed; here at once'),
  hint(['tool'], 'input_examples', 'advice on arguments; no chat template shows it to the model'),
  refused(['tool'], 'defer_loading', [false], 'the model would have to search for the tool'),
  refused(['tool'], 'allowed_callers', [['direct']], "the provider's programs cannot call tools here"),
  refused(['body'], 'mcp_servers', [], 'the gateway calls no tools itself'),
  refused(['body'], 'container', [], 'there are no containers for tools of the provider'),
  refusedValues(
    ['block'],
    'type',
    [
      'image',
      'document',
      'search_result',
      'container_upload',
      'server_tool_use',
      'web_search_tool_result',
      'web_fetch_tool_result',
      'code_execution_tool_result',
      'bash_code_execution_tool_result',
      'text_editor_code_execution_tool_result',
      'tool_reference',
      'mcp_tool_use',
      'mcp_tool_result',
    ],
    'the model would see the text only',
  ),
];

export const MESSAGES_FIELDS = fieldTable(NESTED, UNSERVED_MESSAGES_FIELDS, [
  'content',
  'text',
  'input',
  'input_schema',
  'thinking',
  'signature',
]);
