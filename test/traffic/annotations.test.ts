// The annotations of a route: what is written can be read, and what others wrote does no harm.
import { expect } from 'chai';
import fc from 'fast-check';
import { formatIncident, formatMark, readNotes } from '../../src/traffic/annotations.ts';
import { INCIDENT, incident, mark, markText, ROLLOUT, VERDICT } from './routes.ts';

const incidentOf = (text: string) => readNotes({ [INCIDENT]: text }).incident;

describe('annotations of a route', () => {
  it('are read as they are written', () => {
    expect(formatMark(mark)).to.equal(markText);
    const annotations = {
      [ROLLOUT]: markText,
      [VERDICT]: 'rejected',
      [INCIDENT]: formatIncident(incident),
    };
    expect(readNotes(annotations)).to.deep.equal({ mark, verdict: 'rejected', incident });
  });

  const nothing = { mark: null, verdict: null, incident: null };
  it('are absent on a route without any', () => {
    expect(readNotes(undefined)).to.deep.equal(nothing);
  });

  for (const text of [
    '',
    'x',
    'a/b',
    'a/b/0',
    'a/b/x',
    'a/b/1/2',
    'a/b/1\n',
    '<a>/b/1',
    '{',
    '[]',
  ]) {
    it(`count as absent when they are ${JSON.stringify(text)}`, () => {
      const annotations = { [ROLLOUT]: text, [VERDICT]: text, [INCIDENT]: text };
      expect(readNotes(annotations)).to.deep.equal(nothing);
    });
  }

  it('leave out of a long incident what it can do without', () => {
    const evidence = Array.from({ length: 20 }, () => ({ at: incident.detectedAt, value: '12%' }));
    const long = { ...incident, evidence, query: 'q'.repeat(700), images: 'registry/web:2' };
    expect(incidentOf(formatIncident({ ...long, evidence: [] }))).to.include({ query: long.query });
    const kept = incidentOf(formatIncident({ ...long, query: 'q'.repeat(1024) }));
    expect(kept).to.deep.equal({ ...incident, images: long.images });
  });

  it('hold any incident in 1 KiB, still readable', () => {
    const text = fc.string({ unit: 'binary', maxLength: 1024 });
    fc.assert(
      fc.property(text, text, text, (summary, value, query) => {
        const written = formatIncident({ ...incident, summary, value, query });
        expect(Buffer.byteLength(written)).to.be.at.most(1024);
        const read = incidentOf(written);
        expect(read).to.include({ id: incident.id, alert: incident.alert });
        const whole = summary.startsWith(read?.summary ?? 'x');
        expect(whole || read?.summary.endsWith('…')).to.equal(true);
      }),
    );
  });
});
