// Asks a metric server the questions of one look, each once, a few at a time. A question that is
// too much for the server is halved by namespace: one namespace costs only its own objects.
import type { AbsenceReason } from '../core/evidence.ts';
import type { MetricAnswer, TakeRow } from './port.ts';
import type { RowTable, Wanted } from './rowTable.ts';

export interface Question {
  readonly namespaces: readonly string[];
  readonly ask: (namespaces: readonly string[], take: TakeRow) => Promise<MetricAnswer>;
  /** Whose rows are wanted. */
  readonly wanted: Wanted;
  /** Whether fewer namespaces are a smaller question. */
  readonly canBeHalved: boolean;
}

export interface Answered {
  readonly answer: MetricAnswer;
  /** To be trusted when the answer is. */
  readonly rows: RowTable;
}

/** What a question came to, by namespace. */
export type AnswerOf = ReadonlyMap<string, Answered>;
/** The answers by question. */
export type Answers = ReadonlyMap<string, AnswerOf>;

/** Queries under way at a time. */
const concurrency = 4;
const tooMuch: ReadonlySet<AbsenceReason> = new Set(['TooManySeries', 'Truncated', 'TimedOut']);

/** A smaller question may be answered: also servers that can't carry one out speak of limits. */
export function isTooMuch(answer: MetricAnswer): boolean {
  return !answer.ok && (tooMuch.has(answer.absence.reason) || answer.refusal === 'execution');
}

/** Every question by its key. */
export async function askAll(questions: ReadonlyMap<string, Question>): Promise<Answers> {
  const answers = new Map<string, AnswerOf>();
  const waiting = questions.entries();
  const work = async (): Promise<void> => {
    for (const [key, question] of waiting) {
      const own = new Map<string, Answered>();
      await askHalving(question, question.namespaces, own);
      answers.set(key, own);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return answers;
}

/**
 * Asks about one half of what was too much, and then about the other: not where the server took too
 * long (an answer of false) about more than one, save when it is sure to go on. Null where it did
 * not go on; else whether the server answers in time, which one alone does not decide.
 */
export async function askHalves<T>(
  all: readonly T[],
  ask: (half: readonly T[]) => Promise<boolean>,
  goesOn: boolean,
): Promise<boolean | null> {
  const middle = Math.ceil(all.length / 2);
  const first = await ask(all.slice(0, middle));
  if (!first && middle > 1 && !goesOn) return null;
  const others = all.slice(middle);
  const second = await ask(others);
  return second || (first && others.length === 1);
}

/** False when the server did not answer in time. */
async function askHalving(
  question: Question,
  namespaces: readonly string[],
  answers: Map<string, Answered>,
): Promise<boolean> {
  const rows = question.wanted.revisions.takeTable(question.wanted);
  const answer = await question.ask(namespaces, (row) => rows.add(row));
  const reason = answer.ok ? null : answer.absence.reason;
  if (isTooMuch(answer) && question.canBeHalved && namespaces.length > 1) {
    const ask = (half: readonly string[]): Promise<boolean> => askHalving(question, half, answers);
    const halves = await askHalves(namespaces, ask, reason !== 'TimedOut');
    if (halves !== null) return halves;
  }
  const answered = { answer, rows };
  for (const namespace of namespaces) {
    if (!answers.has(namespace)) answers.set(namespace, answered);
  }
  return reason !== 'TimedOut';
}
