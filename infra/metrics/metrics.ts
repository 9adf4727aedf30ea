// Prometheus metrics of one process, behind a small interface: parts report what happened and never see prom-client.
// Labels are bounded: past MAX_TENANTS tenants, further ones count as `other`.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Series multiply by tenant; a hostile issuer could otherwise name tenants until memory ends. */
const MAX_TENANTS = 1000;

const WAIT_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300];
const TOKEN_SECONDS = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.5, 1, 5];

/** The part of a worker's heartbeat that becomes series `conclave_worker_<name>`. */
export interface WorkerReport {
  readonly id: string;
  readonly model: string;
  readonly stats: Readonly<Record<string, number>>;
}

/** Numbers of a heartbeat that are exported: their meaning, for Prometheus' help line. Totals count from the worker's start. */
const WORKER_SERIES: Readonly<Record<string, string>> = {
  steps: 'Steps executed.',
  rows: 'Rows computed; divided by steps, the mean batch size.',
  tokens: 'Tokens generated.',
  stepSeconds: 'Seconds spent in steps.',
  guessedTokens: 'Tokens drafted and verified.',
  acceptedTokens: 'Drafted tokens that were accepted.',
  promptTokens: 'Tokens of the prompts of ended requests.',
  cachedTokens: 'Of these, tokens found in the prefix cache.',
  starts: 'Requests taken from the queue.',
  gaveWay: 'Requests given back to their queue for a tenant that held less than its share.',
  queueWaitSeconds: 'Seconds that requests waited from acceptance to dispatch.',
  failures: 'Generations that failed.',
  running: 'Running sequences.',
  waiting: 'Sequences taken from the queue that wait for KV blocks.',
  kvUse: 'Share of KV blocks in use, 0 to 1.',
  epoch: 'Epoch of the current plan, reported by the leader.',
  members: 'Nodes in the current plan.',
  hopSecondsP50: 'Recent median time that a layer waits for other nodes.',
  hopSecondsP95: 'Recent 95th percentile of the time that a layer waits for other nodes.',
  exchangeBytes: 'Bytes that the leader wrote to the exchange.',
  badFrames: 'Frames that were dropped because they could not be read.',
};

/** A queue at one moment. */
export interface QueueFacts {
  readonly model: string;
  readonly tenant: string;
  readonly waiting: number;
  readonly running: number;
  readonly oldestWaitMs: number | null;
  /** Prompt and completion tokens of ended requests, each request once. */
  readonly tokensServed: number;
}

type TokenKind = 'prompt' | 'cached' | 'completion';

/** Metrics reported by the parts of a process. Times are in seconds. */
export interface Metrics {
  /** One answered HTTP request; `route` is the pattern, never the path. */
  request(route: string, status: number, seconds: number): void;
  /** From acceptance to the first token seen by the gateway. */
  firstToken(model: string, seconds: number): void;
  /** Between two arrivals of tokens of one stream, over the tokens of the later one. */
  interToken(model: string, seconds: number): void;
  tokens(kind: TokenKind, tenant: string, model: string, count: number): void;
  /** Reports of live workers, such as batch sizes, KV use and queue waits; replaces the previous ones. */
  workers(reports: readonly WorkerReport[]): void;
  /** State of the queues in Redis at the time of a scrape, identical on every gateway. */
  queues(views: readonly QueueFacts[]): void;
  error(part: string, code: string): void;
  streamOpened(): void;
  streamClosed(): void;
  /** The exposition format that Prometheus reads. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Fresh metrics with a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectProcessMetrics(registry);
  const make = seriesIn(registry);
  return { ...reporters(make), render: () => render(registry) };
}

/** Made of samples of the event loop's delay. */
const SAMPLED = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];
const NEVER_MS = 3_600_000;

/** Without the samples: taking them wakes an idle process a hundred times a second, which costs more than a stream. */
function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: NEVER_MS });
  for (const name of SAMPLED) register.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
}

