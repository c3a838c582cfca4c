// The lines of the log: one JSON document each, whatever is put into it.
import { expect } from 'chai';
import fc from 'fast-check';
import type { LogLevel } from '../../src/runtime/log.ts';
import { createLog } from '../../src/telemetry/log.ts';

type Entry = Record<string, unknown>;

function setUp(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const log = createLog({ level, write: (line) => void lines.push(line) });
  const entries = (): Entry[] => lines.map((line) => JSON.parse(line) as Entry);
  const fieldsOf = (fields: Entry): Entry => {
    log('info', 'm', fields);
    const { timestamp: _, ...rest } = entries().at(-1) ?? {};
    return rest;
  };
  return { log, lines, entries, fieldsOf };
}

describe('log', () => {
  it('writes one JSON line an entry, with time, level and message first', () => {
    const { log, lines, entries } = setUp();
    log('warn', 'a part did not stop', { part: 'queue', count: 3 });
    const [entry] = entries();
    expect(lines[0]).to.match(/^\{"timestamp":"[^"]+","level":"warn","message":.*\}\n$/);
    expect(entry).to.include({ message: 'a part did not stop', part: 'queue', count: 3 });
    const time = entry?.['timestamp'];
    expect(new Date(String(time)).toISOString()).to.equal(time);
  });

  it('leaves out what is below its level', () => {
    const { log, entries } = setUp('warn');
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log(level, level);
    expect(entries().map(({ message }) => message)).to.deep.equal(['warn', 'error']);
  });

  it('tells an error with its causes, and nothing that hangs on it', () => {
    const cause = Object.assign(new TypeError('refused'), {
      config: { headers: { authorization: 'Bearer secret' } },
    });
    const error = new Error('the query failed', { cause });
    const { fieldsOf, lines } = setUp();
    expect(fieldsOf({ error })).to.include({ error: 'the query failed: TypeError: refused' });
    expect(lines.join('')).to.not.include('secret');
  });

  it('does not say twice what an error says of its cause', () => {
    const error = new Error('can not read: refused', { cause: new Error('refused') });
    expect(setUp().fieldsOf({ error })).to.include({ error: 'can not read: refused' });
  });

  it('ends at a cause that is its own', () => {
    const error = new Error('first');
    error.cause = new Error('second', { cause: error });
    expect(setUp().fieldsOf({ error })['error']).to.match(/^first: second/);
  });

  it('dumps no object', () => {
    const fields = { headers: { token: 'secret' }, list: [{ token: 'secret' }, 1], call: () => 1 };
    expect(setUp().fieldsOf(fields)).to.deep.equal({
      level: 'info',
      message: 'm',
      headers: '[object]',
      list: ['[object]', 1],
      call: '[function]',
    });
  });

  it('keeps its own three names, and numbers that JSON has not', () => {
    const fields = { level: 'x', message: 'y', timestamp: 'z', ratio: Number.NaN, big: 10n };
    expect(setUp().fieldsOf(fields)).to.deep.equal({
      level: 'info',
      message: 'm',
      level_: 'x',
      message_: 'y',
      timestamp_: 'z',
      ratio: 'NaN',
      big: '10',
    });
  });

  it('bounds texts and lists', () => {
    const { text, list } = setUp().fieldsOf({
      text: 'x'.repeat(100_000),
      list: Array.from({ length: 1000 }, () => 1),
    });
    expect(text).to.have.length(4096);
    expect(list).to.have.length(64);
  });

  it('does not throw when a field or the output does', () => {
    const { log, entries } = setUp();
    const hostile = {
      get field() {
        throw new Error('no');
      },
    };
    log('info', 'm', hostile);
    expect(entries()[0]).to.include({ message: 'm', field: '[unreadable]' });
    const broken = createLog({
      level: 'info',
      write: () => {
        throw new Error('EPIPE');
      },
    });
    broken('info', 'first');
    broken('info', 'second');
  });

  it('keeps any text inside its line', () => {
    const { log, lines } = setUp();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (name, text) => {
        lines.length = 0;
        log('info', `${text}\n{"level":"error"}`, { [`f-${name}`]: text });
        expect(lines).to.have.length(1);
        expect(lines[0]?.trimEnd().split(/[\r\n]/)).to.have.length(1);
        const entry = JSON.parse(lines[0] ?? '') as Entry;
        expect(entry).to.include({ level: 'info', message: `${text}\n{"level":"error"}` });
        expect(entry[`f-${name}`]).to.equal(text);
      }),
    );
  });
});
