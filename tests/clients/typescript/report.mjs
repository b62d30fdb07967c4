// What both TypeScript callers share: the command line, the packages, and one line of JSON at the end.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const TIME_LIMIT_MS = 30_000;

// The packages live outside this tree: resolved from there, whatever the working folder is.
export const load = createRequire(join(process.env.BEARWARD_TEST_NODE_MODULES, 'resolve-from-here.js'));

/** Runs a tour of a server and prints what it saw; an error is a member `error`, and exit code 1. */
export async function report(tour) {
  const [url, era, tool, args] = process.argv.slice(2);
  const timer = setTimeout(() => finish({ error: 'time limit' }), TIME_LIMIT_MS);
  try {
    const token = process.env.TOKEN;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    finish(await tour({ url: new URL(url), era, tool, args: JSON.parse(args), headers, token }));
  } catch (error) {
    finish({ error: `${error?.name}: ${error?.message}` });
  } finally {
    clearTimeout(timer);
  }
}

/** The parts of an answer that a test looks at. */
export function seen(protocol, tools, result, progress) {
  const text = result.content.filter((part) => part.type === 'text').map((part) => part.text);
  return {
    protocol,
    tools: tools.tools.map((tool) => tool.name),
    text: text.join(''),
    is_error: Boolean(result.isError),
    progress,
    ended_at_ms: Math.round(performance.now()),
  };
}

/** Collects progress with the time each arrived. */
export function collector() {
  const progress = [];
  const onprogress = ({ progress: done, total }) =>
    progress.push({ done, total, at_ms: Math.round(performance.now()) });
  return { progress, onprogress };
}

function finish(answer) {
  process.stdout.write(JSON.stringify(answer) + '\n', () => process.exit('error' in answer ? 1 : 0));
}
