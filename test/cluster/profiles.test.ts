// Every profile against a real Prometheus that scrapes what the profile's system exposes: the
// built-in signals come out of it with the values that went in, also from native histograms.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { request } from 'undici';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { lookAtFleet, lookBack } from '../../src/sources/look.ts';
import type { Seen } from '../../src/sources/look.ts';
import type { Subject } from '../../src/sources/questions.ts';
import type { ProfileName, ServerSettings } from '../../src/sources/port.ts';
import { PROFILE_NAMES } from '../../src/sources/profiles.ts';
import { createPrometheus } from '../../src/sources/prometheus.ts';
import { specWith } from '../api/spec.ts';
import { binaryPath } from './binaries.ts';
import { exponential, expositions, fallbacks, flickering } from './expositions.ts';
import { createParts } from './parts.ts';
import type { Parts } from './parts.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** The exposition of a profile with its classic histograms turned into native ones. */
const native = 'http-native';
/** Shares of requests between 0.25 and 1 s, by what exports them as an exponential histogram. */
const exponentials = { 'http-slow': 0.12, 'http-fast': 0.08 };
const flicker = 'x0tta-flicker';
const others: typeof fallbacks = { ...fallbacks, [flicker]: flickering() };
/** What is scraped, each under its own path. */
const scraped = [...PROFILE_NAMES, native, ...Object.keys(others)];

function profileOf(name: string): ProfileName {
  return name.replace(/-.*/, '') as ProfileName;
}

