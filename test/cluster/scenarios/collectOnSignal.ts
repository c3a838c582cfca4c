// Loaded into an operator by a test: on SIGUSR2 it collects garbage and writes what is left to the
// file that X0TTA_LEFT names.
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGUSR2', () => {
  collect();
  const resources = process.getActiveResourcesInfo();
  const count = (name: string): number => resources.filter((each) => each === name).length;
  const { heapUsed, rss: resident } = process.memoryUsage();
  const left = { heapUsed, resident, sockets: count('TCPSocketWrap'), timers: count('Timeout') };
  writeFileSync(process.env['X0TTA_LEFT'] ?? '', JSON.stringify(left));
});
