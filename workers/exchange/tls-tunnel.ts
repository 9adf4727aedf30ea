// A way to an exchange behind TLS for the native side, which has none: it connects to a socket in a folder that only this user
// can enter, and a thread carries what crosses it to the exchange and back (decision 0134).
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** What the thread is told. */
export interface TunnelConfig {
  /** Where it listens. */
  readonly path: string;
  readonly host: string;
  readonly port: number;
}

export class TlsTunnel {
  readonly path: string;
  readonly #folder: string;
  readonly #thread: Worker;

  private constructor(folder: string, path: string, thread: Worker) {
    this.#folder = folder;
    this.path = path;
    this.#thread = thread;
  }

  /** Whether the exchange can be reached is found out by each connection. Rejects when there can be no socket or thread. */
  static async open(host: string, port: number): Promise<TlsTunnel> {
    const folder = mkdtempSync(join(tmpdir(), 'conclave-tls-'));
    const path = join(folder, 'exchange');
    const workerData: TunnelConfig = { path, host, port };
    const thread = new Worker(new URL('./tls-tunnel-thread.js', import.meta.url), { workerData });
    const tunnel = new TlsTunnel(folder, path, thread);
    try {
      await once(thread, 'message');
    } catch (thrown) {
      await tunnel.close();
      throw thrown;
    }
    // A process whose work is done ends with its tunnels open.
    thread.unref();
    return tunnel;
  }

  /** Ends the connections that cross it. */
  async close(): Promise<void> {
    await this.#thread.terminate();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
