// The sample workload over HTTP, in this process and on loopback, its time in the test's hands.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { Sample } from '../cluster/workload/sample.ts';
import { INITIAL_SETTINGS } from '../cluster/workload/settings.ts';
import type { Settings } from '../cluster/workload/settings.ts';

interface Running {
  readonly sample: Sample;
  readonly crashes: () => number;
  readonly advance: (ms: number) => void;
  readonly send: (path: string, init?: RequestInit) => Promise<Response>;
  readonly metrics: () => Promise<readonly string[]>;
}

describe('the sample workload', () => {
  let running: Running | undefined;

  /** Starts a sample whose slow requests end at once, its clock moved on by their latency. */
  async function start(settings: Partial<Settings> = {}): Promise<Running> {
    let nowMs = 1_000;
    let crashes = 0;
    const sample = new Sample({
      settings: { ...INITIAL_SETTINGS, ...settings },
      version: 'v2',
      pod: 'pod-a',
      clock: {
        nowMs: () => nowMs,
        after: (delayMs, run) => {
          nowMs += delayMs;
          queueMicrotask(run);
        },
      },
      crash: () => {
        crashes += 1;
      },
    });
    sample.server.listen(0, '127.0.0.1');
    await once(sample.server, 'listening');
    const { port } = sample.server.address() as AddressInfo;
    const send = (path: string, init?: RequestInit): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, init);
    running = {
      sample,
      crashes: () => crashes,
      advance: (ms) => {
        nowMs += ms;
      },
      send,
      metrics: async () => (await (await send('/metrics')).text()).split('\n'),
    };
    return running;
  }

  async function statusesOf({ send }: Running, requests: number): Promise<readonly number[]> {
    const statuses: number[] = [];
    for (let sent = 0; sent < requests; sent += 1) {
      const response = await send('/');
      await response.text();
      statuses.push(response.status);
    }
    return statuses;
  }

  const change = ({ send }: Running, body: string): Promise<Response> =>
    send('/behaviour', { method: 'POST', body });

  afterEach(async () => {
    const sample = running?.sample;
    running = undefined;
    if (sample !== undefined) {
      await new Promise<void>((resolve) => {
        sample.end(resolve);
      });
    }
  });

  it('says its version and its pod in headers and body, on any path', async () => {
    const { send } = await start();
    const response = await send('/any/where?x=1');
    expect(response.status).to.equal(200);
    expect(response.headers.get('x-version')).to.equal('v2');
    expect(response.headers.get('x-pod')).to.equal('pod-a');
    expect(await response.json()).to.deep.equal({ version: 'v2', pod: 'pod-a' });
  });

  it('answers the share of errors exactly, and counts what it answered', async () => {
    const sample = await start({ errorRatio: 0.3 });
    const statuses = await statusesOf(sample, 20);
    expect(statuses.filter((status) => status === 500)).to.have.length(6);
    await (await sample.send('/', { method: 'POST', body: 'x' })).text();
    expect(await sample.metrics()).to.include.members([
      'http_requests_total{code="200",method="GET"} 14',
      'http_requests_total{code="500",method="GET"} 6',
      'http_requests_total{code="200",method="POST"} 1',
      'http_request_duration_seconds_count 21',
      'pqc_handshake_success_total 21',
    ]);
  });

  it('counts neither health nor metrics nor status as requests', async () => {
    const sample = await start({ errorRatio: 1 });
    for (const path of ['/health', '/metrics', '/security/pqc/status', '/mesh/peers']) {
      expect((await sample.send(path)).status, path).to.equal(200);
    }
    await change(sample, '{}');
    const lines = await sample.metrics();
    expect(lines.filter((line) => line.startsWith('http_requests_total'))).to.deep.equal([]);
    expect(lines).to.include('http_request_duration_seconds_count 0');
  });

  it('puts the time of slow requests into the classic buckets', async () => {
    const sample = await start({ latencyMs: 800, latencyRatio: 0.5 });
    await statusesOf(sample, 10);
    expect(await sample.metrics()).to.include.members([
      'http_request_duration_seconds_bucket{le="0.01"} 5',
      'http_request_duration_seconds_bucket{le="0.5"} 5',
      'http_request_duration_seconds_bucket{le="1"} 10',
      'http_request_duration_seconds_bucket{le="2.5"} 10',
      'http_request_duration_seconds_bucket{le="5"} 10',
      'http_request_duration_seconds_bucket{le="+Inf"} 10',
      'http_request_duration_seconds_sum 4',
    ]);
  });

  it('holds as much memory as it is told to', async () => {
    const sample = await start({ memoryMbPerSecond: 40, memoryMaxMb: 60 });
    sample.advance(1_000);
    sample.sample.tick();
    expect(sample.sample.ballastBytes).to.equal(40e6);
    sample.advance(10_000);
    sample.sample.tick();
    expect(sample.sample.ballastBytes).to.equal(60e6);
    await change(sample, '{"memoryMbPerSecond":0}');
    sample.sample.tick();
    expect(sample.sample.ballastBytes).to.equal(0);
  });

  it('exposes no handshake failure before the first, then counts by time', async () => {
    const sample = await start({ pqcFailuresPerSecond: 1 });
    const failures = async (): Promise<readonly string[]> =>
      (await sample.metrics()).filter((line) => line.startsWith('pqc_handshake_failure_total'));
    expect(await failures()).to.deep.equal([]);
    sample.advance(4_000);
    const expected = ['pqc_handshake_failure_total{reason="verification"} 4'];
    expect(await failures()).to.deep.equal(expected);
    expect(await failures()).to.deep.equal(expected);
  });

  it('reports the fallback in its status and its metrics', async () => {
    const sample = await start();
    const state = async (): Promise<unknown> => (await sample.send('/security/pqc/status')).json();
    expect(await state()).to.include({ enabled: true, fallback_enabled: false });
    expect(await sample.metrics()).to.include.members([
      'pqc_fallback_enabled 0',
      'mesh_pqc_enabled 1',
    ]);
    await change(sample, '{"pqcFallback":true}');
    expect(await state()).to.include({ enabled: false, fallback_enabled: true });
    expect(await sample.metrics()).to.include.members([
      'pqc_fallback_enabled 1',
      'mesh_pqc_enabled 0',
    ]);
  });

  it('names as many peers as it counts', async () => {
    const sample = await start();
    const body = (await (await sample.send('/mesh/peers')).json()) as { readonly peers: string[] };
    expect(await sample.metrics()).to.include(`mesh_peers_count ${body.peers.length}`);
  });

  it('answers 503 on /health while unhealthy, and goes on working', async () => {
    const sample = await start({ unhealthy: true });
    expect((await sample.send('/health')).status).to.equal(503);
    expect(await statusesOf(sample, 1)).to.deep.equal([200]);
    await change(sample, '{"unhealthy":false}');
    expect((await sample.send('/health')).status).to.equal(200);
  });

  it('crashes when its time has come', async () => {
    const { sample, advance, crashes } = await start({ crashAfterSeconds: 2 });
    sample.tick();
    expect(crashes()).to.equal(0);
    advance(2_000);
    sample.tick();
    expect(crashes()).to.equal(1);
  });

  it('changes its behaviour at run time and answers with the settings in force', async () => {
    const sample = await start();
    const response = await change(sample, '{"errorRatio":1}');
    expect(response.status).to.equal(200);
    const settings = { ...INITIAL_SETTINGS, errorRatio: 1 };
    expect(await response.json()).to.deep.include({ settings });
    expect(await statusesOf(sample, 3)).to.deep.equal([500, 500, 500]);
  });

  it('refuses a change that is wrong, says why, and stays as it was', async () => {
    const sample = await start();
    const wrong = await change(sample, '{"unhealthy":true,"errorRatio":7}');
    expect(wrong.status).to.equal(400);
    const error = 'errorRatio: expected a number from 0 to 1, got 7';
    expect(await wrong.json()).to.include({ error });
    expect((await change(sample, `"${'x'.repeat(70_000)}"`)).status).to.equal(400);
    const read = await sample.send('/behaviour');
    expect([read.status, read.headers.get('allow')]).to.deep.equal([405, 'POST']);
    expect(sample.sample.settings).to.deep.equal(INITIAL_SETTINGS);
  });

  it('ends a connection with each answer while it drains', async () => {
    const { sample, send } = await start();
    expect((await send('/')).headers.get('connection')).to.equal('keep-alive');
    sample.drain();
    expect((await send('/')).headers.get('connection')).to.equal('close');
  });
});
