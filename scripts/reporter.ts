// A mocha reporter: mocha's own spec output for people on the terminal, and mocha's own JSON report
// in the file that the reporter option `output` names. It adds nothing to either, but ends a
// process that goes on after its last test.
import Mocha from 'mocha';

const graceMs = 15_000;

/** A hook that failed may leave something running; unlike a hang, this says so and ends. */
function endWithoutTests(): void {
  const end = (): void => {
    console.error('The tests have ended, and something that they started has not.');
    process.exit(1);
  };
  setTimeout(end, graceMs).unref();
}

class SpecAndJson extends Mocha.reporters.Spec {
  readonly json: Mocha.reporters.JSON;

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    this.json = new Mocha.reporters.JSON(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, endWithoutTests);
  }
}

// Mocha loads reporters with require(), which takes the export of this name as the whole module.
export { SpecAndJson as 'module.exports' };
