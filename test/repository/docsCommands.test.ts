// The reader of the commands that docs/ wants run: which lines are commands, and what it refuses.
import { expect } from 'chai';
import { commandsIn } from '../cluster/install/docsCommands.ts';

const page = `# A page

<!-- runs: install -->

\`\`\`sh
# This is for readers.
helm install x0tta helm/x0tta -n x0tta-system \\
  --set prometheus.url=http://prometheus.monitoring:9090

kubectl get x0tta -A # all of them
\`\`\`

\`\`\`sh
kubectl delete x0tta --all
\`\`\`

<!-- runs: twice -->

\`\`\`sh
true
\`\`\`

<!-- runs: twice -->

\`\`\`sh
false
\`\`\`

<!-- runs: values -->

\`\`\`yaml
replicas: 3
\`\`\`
`;

describe('the commands of a page', () => {
  it('are the lines of the marked block, joined where they go on', () => {
    expect(commandsIn(page, 'install', 'a.md')).to.deep.equal([
      'helm install x0tta helm/x0tta -n x0tta-system --set ' +
        'prometheus.url=http://prometheus.monitoring:9090',
      'kubectl get x0tta -A # all of them',
    ]);
  });

  for (const [name, words] of [
    ['gone', 'a.md has 0 blocks'],
    ['twice', 'a.md has 2 blocks'],
    ['values', 'the block values is yaml'],
  ] as const) {
    it(`are refused of the block ${name}`, () => {
      expect(() => commandsIn(page, name, 'a.md')).to.throw(words);
    });
  }
});
