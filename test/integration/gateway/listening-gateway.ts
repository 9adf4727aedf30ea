// A scripted gateway on a port, for official clients.
import type { TestContext } from 'node:test';
import { listen } from '../../../gateway/listen.ts';
import { createScriptedGateway, type GatewayOptions } from '../../gateway-parts/scripted-gateway.ts';

/** Ends with the test. */
export async function listenScripted(t: TestContext, options: GatewayOptions = {}) {
  const gateway = await createScriptedGateway({ ...options, config: { port: 0, ...options.config } });
  const server = await listen(gateway.app.fetch, gateway.parts.config, gateway.parts.log);
  t.after(() => server.shutDown(100, async () => {}));
  return { gateway, server };
}
