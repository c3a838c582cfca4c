// The operator's command line: what each flag becomes, what is refused and in which words, and that
// the list of flags is whole.
import { expect } from 'chai';
import { helpText, readCommandLine } from '../../src/cli/flags.ts';
import type { Flags } from '../../src/cli/flags.ts';
import { defaultLeaseTimes } from '../../src/kube/lease.ts';

function flagsOf(...args: readonly string[]): Flags {
  const command = readCommandLine(['--config=x.yaml', ...args]);
  if (command.kind !== 'run') throw new Error(`it is ${JSON.stringify(command)}`);
  return command.flags;
}

function refusalOf(...args: readonly string[]): string {
  const command = readCommandLine(args);
  if (command.kind !== 'refused') throw new Error(`it is ${JSON.stringify(command)}`);
  return command.message;
}

describe('the command line', () => {
  it('needs a configuration, and nothing else', () => {
    const { shown, ...flags } = flagsOf();
    expect(flags).to.deep.equal({
      config: 'x.yaml',
      kubeconfig: undefined,
      listen: { flag: '--listen', host: undefined, port: 8080 },
      probeListen: { flag: '--probe-listen', host: undefined, port: 8081 },
      logLevel: 'info',
      namespace: 'x0tta-system',
      leaderElect: true,
      leaseTimes: defaultLeaseTimes,
    });
    expect(shown).to.include.members(['--config=x.yaml', '--listen=:8080', '--leader-elect=true']);
  });

  it('has a value for every flag', () => {
    const flags = flagsOf(
      '--kubeconfig=k',
      '--log-level=debug',
      '--namespace=mesh',
      '--no-leader-elect',
      '--lease-duration=4s',
      '--renew-deadline=2s500ms',
      '--retry-period=500ms',
    );
    expect(flags).to.deep.include({
      kubeconfig: 'k',
      logLevel: 'debug',
      namespace: 'mesh',
      leaderElect: false,
      leaseTimes: { durationMs: 4_000, renewDeadlineMs: 2_500, retryPeriodMs: 500 },
    });
    expect(flags.shown).to.include.members(['--leader-elect=false', '--retry-period=500ms']);
  });

  for (const [text, host, port] of [
    [':8080', undefined, 8080],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['localhost:65535', 'localhost', 65_535],
    ['[::1]:8080', '::1', 8080],
    ['[::]:8080', '::', 8080],
  ] as const) {
    it(`listens on ${text}`, () => {
      const { listen, probeListen } = flagsOf(`--listen=${text}`, `--probe-listen=${text}`);
      expect(listen).to.deep.equal({ flag: '--listen', host, port });
      expect(probeListen).to.deep.equal({ flag: '--probe-listen', host, port });
    });
  }

  for (const text of ['8080', '::1:8080', '[::1]', ':65536', 'host:', 'a:b:1', '[]:1', '']) {
    it(`listens on no ${JSON.stringify(text)}`, () => {
      const message = refusalOf('--config=x', `--probe-listen=${text}`);
      expect(message).to.include(`--probe-listen ${text} is not [HOST]:PORT`);
    });
  }

  for (const [args, words] of [
    [[], '--config FILE is needed'],
    [['--config='], '--config FILE is needed'],
    [['--config=x', '--lisen=:1'], '--lisen'],
    [['--config=x', 'serve'], "'serve'"],
    [['--config'], '--config'],
    [['--config=x', '--version=1'], '--version'],
    [['--config=x', '--log-level=trace'], '--log-level is one of debug, info, warn, error'],
    [['--config=x', '--namespace=$(POD_NAMESPACE)'], '--namespace $(POD_NAMESPACE) is not'],
    [['--config=x', '--lease-duration=15'], '--lease-duration: "15" is not a duration'],
    [['--config=x', '--lease-duration=10s'], 'which are 10s, 10s, 2s'],
    [['--config=x', '--renew-deadline=2s'], 'must be longer than --renew-deadline'],
    [['--config=x', '--retry-period=0s'], '--retry-period 0s is under 100ms'],
  ] as const) {
    it(`refuses ${args.join(' ') || 'nothing at all'}`, () => {
      const message = refusalOf(...args);
      expect(message)
        .to.include(words)
        .and.to.match(/; --help lists all flags$/);
      expect(message).to.not.include('\n');
    });
  }

  it('prints the version or the list of flags, whatever else is said', () => {
    expect(readCommandLine(['--version'])).to.deep.equal({ kind: 'version' });
    expect(readCommandLine(['--log-level=x', '--help'])).to.deep.equal({ kind: 'help' });
  });

  it('lists every flag on one line with its default', () => {
    const [title, ...lines] = helpText('1.2.3').split('\n').filter(Boolean);
    expect(title).to.include('x0tta 1.2.3');
    const names = lines.map((line) => /^ {2}--(?:\[no-\])?([a-z-]+)/.exec(line)?.[1]);
    const known = flagsOf('--kubeconfig=k').shown.map(
      (shown) => /[a-z-]+/.exec(shown.slice(2))?.[0],
    );
    expect(names).to.have.members([...known, 'version', 'help']);
    expect(lines.find((line) => line.includes('--renew-deadline'))).to.include('(default: 10s)');
    for (const line of lines) expect(line.length).to.be.at.most(100);
  });
});
