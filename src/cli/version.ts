// The version of this operator, put in place by the bundler (scripts/bundle.ts). It reads no file.
declare const X0TTA_VERSION: string | undefined;

/** As package.json has it; the sources, which nobody ships, have none. */
export const version = typeof X0TTA_VERSION === 'string' ? X0TTA_VERSION : 'unbundled';
