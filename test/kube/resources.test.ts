// Paths and keys of resources.
import { expect } from 'chai';
import {
  httpRoutes,
  keyOf,
  pods,
  replicaSets,
  resourcePath,
  x0ttaDeployments,
} from '../../src/kube/resources.ts';

describe('resource paths', () => {
  it('names collections, objects and subresources', () => {
    expect(resourcePath(pods)).to.equal('/api/v1/pods');
    expect(resourcePath(replicaSets, 'n')).to.equal('/apis/apps/v1/namespaces/n/replicasets');
    expect(resourcePath(x0ttaDeployments, 'n', 'a', 'status')).to.equal(
      '/apis/x0tta.io/v1alpha1/namespaces/n/x0ttadeployments/a/status',
    );
    expect(resourcePath(httpRoutes, 'n', 'a')).to.equal(
      '/apis/gateway.networking.k8s.io/v1/namespaces/n/httproutes/a',
    );
  });

  it('lets no name lead to another path', () => {
    expect(resourcePath(pods, 'n', 'a/../b?c#d%')).to.equal(
      '/api/v1/namespaces/n/pods/a%2F..%2Fb%3Fc%23d%25',
    );
    for (const segment of ['', '.', '..']) {
      expect(() => resourcePath(pods, 'n', segment)).to.throw('segment');
      expect(() => resourcePath(pods, segment, 'a')).to.throw('segment');
    }
    expect(() => resourcePath(pods, 'n', undefined, 'status')).to.throw("needs an object's name");
  });

  it('makes keys of names', () => {
    expect(keyOf('n', 'a')).to.equal('n/a');
    expect(keyOf(undefined, 'a')).to.equal('a');
  });
});
