// The stories of tests/src/suites/transactions.rs with kafkajs, whose transactions go the older way.
"use strict";

const { check, equal, name, waitUntil } = require("./harness.js");
const { Reader, producer, topic, withAdmin } = require("./lib.js");

// The last record of a partition, without a transaction: who has read it has seen all before it.
const LAST = "the last one";

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => String(from + i));

function transactional(id, transactionTimeout = 60_000) {
  return producer({ transactionalId: name(id), transactionTimeout, idempotent: true, maxInFlightRequests: 1 });
}

async function send(sender, to, partition, values) {
  await sender.send({ topic: to, messages: values.map((value) => ({ partition, value })) });
}

async function sendPlainly(to, partition, values) {
  const plain = await producer();
  await send(plain, to, partition, values);
  await plain.disconnect();
}

/** What a reader of this kind sees of each partition up to its last record. */
async function everything(to, partitions, readUncommitted = false) {
  const seen = Array.from({ length: partitions }, () => []);
  const take = async (partition, messages) => {
    seen[partition].push(...messages.map((message) => message.value.toString()));
  };
  const reader = await Reader.start(to, name(`reader-${readUncommitted}`), take, { readUncommitted });
  await waitUntil(`the end of ${to} is read`, () => seen.every((values) => values.includes(LAST)));
  await reader.stop();
  return seen.map((values) => values.slice(0, values.indexOf(LAST)));
}

async function isRefused(work, what) {
  try {
    await work();
  } catch (refused) {
    console.log(`refused: ${refused.message}`);
    return;
  }
  check(false, what);
}

async function commitAndAbort() {
  const to = await topic("t", 3);
  const sender = await transactional("p");
  const expected = [];
  const written = [];
  for (let round = 0; round < 20; round++) {
    const values = numbers(round * 50, round * 50 + 50);
    const transaction = await sender.transaction();
    for (let partition = 0; partition < 3; partition++) {
      await send(transaction, to, partition, values);
    }
    written.push(...values);
    if (round % 3 === 1) {
      await transaction.abort();
    } else {
      await transaction.commit();
      expected.push(...values);
    }
  }
  for (let partition = 0; partition < 3; partition++) {
    await sendPlainly(to, partition, [LAST]);
  }
  equal(await everything(to, 3), [expected, expected, expected], "committed values");
  equal(await everything(to, 3, true), [written, written, written], "all values");
}

async function offsets() {
  const from = await topic("t");
  const groupId = name("g");
  await sendPlainly(from, 0, numbers(0, 10));
  const sender = await transactional("p");
  const sendOffset = (transaction, offset) =>
    transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: from, partitions: [{ partition: 0, offset }] }] });
  const cursor = () =>
    withAdmin(async (admin) => {
      const [found] = await admin.fetchOffsets({ groupId, topics: [from] });
      return found.partitions.find(({ partition }) => partition === 0)?.offset;
    });
  const aborted = await sender.transaction();
  await sendOffset(aborted, "4");
  await aborted.abort();
  equal(await cursor(), "-1", "the cursor after an abort");
  const committed = await sender.transaction();
  await sendOffset(committed, "7");
  await committed.commit();
  equal(await cursor(), "7", "the cursor after a commit");
}

async function fenced() {
  const to = await topic("t");
  const old = await (await transactional("p")).transaction();
  await send(old, to, 0, ["of the old one"]);
  const anew = await (await transactional("p")).transaction();
  await send(anew, to, 0, ["of the new one"]);
  await anew.commit();
  await isRefused(() => old.commit(), "a fenced producer has committed");
  await sendPlainly(to, 0, [LAST]);
  equal(await everything(to, 1), [["of the new one"]], "committed values");
}

async function timeIsUp() {
  const to = await topic("t");
  const slow = await (await transactional("p", 1_000)).transaction();
  await send(slow, to, 0, ["left open"]);
  // It is read when what was left open before it is aborted.
  await sendPlainly(to, 0, [LAST]);
  equal(await everything(to, 1), [[]], "committed values");
  await isRefused(() => slow.commit(), "an aborted transaction was committed");
}

const stories = {
  "commit-and-abort": commitAndAbort,
  offsets,
  fenced,
  "time-is-up": timeIsUp,
};

stories[process.argv[2]]().then(
  () => process.exit(0),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
