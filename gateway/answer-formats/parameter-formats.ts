// Formats that write each parameter between marks.
import { markedParameters } from './marked-parameters.ts';

/** Qwen3-Coder, Qwen3.5, Nemotron 3. */
export const qwenXml = markedParameters({
  open: '<tool_call>',
  close: '</tool_call>',
  holdsAll: false,
  nameOpen: '<function=',
  nameClose: '>',
  callClose: '</function>',
  keyOpen: '<parameter=',
  keyClose: '>',
  valueClose: '</parameter>',
  valuesOnLines: true,
});

/** MiniMax M2. */
export const minimax = markedParameters({
  open: '<minimax:tool_call>',
  close: '</minimax:tool_call>',
  holdsAll: true,
  nameOpen: '<invoke name="',
  nameClose: '">',
  callClose: '</invoke>',
  keyOpen: '<parameter name="',
  keyClose: '">',
  valueClose: '</parameter>',
  valuesOnLines: false,
});
