// A mocha reporter: mocha's own spec output for people on the terminal, and mocha's own JSON report
// in the file that the reporter option `output` names. It adds nothing to either.
import Mocha from 'mocha';

class SpecAndJson extends Mocha.reporters.Spec {
  readonly json: Mocha.reporters.JSON;

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    this.json = new Mocha.reporters.JSON(runner, options);
  }
}

// Mocha loads reporters with require(), which takes the export of this name as the whole module.
export { SpecAndJson as 'module.exports' };