describe('a profile on a real Prometheus', function () {
  this.timeout(240_000);
  let exporter: Server;
  let folder: string;
  let parts: Parts;
  let url: string;
  let begunMs: number;
  let exports: NodeJS.Timeout;

  before(async () => {
    begunMs = Date.now();
    exporter = createServer((request, response) => {
      const name = (request.url ?? '').replace('/', '');
      const exposition = others[name] ?? expositions[profileOf(name)];
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(exposition((Date.now() - begunMs) / 1000 + 100));
    });
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
    const { port } = exporter.address() as AddressInfo;
    folder = mkdtempSync(join(tmpdir(), 'x0tta-profiles-'));
    const scrape = (name: string): object => ({
      job_name: name,
      metrics_path: `/${name}`,
      honor_labels: true,
      static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { profile: name } }],
      ...(name === native
        ? { scrape_native_histograms: true, convert_classic_histograms_to_nhcb: true }
        : {}),
    });
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: scraped.map(scrape),
    };
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    parts = createParts(folder, () => undefined);
    const [free = 0] = await freePorts(1);
    url = `http://127.0.0.1:${free}`;
    parts.start({
      name: 'prometheus',
      command: binaryPath('prometheus'),
      args: [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${free}`,
        '--storage.tsdb.wal-segment-size=10MB',
        '--log.level=warn',
        '--web.enable-otlp-receiver',
      ],
    });
    exports = setInterval(() => {
      const nowMs = Date.now();
      for (const [name, share] of Object.entries(exponentials)) {
        const body = exponential(name, share, (nowMs - begunMs) / 1000 + 100, nowMs);
        const headers = { 'content-type': 'application/json' };
        const sent = { method: 'POST', headers, body: JSON.stringify(body) } as const;
        // One that comes before the server listens is lost.
        request(`${url}/api/v1/otlp/v1/metrics`, sent).then(
          (answer) => answer.body.dump(),
          () => undefined,
        );
      }
    }, 1_000);
  });

  after(async () => {
    clearInterval(exports);
    await parts.stop();
    exporter.closeAllConnections();
    exporter.close();
    rmSync(folder, { recursive: true });
  });

  const settingsOf = (name: string): ServerSettings => ({
    name: 'main',
    url,
    scrapeIntervalMs: 1_000,
    scrapeIntervalIsAssumed: false,
    lagMs: 1_000,
    timeoutMs: 5_000,
    profile: profileOf(name),
    auth: null,
    headers: {},
    tls: { caFile: null, certFile: null, keyFile: null },
    labels: {},
    matchers: { profile: name },
  });

  const signals = ((): readonly ResolvedSignal[] => {
    const rollback = { above: '500ms', for: '10s' };
    const listed = [
      { name: 'errorRate', rollback: { above: '10%', for: '10s' }, minRequests: 20 },
      { name: 'latencyP95', rollback, minRequests: 20 },
      { name: 'throughput', critical: { below: '50' }, window: '5s' },
      { name: 'cpu', window: '5s' },
    ];
    const result = resolvePolicy(specWith({ signals: listed }));
    if (result.kind === 'invalid') throw new Error(result.messages.join('; '));
    return result.policy.signals.filter(({ kind }) => kind !== 'availability');
  })();

  const subject = (): Subject => ({
    target: {
      key: 'mesh/shop',
      namespace: 'mesh',
      server: null,
      canaryReplicaSet: 'shop-b',
      stableReplicaSet: 'shop-a',
      service: 'shop',
      canaryPods: [{ name: 'shop-b-bbbbb', readySinceMs: begunMs }],
      stablePods: [],
      // Before, not all of it was scraped.
      attemptStartMs: begunMs + 5_000,
      stepStartMs: begunMs,
      stepHoldSeconds: 600,
      awaitsApproval: false,
    },
    signals,
    pods: new Set(['shop-b-bbbbb']),
    absentSinceMs: {},
  });

  const lookAtAll = (...[server, subjects, atMs]: Parameters<typeof lookAtFleet>): Promise<Seen> =>
    lookBack(server, subjects, atMs, [signals.map(({ name }) => name)]);

  type Find = (signal: string) => SignalJudgement;

  /**
   * A look once every signal that is asked for is known, and as expected: a scrape that was late
   * under load shifts the rates of the windows it is in, and of no others.
   */
  const lookedAt = async (
    name: string,
    wanted: readonly string[],
    look: (...asked: Parameters<typeof lookAtFleet>) => Promise<Seen | null>,
    expectIn: (find: Find) => void = () => undefined,
  ): Promise<Find> => {
    const settings = settingsOf(name);
    const source = createPrometheus({ settings, clock: systemClock });
    let last: readonly SignalJudgement[] = [];
    const find: Find = (signal) => {
      const found = last.find(({ signal: { name: is } }) => is === signal);
      if (found === undefined) throw new Error(`${signal} was not judged`);
      return found;
    };
    const lookOnce = async (): Promise<boolean> => {
      const atMs = Math.floor((Date.now() - 1_000) / 1000) * 1000;
      const seen = await look({ source, settings, isShared: () => false }, [subject()], atMs);
      last = judgeSignals(signals, seen?.evidenceOn(0, subject()) ?? null, null);
      if (wanted.some((signal) => typeof find(signal).latest?.value !== 'number')) return false;
      expectIn(find);
      return true;
    };
    // Shorter than the test's own time, also several times, so that it tells what was wrong.
    await waitFor(`the signals of ${name}`, lookOnce, 45_000);
    return find;
  };

  for (const name of [...PROFILE_NAMES, native]) {
    for (const [kind, look] of [
      ['at a moment', lookAtFleet],
      ['over a range', lookAtAll],
    ] as const) {
      it(`${name} gives errors, latency, memory and CPU ${kind}`, async () => {
        const wanted = ['errorRate', 'latencyP95', 'memory', 'cpu', 'throughput'];
        const all = name === 'traefik' ? 1_040 : 40;
        await lookedAt(name, wanted, look, (find) => {
          expect(find('errorRate').latest?.value).to.be.closeTo(0.25, 0.01);
          expect(find('errorRate').latest?.requestsPerSecond).to.be.closeTo(40, 2);
          expect(find('latencyP95')).to.include({ level: 'Breach', boundarySeconds: 0.5 });
          expect(find('memory').latest?.value).to.equal(1.5e9);
          expect(find('cpu').latest?.value).to.be.closeTo(0.5, 0.05);
          expect(find('throughput').latest?.value).to.be.closeTo(all, all / 20);
          expect(find('pqcHandshakeFailures').query).to.include('pqc_handshake_failure_total');
        });
      });
    }
  }

  // Half a second is in the middle of a bucket that grows exponentially, so half of it is beyond.
  for (const [name, share] of Object.entries(exponentials)) {
    it(`${name} gives a latency by the share of an exponential bucket`, async () => {
      await lookedAt(name, ['latencyP95'], lookAtAll, (find) => {
        const { latest, level } = find('latencyP95');
        expect(latest?.requestsPerSecond).to.be.closeTo(40, 2);
        expect(level === 'Breach', `${level} at ${latest?.value}`).to.equal(share / 2 > 0.05);
      });
    });
  }

  it('x0tta gives handshakes that failed, and a mesh without PQC as a fallback', async () => {
    await lookedAt('x0tta', ['pqcHandshakeFailures', 'pqcFallback'], lookAtAll, (find) => {
      expect(find('pqcFallback').breach.state).to.equal('held');
    });
    await lookedAt('x0tta', ['errorRate'], async (server, subjects, atMs) => {
      const seen = await lookAtAll(server, subjects, atMs);
      const [handshakes] = judgeSignals(
        signals.filter(({ kind }) => kind === 'pqcHandshakeFailures'),
        seen.evidenceOn(0, subject()),
        null,
      );
      return handshakes?.breach.state === 'held' ? seen : null;
    });
  });

  for (const name of Object.keys(fallbacks)) {
    it(`${name} gives a fallback by that alone, and no handshake that failed`, async () => {
      const wanted = ['pqcFallback', 'pqcHandshakeFailures'];
      await lookedAt(name, wanted, lookAtAll, (find) => {
        expect(find('pqcFallback').breach.state).to.equal('held');
        expect(find('pqcHandshakeFailures').latest).to.include({ value: 0, level: 'Normal' });
      });
    });
  }

  it('x0tta gives no fallback while no two scrapes in a row say that there is no PQC', async () => {
    const values: unknown[] = [];
    for (const earlierMs of [3_000, 2_000, 1_000, 0]) {
      await lookedAt(
        flicker,
        ['pqcFallback'],
        (server, subjects, atMs) => lookAtFleet(server, subjects, atMs - earlierMs),
        (find) => void values.push(find('pqcFallback').latest?.value),
      );
    }
    expect(values).to.deep.equal([0, 0, 0, 0]);
  });

  it('names the series that it looked for and did not find', async () => {
    const find = await lookedAt('http', ['errorRate'], lookAtFleet);
    expect(find('pqcHandshakeFailures').absence).to.include({ reason: 'Empty' });
    expect(find('pqcHandshakeFailures').absence?.message).to.include(
      'looked for pqc_handshake_failure_total, pqc_handshake_success_total',
    );
  });
});