async function render(registry: Registry): Promise<{ contentType: string; text: string }> {
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function seriesIn(registry: Registry) {
  const registers = [registry];
  return {
    counter: (name: string, help: string, labelNames: string[]) => new Counter({ name, help, labelNames, registers }),
    gauge: (name: string, help: string, labelNames: string[]) => new Gauge({ name, help, labelNames, registers }),
    histogram: (name: string, help: string, labelNames: string[], buckets: number[]) =>
      new Histogram({ name, help, labelNames, buckets, registers }),
  };
}

type Make = ReturnType<typeof seriesIn>;

function reporters(make: Make): Omit<Metrics, 'render'> {
  const tenantLabel = boundedLabel(MAX_TENANTS);
  const generations = generationReporters(make, tenantLabel);
  return { ...gatewayReporters(make), ...generations, ...workerReporters(make), ...queueReporters(make, tenantLabel) };
}

function gatewayReporters(make: Make): Pick<Metrics, 'request' | 'error' | 'streamOpened' | 'streamClosed'> {
  const help = 'Answered requests.';
  const requests = make.histogram('conclave_http_request_seconds', help, ['route', 'status'], WAIT_SECONDS);
  const errors = make.counter('conclave_errors_total', 'Failures by code.', ['part', 'code']);
  const streams = make.gauge('conclave_open_streams', 'Open streams.', []);
  return {
    request: (route, status, seconds) => requests.observe({ route, status }, seconds),
    error: (part, code) => errors.inc({ part, code }),
    streamOpened: () => streams.inc(),
    streamClosed: () => streams.dec(),
  };
}

function generationReporters(
  make: Make,
  tenantLabel: (tenant: string) => string,
): Pick<Metrics, 'firstToken' | 'interToken' | 'tokens'> {
  const first = make.histogram(
    'conclave_first_token_seconds',
    'Time from acceptance to first token.',
    ['model'],
    WAIT_SECONDS,
  );
  const inter = make.histogram(
    'conclave_inter_token_seconds',
    'Time between tokens; tokens that arrive together share the time since the previous ones.',
    ['model'],
    TOKEN_SECONDS,
  );
  const tokens = make.counter('conclave_tokens_total', 'Tokens delivered.', ['kind', 'tenant', 'model']);
  return {
    firstToken: (model, seconds) => first.observe({ model }, seconds),
    interToken: (model, seconds) => inter.observe({ model }, seconds),
    tokens: (kind, tenant, model, count) => tokens.inc({ kind, tenant: tenantLabel(tenant), model }, count),
  };
}

function workerReporters(make: Make): Pick<Metrics, 'workers'> {
  const series = Object.entries(WORKER_SERIES).map(([name, help]) => ({
    name,
    gauge: make.gauge(`conclave_worker_${snakeCase(name)}`, help, ['node', 'model']),
  }));
  return {
    workers: (reports) => {
      for (const { name, gauge } of series) {
        gauge.reset();
        for (const { id, model, stats } of reports) gauge.set({ node: id, model }, stats[name] ?? 0);
      }
    },
  };
}

/** Added up, because past the bound several tenants share a label. */
function queueReporters(make: Make, tenantLabel: (tenant: string) => string): Pick<Metrics, 'queues'> {
  const queue = ['model', 'tenant'];
  const requests = make.gauge('conclave_queue_requests', 'Requests by state.', [...queue, 'state']);
  const oldestWait = make.gauge(
    'conclave_queue_oldest_wait_seconds',
    'Age of the request that has waited longest.',
    queue,
  );
  const served = make.gauge('conclave_queue_tokens_served', 'Tokens of ended requests.', queue);
  const add = ({ model, tenant, waiting, running, oldestWaitMs, tokensServed }: QueueFacts) => {
    const labels = { model, tenant: tenantLabel(tenant) };
    requests.inc({ ...labels, state: 'waiting' }, waiting);
    requests.inc({ ...labels, state: 'running' }, running);
    oldestWait.inc(labels, (oldestWaitMs ?? 0) / 1000);
    served.inc(labels, tokensServed);
  };
  return {
    queues: (views) => {
      for (const gauge of [requests, oldestWait, served]) gauge.reset();
      views.forEach(add);
    },
  };
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function boundedLabel(limit: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.size < limit) seen.add(value);
    return seen.has(value) ? value : 'other';
  };
}
