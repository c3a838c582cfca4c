// Who has fields of a route, as its managedFields say. It asks the API server and writes nothing.
import type { RouteKind } from '../../../src/api/schema.ts';
import type { Stage } from './stage.ts';

interface Managed {
  readonly metadata: {
    readonly managedFields?: readonly {
      readonly manager: string;
      readonly subresource?: string;
    }[];
  };
}

/** The managers of the stage's route, without those of its status. */
export async function fieldOwners(
  stage: Stage,
  kind: RouteKind = 'HTTPRoute',
): Promise<readonly string[]> {
  const { metadata } = (await stage.readRoute(kind)) as Managed;
  const entries = metadata.managedFields ?? [];
  return entries.filter(({ subresource }) => subresource === undefined).map((one) => one.manager);
}
