// Draws docs/rollback.svg from the record that the newest `make demo` left: the canary's weight,
// its errors against the limit, the hold, and the rollback.
//
//   node scripts/plot.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoRecord, Moment } from './demo/record.ts';

const root = join(import.meta.dirname, '..');
const width = 860;
const left = 60;
const right = 200;
const plotWidth = width - left - right;
const panelHeight = 110;
const weightTop = 50;
const errorTop = 210;
const height = 370;
const errorLimit = 0.1;
const errorTopValue = 0.4;

type Point = readonly [x: number, y: number];

function chart({ beganAt, moments, incident }: DemoRecord): string {
  const endSeconds = (moments.at(-1)?.seconds ?? 1) + 1;
  const x = (seconds: number): number => left + (seconds / endSeconds) * plotWidth;
  const weightY = (percent: number): number => weightTop + panelHeight * (1 - percent / 100);
  const errorY = (ratio: number): number =>
    errorTop + panelHeight * (1 - Math.min(ratio, errorTopValue) / errorTopValue);
  const since = (time: string): number => x((Date.parse(time) - Date.parse(beganAt)) / 1000);
  const from = since(incident.startedAt ?? incident.detectedAt);
  const until = since(incident.trafficRestoredAt ?? incident.detectedAt);
  const errors = moments.flatMap(({ seconds, errorRatio }): Point[] =>
    errorRatio === null ? [] : [[x(seconds), errorY(errorRatio)]],
  );
  const middle = (from + until) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      `font-family="system-ui, sans-serif" font-size="12" fill="#24292f">`,
    `<title>A bad canary is rolled back</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#ffffff"/>`,
    `<rect x="${n(from)}" y="${weightTop}" width="${n(until - from)}" ` +
      `height="${errorTop + panelHeight - weightTop}" fill="#fff1d6"/>`,
    label(middle, weightTop - 22, 'errors beyond the limit', 'middle'),
    label(middle, weightTop - 7, `held for ${incident.heldFor ?? ''}`, 'middle'),
    ...axis(weightTop, [0, 50, 100], weightY, (value) => `${value}%`),
    ...axis(errorTop, [0, 0.2, 0.4], errorY, (value) => `${Math.round(100 * value)}%`),
    line(
      [
        [left, errorY(errorLimit)],
        [left + plotWidth, errorY(errorLimit)],
      ],
      '#9a6700',
      '5 4',
    ),
    label(left + plotWidth + 10, errorY(errorLimit) + 4, 'limit, 10% for 10 s'),
    line(stairs(moments, x, weightY), '#0969da'),
    line(errors, '#cf222e'),
    line(
      [
        [until, weightTop],
        [until, errorTop + panelHeight],
      ],
      '#1a7f37',
    ),
    label(left + plotWidth + 10, weightTop + 50, 'weight of the canary', 'start', '#0969da'),
    label(left + plotWidth + 10, errorTop + 25, 'its failed requests', 'start', '#cf222e'),
    label(until, errorTop + panelHeight + 40, 'all traffic on stable', 'middle', '#1a7f37'),
    ...seconds(endSeconds, x),
    '</svg>\n',
  ].join('\n');
}

function stairs(
  moments: readonly Moment[],
  x: (seconds: number) => number,
  y: (percent: number) => number,
): Point[] {
  return moments.flatMap(({ seconds, weight }, i): Point[] => [
    [x(seconds), y(moments[i - 1]?.weight ?? weight)],
    [x(seconds), y(weight)],
  ]);
}

function axis(
  top: number,
  values: readonly number[],
  y: (value: number) => number,
  text: (value: number) => string,
): string[] {
  return [
    line(
      [
        [left, top],
        [left, top + panelHeight],
      ],
      '#8c959f',
    ),
    ...values.flatMap((value) => [
      line(
        [
          [left, y(value)],
          [left + plotWidth, y(value)],
        ],
        '#d8dee4',
      ),
      label(left - 8, y(value) + 4, text(value), 'end'),
    ]),
  ];
}

function seconds(endSeconds: number, x: (seconds: number) => number): string[] {
  const marks: string[] = [];
  for (let second = 0; second <= endSeconds; second += 5) {
    marks.push(label(x(second), errorTop + panelHeight + 18, `${second} s`, 'middle'));
  }
  return marks;
}

function line(points: readonly Point[], color: string, dashes?: string): string {
  const at = points.map(([px, py]) => `${n(px)},${n(py)}`).join(' ');
  const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  return `<polyline points="${at}" fill="none" stroke="${color}" stroke-width="2"${dashed}/>`;
}

function label(
  px: number,
  py: number,
  text: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
  color = '#57606a',
): string {
  return `<text x="${n(px)}" y="${n(py)}" text-anchor="${anchor}" fill="${color}">${text}</text>`;
}

function n(value: number): string {
  return value.toFixed(1);
}

const record = JSON.parse(readFileSync(join(root, 'reports', 'demo.json'), 'utf8')) as DemoRecord;
writeFileSync(join(root, 'docs', 'rollback.svg'), chart(record));
console.log('wrote docs/rollback.svg');
