// What the stories need: their surroundings, waiting for conditions, and asking the harness for a crash.
"use strict";

const readline = require("node:readline");

// Past this a wait has failed. The harness has limits of its own; this one names what was waited for.
const WAIT_MS = 40_000;

const bootstrap = process.env.BOOTSTRAP;

/** A topic or group name of this case's own. */
function name(part) {
  return process.env.PREFIX + part;
}

function check(condition, what) {
  if (!condition) {
    throw new Error(what);
  }
}

function equal(found, expected, what) {
  const same = JSON.stringify(found) === JSON.stringify(expected);
  check(same, `${what}: found ${shown(found)}, expected ${shown(expected)}`);
}

function shown(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length < 400 ? text : text.slice(0, 400) + "...";
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Checks a condition until it holds. */
async function waitUntil(what, condition) {
  const end = Date.now() + WAIT_MS;
  while (!(await condition())) {
    check(Date.now() < end, `timed out waiting until ${what}`);
    await pause(10);
  }
}

const lines = readline.createInterface({ input: process.stdin });

/** Asks the harness for a service; resolves when it is done. */
async function wish(service) {
  const answer = new Promise((resolve) => lines.once("line", resolve));
  process.stdout.write(`@${service}\n`);
  equal(await answer, "ok", "the harness's answer");
}

/** kill -9 and a new start of the broker; resolves when it answers again. */
const killBroker = () => wish("kill9");

module.exports = { bootstrap, check, equal, killBroker, name, pause, waitUntil, wish };
